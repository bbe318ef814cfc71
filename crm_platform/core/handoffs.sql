-- Handoffs from a bot to a person: of each conversation the first, with the reply that came after it.
with anchors as (
    select
        told.chat_id as chat_id,
        told.event_id as event_id,
        told.happened_at as happened_at,
        max(messages.timestamp) as "at",
        max(messages.conversation_number) as conversation_number
    from {{ told('agent.handoff') }} as told
    join core.messages as messages on messages.chat_id = told.chat_id
    where messages.is_counted and messages.timestamp <= told.happened_at
    group by told.chat_id, told.event_id, told.happened_at
),
firsts as (
    select chat_id, conversation_number, min(happened_at) as handed_at
    from anchors
    where happened_at < {{ later('anchors."at"', gap_seconds) }}
    group by chat_id, conversation_number
),
replies as (
    select
        firsts.chat_id as chat_id,
        firsts.conversation_number as conversation_number,
        {{ first_by("messages.message_id", "messages.position") }} as message_id,
        min(messages.timestamp) as replied_at
    from firsts
    join core.messages as messages
        on messages.chat_id = firsts.chat_id and messages.conversation_number = firsts.conversation_number
    where messages.is_counted and messages.is_reply and messages.timestamp > firsts.handed_at
    group by firsts.chat_id, firsts.conversation_number
)
select
    firsts.chat_id as chat_id,
    conversations.first_message_id as first_message_id,
    replies.message_id as reply_message_id,
    firsts.handed_at as handed_at,
    replies.replied_at as replied_at,
    {{ seconds_between("firsts.handed_at", "replies.replied_at") }} as human_reply_seconds,
    case
        when replies.replied_at is not null then 'answered'
        when not conversations.is_over then 'open'
        else 'unanswered'
    end as state,
    conversations.origin as origin,
    credit.agent as agent,
    conversations.region as region,
    conversations.is_left_truncated as is_left_truncated,
    {{ local_day("firsts.handed_at") }} as day
from firsts
join core.conversations as conversations
    on conversations.chat_id = firsts.chat_id and conversations.conversation_number = firsts.conversation_number
left join replies
    on replies.chat_id = firsts.chat_id and replies.conversation_number = firsts.conversation_number
left join core.reply_credit as credit on credit.chat_id = replies.chat_id and credit.message_id = replies.message_id
