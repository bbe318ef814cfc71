-- Conversations as far as their messages alone tell: waits and marks come later.
with spans as (
    select
        chat_id,
        conversation_number,
        {{ first_by("message_id", "position") }} as first_message_id,
        {{ first_by("direction", "position") }} as first_direction,
        min(timestamp) as started_at,
        max(timestamp) as ended_at,
        min(timestamp) filter (where direction = 'inbound') as first_inbound_at,
        count(*) filter (where direction = 'inbound') as inbound_messages,
        count(*) filter (where is_reply) as replies,
        count(*) filter (where is_template) as templates
    from core.messages
    where is_counted
    group by chat_id, conversation_number
)
select
    spans.chat_id as chat_id,
    conversation_number,
    first_message_id,
    started_at,
    ended_at,
    first_inbound_at,
    inbound_messages,
    replies,
    templates,
    case when first_direction = 'inbound' then 'contact' else 'business' end as initiated_by,
    chats.known_until as known_until,
    coalesce({{ seconds_between("ended_at", "chats.known_until") }} > {{ gap_seconds }}, false) as is_over,
    conversation_number = 1 and not chats.is_history_whole as is_left_truncated
from spans
join core.chats as chats on chats.chat_id = spans.chat_id
