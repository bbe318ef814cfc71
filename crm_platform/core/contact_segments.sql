-- Present contacts under each value of each segment field: the 50 largest, the rest, and those without one.
with present as (
    select people.chat_id as chat_id, stored.custom_fields as custom_fields, people.is_active_30d as is_active_30d
    from core.contacts as people
    join raw.contacts as stored on stored.chat_id = people.chat_id
    where people.is_present
),
fields as (
    {%- for name in segment_fields %}
    select {{ quoted(name) }} as field
    {{ "union all" if not loop.last }}
    {%- else %}
    select '' as field from present where chat_id is null
    {%- endfor %}
),
texts as (
    {%- for name in segment_fields %}
    select chat_id, {{ quoted(name) }} as field, {{ each_json_text("custom_fields", name) }} as label
    from present
    {{ "union all" if not loop.last }}
    {%- else %}
    select chat_id, '' as field, '' as label from present where chat_id is null
    {%- endfor %}
),
labelled as (
    select distinct chat_id, field, {{ trimmed("label") }} as label
    from texts
    where {{ trimmed("label") }} <> ''
),
sizes as (
    select field, label, count(*) as contacts
    from labelled
    group by field, label
),
ranked as (
    select
        field,
        label,
        row_number() over (partition by field order by contacts desc, label) as place
    from sizes
),
-- Two small values of one contact are one (other).
placed as (
    select distinct
        labelled.chat_id as chat_id,
        labelled.field as field,
        case when ranked.place <= 50 then labelled.label else '(other)' end as value
    from labelled
    join ranked on ranked.field = labelled.field and ranked.label = labelled.label
)
select
    present.chat_id as chat_id,
    fields.field as field,
    case when placed.chat_id is null then '(none)' else placed.value end as value,
    present.is_active_30d as is_active_30d
from present
cross join fields
left join placed on placed.chat_id = present.chat_id and placed.field = fields.field
