-- Every chat under each dimension: its country, its segments' values, else what stands where there is none.
with people as (
    select chats.chat_id as chat_id, contacts.region as region, contacts.custom_fields as custom_fields
    from core.chats as chats
    left join raw.contacts as contacts on contacts.chat_id = chats.chat_id
),
{%- for name in segment_fields %}
texts_{{ loop.index }} as (
    select chat_id, {{ each_json_text("custom_fields", name) }} as label from people
),
labelled_{{ loop.index }} as (
    select distinct chat_id, {{ trimmed("label") }} as value
    from texts_{{ loop.index }}
    where {{ trimmed("label") }} <> ''
),
{%- endfor %}
nobodys as (
    select 'agent' as dimension, '(unassigned)' as nothing
    union all
    select 'team' as dimension, '(no team)' as nothing
    union all
    select 'origin' as dimension, '(none)' as nothing
)
{%- for name in segment_fields %}
select
    people.chat_id as chat_id,
    {{ quoted("segment:" ~ name) }} as dimension,
    coalesce(labelled.value, '(none)') as value
from people
left join labelled_{{ loop.index }} as labelled on labelled.chat_id = people.chat_id
union all
{%- endfor %}
select chat_id, 'country' as dimension, coalesce(nullif({{ trimmed("region") }}, ''), '(unknown)') as value
from people
union all
select chats.chat_id as chat_id, nobodys.dimension as dimension, nobodys.nothing as value
from core.chats as chats
cross join nobodys
