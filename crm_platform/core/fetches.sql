-- The requests that published rows came from, and the visits that say until when each chat is known.
with mentioned as (
    select first_fetch_id as fetch_id from core.messages group by first_fetch_id
    union all
    select fetch_id from core.messages group by fetch_id
    union all
    select first_fetch_id as fetch_id from core.contacts group by first_fetch_id
    union all
    select fetch_id from core.contacts group by fetch_id
    union all
    select fetch_id from core.campaigns
    union all
    select fetch_id from core.campaign_reports
    union all
    select fetch_id from core.campaign_statuses
    union all
    select fetch_id from core.assignments where fetch_id is not null
    union all
    select sweep_id as fetch_id from core.contact_sweeps
    union all
    select visits.fetch_id
    from ops.fetches as visits
    join core.chats as chats on chats.chat_id = visits.target and chats.known_until = visits.started_at
    where visits.operation = 'list_messages'
),
wanted as (
    select fetch_id from mentioned group by fetch_id
)
select
    fetches.fetch_id as fetch_id,
    operation,
    case when operation in ('list_messages', 'assign_chat', 'mark_as_done') then target end as chat_id,
    case when operation = 'campaign_report' then target end as campaign_id,
    page,
    started_at,
    finished_at,
    http_status,
    outcome,
    records
from ops.fetches as fetches
join wanted on wanted.fetch_id = fetches.fetch_id
