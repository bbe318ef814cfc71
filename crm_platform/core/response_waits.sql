-- A wait opens at the oldest unanswered question and closes at the next reply of its conversation, or ends unanswered at
-- a mark as done. Between two replies or marks there is at most one wait: it is what stands after the same number of
-- both. Opt-outs ask nothing.
with turns as (
    select
        chat_id,
        conversation_number,
        marks_before,
        message_id,
        timestamp,
        is_reply,
        origin,
        position,
        sum(case when is_reply then 1 else 0 end) over (
            partition by chat_id, conversation_number, marks_before
            order by position rows between unbounded preceding and current row
        ) - case when is_reply then 1 else 0 end as replies_before
    from core.messages
    where is_counted and (direction = 'inbound' and not is_opt_out or is_reply)
),
openings as (
    select
        chat_id,
        conversation_number,
        marks_before,
        replies_before,
        {{ first_by("message_id", "position") }} filter (where not is_reply) as opening_message_id,
        {{ first_by("origin", "position") }} filter (where not is_reply) as origin,
        min(timestamp) filter (where not is_reply) as waiting_since,
        max(message_id) filter (where is_reply) as closing_message_id,
        max(timestamp) filter (where is_reply) as answered_at
    from turns
    group by chat_id, conversation_number, marks_before, replies_before
    having count(*) filter (where not is_reply) > 0
),
waits as (
    select
        openings.*,
        row_number() over (partition by chat_id, conversation_number order by marks_before, replies_before) = 1
            as opens_first,
        {{ local_day("waiting_since") }} as opened_on
    from openings
),
judged as (
    select
        waits.chat_id as chat_id,
        spans.first_message_id as first_message_id,
        waits.opening_message_id as opening_message_id,
        waits.closing_message_id as closing_message_id,
        waits.waiting_since as waiting_since,
        waits.answered_at as answered_at,
        case when waits.answered_at is null then marks.marked_at end as done_at,
        waits.opens_first as is_first,
        case
            when waits.answered_at is not null then 'answered'
            when not spans.is_over and marks.marked_at is null then 'open'
            when waits.opens_first then 'missed'
            else 'trailing'
        end as state,
        waits.origin as origin,
        spans.is_left_truncated as is_left_truncated,
        waits.opened_on as day,
        waits.conversation_number as conversation_number,
        spans.last_inbound_position as last_inbound_position,
        spans.ended_at as conversation_ended_at,
        spans.known_until as known_until
    from waits
    join core.conversation_spans as spans
        on spans.chat_id = waits.chat_id and spans.conversation_number = waits.conversation_number
    left join core.done_marks as marks
        on marks.chat_id = waits.chat_id and marks.conversation_number = waits.conversation_number
        and marks.number = waits.marks_before + 1
),
{%- if business_hours %}
-- Business seconds up to a moment = those of earlier days + what had passed of each of its day's stretches. They are
-- summed as whole microseconds, which is exact: in whatever order, and wherever the calendar begins. Of a missed wait
-- they are those of its first 24 hours.
moments as (
    select chat_id, opening_message_id, day, waiting_since as moment, -1e0 as sign
    from judged
    where state in ('answered', 'missed')
    union all
    select chat_id, opening_message_id, {{ local_day("until_at") }}, until_at, 1e0
    from (
        select
            chat_id,
            opening_message_id,
            coalesce(answered_at, {{ later("waiting_since", "86400e0") }}) as until_at
        from judged
        where state in ('answered', 'missed')
    ) as ends
),
business as (
    select
        moments.chat_id as chat_id,
        moments.opening_message_id as opening_message_id,
        sum(sign * (
            round(hours.seconds_before * 1e6)
            + round(1e6 * {{
                seconds_between("hours.opens_at", "greatest(hours.opens_at, least(moments.moment, hours.closes_at))")
            }})
        )) / 1e6 as business_seconds
    from moments
    join core.business_hours as hours on hours.day = moments.day
    group by moments.chat_id, moments.opening_message_id
),
{%- endif %}
-- What came first after the last word of a contact who was missed, within a week of the conversation's end.
next_words as (
    select
        missed.chat_id as chat_id,
        missed.conversation_number as conversation_number,
        {{ first_by("messages.timestamp", "messages.position") }} as said_at,
        {{ first_by("messages.direction", "messages.position") }} as direction,
        {{ first_by("case when messages.is_reply then 'reply' else 'template' end", "messages.position") }} as kind
    from judged as missed
    join core.messages as messages on messages.chat_id = missed.chat_id
    where missed.state = 'missed'
        and messages.is_counted
        and (messages.direction = 'inbound' or messages.is_from_us)
        and messages.position > missed.last_inbound_position
        and messages.timestamp <= {{ later("missed.conversation_ended_at", "604800e0") }}
    group by missed.chat_id, missed.conversation_number
)
select
    judged.chat_id as chat_id,
    judged.first_message_id as first_message_id,
    judged.opening_message_id as opening_message_id,
    judged.closing_message_id as closing_message_id,
    judged.waiting_since as waiting_since,
    judged.answered_at as answered_at,
    judged.done_at as done_at,
    {{ seconds_between("judged.waiting_since", "judged.answered_at") }} as response_seconds,
    {%- if business_hours %}
    case when judged.state = 'answered' then business.business_seconds end as business_response_seconds,
    case when judged.state = 'missed' then business.business_seconds < {{ target_seconds }} end as shut,
    {%- else %}
    null as business_response_seconds,
    null as shut,
    {%- endif %}
    judged.is_first as is_first,
    judged.state as state,
    judged.origin as origin,
    credit.agent as agent,
    assignees.agent as assignee,
    nullif(contacts.region, '') as region,
    case when judged.state = 'missed' and next_words.direction = 'outbound' then next_words.said_at end
        as followed_up_at,
    case when judged.state = 'missed' and next_words.direction = 'outbound' then next_words.kind end as followed_up_by,
    judged.is_left_truncated as is_left_truncated,
    judged.day as day,
    judged.conversation_number as conversation_number,
    judged.conversation_ended_at as conversation_ended_at,
    judged.known_until as known_until
from judged
left join core.reply_credit as credit
    on credit.chat_id = judged.chat_id and credit.message_id = judged.closing_message_id
left join core.assignments as assignees
    on assignees.chat_id = judged.chat_id
    and assignees.assigned_at <= judged.waiting_since and judged.waiting_since < assignees.until_at
left join raw.contacts as contacts on contacts.chat_id = judged.chat_id
left join next_words
    on next_words.chat_id = judged.chat_id and next_words.conversation_number = judged.conversation_number
{%- if business_hours %}
left join business
    on business.chat_id = judged.chat_id and business.opening_message_id = judged.opening_message_id
{%- endif %}
