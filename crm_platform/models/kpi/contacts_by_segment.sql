-- Present contacts by the value of each segment field: the 50 largest, the rest, and those without one.
with present as (
    select stored.custom_fields as custom_fields, case when people.is_active_30d then 1 else 0 end as is_active
    from core.contacts as people
    join raw.contacts as stored on stored.chat_id = people.chat_id
    where people.is_present
),
labelled as (
    {%- for name in segment_fields %}
    select {{ quoted(name) }} as field, nullif({{ json_text("custom_fields", name) }}, '') as label, is_active
    from present
    {{ "union all" if not loop.last }}
    {%- else %}
    select '' as field, '' as label, is_active from present where is_active > 1
    {%- endfor %}
),
sizes as (
    select field, label, count(*) as contacts, sum(is_active) as active
    from labelled
    group by field, label
),
ranked as (
    select
        sizes.*,
        row_number() over (
            partition by field order by case when label is null then 1 else 0 end, contacts desc, label
        ) as place
    from sizes
),
named as (
    select
        field,
        case when label is null then '(none)' when place <= 50 then label else '(other)' end as name,
        contacts,
        active
    from ranked
)
select
    field,
    name as value,
    sum(named.contacts) as contacts,
    {{ rate("sum(named.contacts)", "max(everyone.contacts)") }} as share,
    sum(active) as active_30d,
    {{ smallest(contact_coverage(), message_coverage(days_before(30), cut_day)) }} as coverage
from named
cross join (select count(*) as contacts from present) as everyone
group by field, name
