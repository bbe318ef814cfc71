-- A wait opens at the oldest unanswered inbound message and closes at the next reply of its conversation.
-- Between two replies there is at most one wait: it is what stands after the same number of replies.
with turns as (
    select
        chat_id,
        conversation_number,
        message_id,
        timestamp,
        is_reply,
        position,
        sum(case when is_reply then 1 else 0 end) over (
            partition by chat_id, conversation_number order by position rows between unbounded preceding and current row
        ) - case when is_reply then 1 else 0 end as replies_before
    from core.messages
    where is_counted and (direction = 'inbound' or is_reply)
),
openings as (
    select
        chat_id,
        conversation_number,
        replies_before,
        {{ first_by("message_id", "position") }} filter (where not is_reply) as opening_message_id,
        min(timestamp) filter (where not is_reply) as waiting_since,
        max(message_id) filter (where is_reply) as closing_message_id,
        max(timestamp) filter (where is_reply) as answered_at
    from turns
    group by chat_id, conversation_number, replies_before
    having count(*) filter (where not is_reply) > 0
),
waits as (
    select
        openings.*,
        row_number() over (partition by chat_id, conversation_number order by replies_before) = 1 as opens_first,
        {{ local_day("waiting_since") }} as opened_on
    from openings
),
{%- if business_hours %}
-- Business seconds up to a moment = those of earlier days + what had passed of each of its day's stretches. They are
-- summed as whole microseconds, which is exact: in whatever order, and wherever the calendar begins.
moments as (
    select chat_id, opening_message_id, opened_on as day, waiting_since as moment, -1e0 as sign
    from waits
    where answered_at is not null
    union all
    select chat_id, opening_message_id, {{ local_day("answered_at") }}, answered_at, 1e0
    from waits
    where answered_at is not null
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
judged as (
    select
        waits.chat_id as chat_id,
        spans.first_message_id as first_message_id,
        waits.opening_message_id as opening_message_id,
        waits.closing_message_id as closing_message_id,
        waits.waiting_since as waiting_since,
        waits.answered_at as answered_at,
        {{ seconds_between("waits.waiting_since", "waits.answered_at") }} as response_seconds,
        waits.opens_first as is_first,
        case
            when waits.answered_at is not null then 'answered'
            when not spans.is_over then 'open'
            when waits.opens_first then 'missed'
            else 'trailing'
        end as state,
        spans.is_left_truncated as is_left_truncated,
        waits.opened_on as day,
        waits.conversation_number as conversation_number,
        spans.ended_at as conversation_ended_at,
        spans.known_until as known_until
    from waits
    join core.conversation_spans as spans
        on spans.chat_id = waits.chat_id and spans.conversation_number = waits.conversation_number
)
select
    judged.*,
    {%- if business_hours %}
    business.business_seconds as business_response_seconds
from judged
left join business
    on business.chat_id = judged.chat_id and business.opening_message_id = judged.opening_message_id
    {%- else %}
    null as business_response_seconds
from judged
    {%- endif %}
