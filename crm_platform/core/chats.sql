-- What is known of each chat, and until when.
with counted as (
    select
        chat_id,
        count(*) as stored_messages,
        min(timestamp) filter (where is_counted) as oldest_counted_at,
        min(timestamp) filter (where is_counted and direction = 'inbound') as first_inbound_at,
        max(timestamp) filter (where is_counted and direction = 'inbound') as last_inbound_at
    from core.messages
    group by chat_id
),
every_chat as (
    select chat_id
    from (
        select chat_id from raw.contacts
        union all
        select chat_id from counted
        union all
        select chat_id from ops.crawl_state
    ) as mentions
    group by chat_id
),
known as (
    select
        every_chat.chat_id as chat_id,
        state.known_until as known_until,
        coalesce(state.is_history_whole, false) as is_history_whole,
        coalesce(counted.stored_messages, 0) as stored_messages,
        coalesce(quarantine.records, 0) as quarantined_messages,
        coalesce(state.reported_total, 0) as reported_total,
        coalesce(state.unreachable, 0) as unreachable,
        state.newest_run_since as newest_run_since,
        state.fell_short_at as fell_short_at,
        counted.oldest_counted_at as oldest_counted_at,
        counted.first_inbound_at as first_inbound_at,
        counted.last_inbound_at as last_inbound_at
    from every_chat
    left join counted on counted.chat_id = every_chat.chat_id
    left join ops.crawl_state as state on state.chat_id = every_chat.chat_id
    left join core.chat_quarantine as quarantine on quarantine.chat_id = every_chat.chat_id
)
select
    chat_id,
    known_until,
    is_history_whole,
    stored_messages,
    quarantined_messages,
    case when is_history_whole then unreachable else 0 end as unreachable_messages,
    oldest_counted_at,
    {{ local_day("first_inbound_at") }} as first_inbound_day,
    last_inbound_at,
    case
        when is_history_whole then 0
        else greatest(0, reported_total - stored_messages - quarantined_messages)
    end as history_remainder,
    -- Up to when what is missing may be dated: nobody knows where in a list that was read to its end and fell short.
    case
        when fell_short_at is not null then known_until
        else coalesce(newest_run_since, oldest_counted_at, known_until)
    end as remainder_until
from known
