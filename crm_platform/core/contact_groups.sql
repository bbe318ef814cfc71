-- Every chat under each dimension: its country, its segments' values, else what stands where there is none.
with people as (
    select chats.chat_id as chat_id, contacts.region as region, contacts.custom_fields as custom_fields
    from core.chats as chats
    left join raw.contacts as contacts on contacts.chat_id = chats.chat_id
),
texts as (
    {%- for name in segment_fields %}
    select chat_id, {{ quoted("segment:" ~ name) }} as dimension, {{ each_json_text("custom_fields", name) }} as label
    from people
    union all
    {%- endfor %}
    select chat_id, 'country' as dimension, region as label from people
),
labelled as (
    select distinct chat_id, dimension, {{ trimmed("label") }} as value
    from texts
    where {{ trimmed("label") }} <> ''
),
dimensions as (
    {%- for name in segment_fields %}
    select {{ quoted("segment:" ~ name) }} as dimension, '(none)' as nothing
    union all
    {%- endfor %}
    select 'country' as dimension, '(unknown)' as nothing
    union all
    select 'agent' as dimension, '(unassigned)' as nothing
    union all
    select 'team' as dimension, '(no team)' as nothing
    union all
    select 'origin' as dimension, '(none)' as nothing
)
select
    people.chat_id as chat_id,
    dimensions.dimension as dimension,
    coalesce(labelled.value, dimensions.nothing) as value
from people
cross join dimensions
left join labelled on labelled.chat_id = people.chat_id and labelled.dimension = dimensions.dimension
