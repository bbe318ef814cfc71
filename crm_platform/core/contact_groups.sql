-- Every chat under each dimension: its country and its segments have their values here, the others are of each wait.
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
    select chat_id, '' as dimension, '' as label from people where chat_id is null
),
labelled as (
    select distinct chat_id, dimension, {{ trimmed("label") }} as value
    from texts
    where {{ trimmed("label") }} <> ''
),
dimensions as (
    {%- for name in segment_fields %}
    select {{ quoted("segment:" ~ name) }} as dimension, '(none)' as nothing, false as is_country
    union all
    {%- endfor %}
    select 'country' as dimension, '(unknown)' as nothing, true as is_country
    union all
    select 'agent' as dimension, '(own)' as nothing, false as is_country
    union all
    select 'team' as dimension, '(own)' as nothing, false as is_country
    union all
    select 'origin' as dimension, '(own)' as nothing, false as is_country
)
select
    people.chat_id as chat_id,
    dimensions.dimension as dimension,
    case
        when dimensions.is_country then coalesce(nullif(people.region, ''), dimensions.nothing)
        else coalesce(nullif(labelled.value, ''), dimensions.nothing)
    end as value
from people
cross join dimensions
left join labelled on labelled.chat_id = people.chat_id and labelled.dimension = dimensions.dimension
