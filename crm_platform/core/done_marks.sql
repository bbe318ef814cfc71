-- Marks as done in their order, each with the conversation of the newest counted message by then.
with numbered as (
    select
        chat_id,
        row_number() over (partition by chat_id order by "at", event_id) as number,
        "at" as marked_at,
        coalesce(nullif(agent_key, ''), nullif(agent, '')) as marker
    from raw.operator_events
    where kind = 'done'
),
anchors as (
    select
        numbered.chat_id as chat_id,
        numbered.number as number,
        max(messages.timestamp) as "at",
        max(messages.conversation_number) as conversation_number
    from numbered
    join core.messages as messages on messages.chat_id = numbered.chat_id
    where messages.is_counted and messages.timestamp <= numbered.marked_at
    group by numbered.chat_id, numbered.number
)
select
    numbered.chat_id as chat_id,
    numbered.number as number,
    numbered.marked_at as marked_at,
    numbered.marker as marker,
    -- Where another message of the conversation followed it came within the gap, too.
    case when numbered.marked_at < {{ later('anchors."at"', gap_seconds) }} then anchors.conversation_number end
        as conversation_number
from numbered
left join anchors on anchors.chat_id = numbered.chat_id and anchors.number = numbered.number
