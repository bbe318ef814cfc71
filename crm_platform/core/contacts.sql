-- Contacts, those that are gone included.
with presence as (
    select
        chat_id,
        max(case when interval_number = 1 then from_at end) as joined_at,
        count(*) filter (where to_at is null) > 0 as is_present
    from core.contact_presence
    group by chat_id
),
active as (
    select chat_id, count(*) as inbound_messages
    from core.messages
    where is_counted
        and direction = 'inbound'
        and not is_opt_out
        and timestamp >= {{ start_of_day(30) }}
        and timestamp < {{ start_of_day(0) }}
    group by chat_id
)
select
    contacts.chat_id as chat_id,
    presence.joined_at as joined_at,
    contacts.first_fetched_at as first_seen_at,
    nullif(contacts.region, '') as region,
    presence.is_present as is_present,
    contacts.created_at is not null as has_created_at,
    coalesce(active.inbound_messages, 0) > 0 as is_active_30d,
    contacts.first_fetch_id as first_fetch_id,
    contacts.fetch_id as fetch_id
from raw.contacts as contacts
join presence on presence.chat_id = contacts.chat_id
left join active on active.chat_id = contacts.chat_id
