-- Scores, each of the conversation of the newest reply in the week before it: what a contact answers to a survey may
-- itself be a message that opens a conversation. Without such a reply it is that of the newest message.
with anchors as (
    select
        told.chat_id as chat_id,
        told.event_id as event_id,
        told.happened_at as happened_at,
        told.score as score,
        coalesce(
            max(messages.conversation_number) filter (
                where messages.is_reply and messages.timestamp >= {{ later("told.happened_at", "-604800e0") }}
            ),
            max(messages.conversation_number)
        ) as conversation_number
    from {{ told('csat.submitted') }} as told
    join core.messages as messages on messages.chat_id = told.chat_id
    where messages.is_counted and messages.timestamp <= told.happened_at and told.score is not null
    group by told.chat_id, told.event_id, told.happened_at, told.score
),
numbered as (
    select
        anchors.*,
        row_number() over (
            partition by chat_id, conversation_number order by happened_at desc, event_id desc
        ) as number
    from anchors
)
select
    numbered.chat_id as chat_id,
    conversations.first_message_id as first_message_id,
    numbered.happened_at as scored_at,
    numbered.score as score,
    conversations.origin as origin,
    coalesce(conversations.resolved_agent, conversations.agent) as agent,
    conversations.region as region,
    {{ local_day("numbered.happened_at") }} as day
from numbered
join core.conversations as conversations
    on conversations.chat_id = numbered.chat_id and conversations.conversation_number = numbered.conversation_number
where numbered.number = 1
