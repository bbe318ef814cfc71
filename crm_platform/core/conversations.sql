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
marks as (
    select
        spans.chat_id as chat_id,
        spans.conversation_number as conversation_number,
        events."at" as marked_at,
        events.agent as marker,
        row_number() over (
            partition by spans.chat_id, spans.conversation_number order by events."at" desc, events.event_id desc
        ) as newest
    from core.conversation_spans as spans
    join raw.operator_events as events on events.chat_id = spans.chat_id
    where events.kind = 'done'
        and events."at" >= spans.started_at
        and events."at" < {{ later("spans.ended_at", gap_seconds) }}
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
        spans.initiated_by as initiated_by,
        spans.is_over as is_over,
        spans.is_left_truncated as is_left_truncated,
        coalesce(outcomes.is_waiting, false) as is_waiting,
        coalesce(outcomes.is_missed, false) as is_missed,
        marks.marker as marker,
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
    left join marks
        on marks.chat_id = spans.chat_id and marks.conversation_number = spans.conversation_number and marks.newest = 1
)
select
    chat_id,
    first_message_id,
    conversation_number,
    started_at,
    ended_at,
    inbound_messages,
    replies,
    templates,
    initiated_by,
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
    nullif(marker, '') as marker
from resolved
