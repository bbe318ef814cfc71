-- Conversations with what became of them.
with outcomes as (
    select
        chat_id,
        conversation_number,
        count(*) filter (where state = 'open') > 0 as is_waiting,
        count(*) filter (where state = 'missed') > 0 as is_missed
    from core.response_waits
    group by chat_id, conversation_number
),
repliers as (
    select
        messages.chat_id as chat_id,
        messages.conversation_number as conversation_number,
        {{ last_by("messages.message_id", "messages.position") }} as message_id
    from core.messages as messages
    where messages.is_counted and messages.is_reply
    group by messages.chat_id, messages.conversation_number
),
resolved as (
    select
        spans.chat_id as chat_id,
        spans.conversation_number as conversation_number,
        spans.first_message_id as first_message_id,
        spans.started_at as started_at,
        spans.ended_at as ended_at,
        spans.first_inbound_at as first_inbound_at,
        spans.inbound_messages as inbound_messages,
        spans.replies as replies,
        spans.templates as templates,
        spans.messages as messages,
        spans.initiated_by as initiated_by,
        spans.origin as origin,
        spans.reopened as reopened,
        spans.is_over as is_over,
        spans.is_left_truncated as is_left_truncated,
        coalesce(outcomes.is_waiting, false) as is_waiting,
        coalesce(outcomes.is_missed, false) as is_missed,
        marks.marker as marker,
        repliers.message_id as last_reply_id,
        case
            when marks.marked_at is not null then marks.marked_at
            when spans.is_over and spans.inbound_messages > 0 and spans.replies > 0
                and not coalesce(outcomes.is_missed, false) then spans.ended_at
        end as resolved_at,
        case
            when marks.marked_at is not null then 'operator'
            when spans.is_over and spans.inbound_messages > 0 and spans.replies > 0
                and not coalesce(outcomes.is_missed, false) then 'quiet'
        end as resolved_by
    from core.conversation_spans as spans
    left join outcomes
        on outcomes.chat_id = spans.chat_id and outcomes.conversation_number = spans.conversation_number
    left join repliers
        on repliers.chat_id = spans.chat_id and repliers.conversation_number = spans.conversation_number
    left join core.done_marks as marks on marks.chat_id = spans.chat_id and marks.number = spans.last_mark
)
select
    resolved.chat_id as chat_id,
    resolved.first_message_id as first_message_id,
    resolved.conversation_number as conversation_number,
    started_at,
    ended_at,
    inbound_messages,
    replies,
    templates,
    messages,
    {{ seconds_between("started_at", "ended_at") }} as duration_seconds,
    initiated_by,
    origin,
    reopened,
    credit.agent as agent,
    nullif(contacts.region, '') as region,
    is_over,
    is_left_truncated,
    resolved_at,
    resolved_by,
    case
        when resolved_at is not null then 'resolved'
        when is_waiting then 'waiting'
        when not is_over then 'active'
        when is_missed then 'missed'
        else 'quiet'
    end as state,
    case when resolved_at >= first_inbound_at then {{ seconds_between("first_inbound_at", "resolved_at") }} end
        as resolution_seconds,
    {{ local_day("resolved_at") }} as resolved_day,
    {{ local_day("ended_at") }} as ended_day,
    {{ local_day("started_at") }} as started_day,
    case when resolved_at is not null then coalesce(markers.agent, assignees.agent) end as resolved_agent
from resolved
left join core.reply_credit as credit
    on credit.chat_id = resolved.chat_id and credit.message_id = resolved.last_reply_id
left join core.agent_aliases as markers on markers.alias = resolved.marker
left join core.assignments as assignees
    on assignees.chat_id = resolved.chat_id
    and assignees.assigned_at <= resolved.resolved_at and resolved.resolved_at < assignees.until_at
left join raw.contacts as contacts on contacts.chat_id = resolved.chat_id
