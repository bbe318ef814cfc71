-- Present contacts under the value of each segment field: the 50 largest, the rest, and those without one.
with present as (
    select people.chat_id as chat_id, stored.custom_fields as custom_fields, people.is_active_30d as is_active_30d
    from core.contacts as people
    join raw.contacts as stored on stored.chat_id = people.chat_id
    where people.is_present
),
labelled as (
    {%- for name in segment_fields %}
    select
        chat_id,
        is_active_30d,
        {{ quoted(name) }} as field,
        nullif({{ json_text("custom_fields", name) }}, '') as label
    from present
    {{ "union all" if not loop.last }}
    {%- else %}
    select chat_id, is_active_30d, '' as field, '' as label from present where chat_id is null
    {%- endfor %}
),
sizes as (
    select field, label, count(*) as contacts
    from labelled
    where label is not null
    group by field, label
),
ranked as (
    select
        field,
        label,
        row_number() over (partition by field order by contacts desc, label) as place
    from sizes
)
select
    labelled.chat_id as chat_id,
    labelled.field as field,
    case
        when labelled.label is null then '(none)'
        when ranked.place <= 50 then labelled.label
        else '(other)'
    end as value,
    labelled.is_active_30d as is_active_30d
from labelled
left join ranked on ranked.field = labelled.field and ranked.label = labelled.label
