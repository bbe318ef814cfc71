{%- macro passed(hours, moment) -%}
({{ hours }}.passed + round(1e6 * {{ seconds_between(
    hours ~ ".opens_at", "greatest(" ~ hours ~ ".opens_at, least(" ~ moment ~ ", " ~ hours ~ ".closes_at))"
) }}))
{%- endmacro -%}
{%- set business_seconds -%}
(({{ passed("ending", "judged.until_at") }} - coalesce({{ passed("opening", "judged.waiting_since") }}, 0e0)) / 1e6)
{%- endset -%}
-- A wait opens at the oldest unanswered question and closes at the next reply of its conversation, or ends unanswered at
-- a mark as done. Between two replies or marks there is at most one wait: it is what stands after the same number of
-- both. Opt-outs ask nothing.
with waits as (
    select
        chat_id,
        conversation_number,
        marks_before,
        {{ first_by("message_id", "position") }} filter (where asks) as opening_message_id,
        {{ first_by("origin", "position") }} filter (where asks) as origin,
        min(position) filter (where asks) as opening_position,
        min(timestamp) filter (where asks) as waiting_since,
        max(message_id) filter (where is_reply) as closing_message_id,
        max(timestamp) filter (where is_reply) as answered_at
    from (select *, direction = 'inbound' and not is_opt_out as asks from core.messages where is_counted) as messages
    where asks or is_reply
    group by chat_id, conversation_number, marks_before, replies_before
    having count(*) filter (where asks) > 0
),
-- Every wait has its conversation; a left join lets the engine know that none is lost.
judged as (
    select
        waits.chat_id as chat_id,
        spans.first_message_id as first_message_id,
        waits.opening_message_id as opening_message_id,
        waits.closing_message_id as closing_message_id,
        waits.waiting_since as waiting_since,
        waits.answered_at as answered_at,
        case when waits.answered_at is null then marks.marked_at end as done_at,
        waits.opening_position = spans.first_question_position as is_first,
        case
            when waits.answered_at is not null then 'answered'
            when not spans.is_over and marks.marked_at is null then 'open'
            when waits.opening_position = spans.first_question_position then 'missed'
            else 'trailing'
        end as state,
        waits.origin as origin,
        spans.is_left_truncated as is_left_truncated,
        {{ local_day("waits.waiting_since") }} as day,
        coalesce(waits.answered_at, {{ later("waits.waiting_since", "86400e0") }}) as until_at,
        {{ local_day("coalesce(waits.answered_at, " ~ later("waits.waiting_since", "86400e0") ~ ")") }} as until_day,
        waits.conversation_number as conversation_number,
        spans.last_inbound_position as last_inbound_position,
        spans.ended_at as conversation_ended_at
    from waits
    left join core.conversation_spans as spans
        on spans.chat_id = waits.chat_id and spans.conversation_number = waits.conversation_number
    left join core.done_marks as marks
        on marks.chat_id = waits.chat_id and marks.conversation_number = waits.conversation_number
        and marks.number = waits.marks_before + 1
),
{%- if business_hours %}
-- Business time up to a moment = that of earlier days + what had passed of its day's stretches: as whole microseconds,
-- so that a difference is exact wherever the calendar begins. Of a missed wait it is that of its first 24 hours.
hours as (
    select
        day,
        opens_at,
        closes_at,
        case when stretch > 1 then opens_at else {{ later("opens_at", "-172800e0") }} end as begins_at,
        coalesce(lead({{ nullable("opens_at") }}) over (partition by day order by stretch), {{ end_of_time }}) as until_at,
        sum(round(seconds_before * 1e6)) over (partition by day) + coalesce(
            sum(round(1e6 * {{ seconds_between("opens_at", "closes_at") }})) over (
                partition by day order by stretch rows between unbounded preceding and 1 preceding
            ), 0e0
        ) as passed
    from core.business_hours
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
-- Of contacts and replies only those that say something are joined: the engine then builds its tables of them, not of the
-- waits, which are wide.
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
    case when judged.state = 'answered' then {{ business_seconds }} end as business_response_seconds,
    case when judged.state = 'missed' then {{ business_seconds }} < {{ target_seconds }} end as shut,
    {%- else %}
    null as business_response_seconds,
    null as shut,
    {%- endif %}
    judged.is_first as is_first,
    judged.state as state,
    judged.origin as origin,
    credit.agent as agent,
    assignees.agent as assignee,
    contacts.region as region,
    case when judged.state = 'missed' and next_words.direction = 'outbound' then next_words.said_at end
        as followed_up_at,
    case when judged.state = 'missed' and next_words.direction = 'outbound' then next_words.kind end as followed_up_by,
    judged.is_left_truncated as is_left_truncated,
    judged.day as day,
    judged.conversation_number as conversation_number,
    judged.conversation_ended_at as conversation_ended_at,
    case when judged.state = 'open' then chats.known_until end as known_until
from judged
left join (select chat_id, message_id, agent from core.reply_credit where agent is not null) as credit
    on credit.chat_id = judged.chat_id and credit.message_id = judged.closing_message_id
left join core.assignments as assignees
    on assignees.chat_id = judged.chat_id
    and assignees.assigned_at <= judged.waiting_since and judged.waiting_since < assignees.until_at
left join (select chat_id, region from raw.contacts where region <> '') as contacts on contacts.chat_id = judged.chat_id
left join core.chats as chats on chats.chat_id = judged.chat_id
left join next_words
    on next_words.chat_id = judged.chat_id and next_words.conversation_number = judged.conversation_number
{%- if business_hours %}
left join hours as opening
    on opening.day = judged.day
    and opening.begins_at <= judged.waiting_since and judged.waiting_since < opening.until_at
left join hours as ending
    on ending.day = judged.until_day and ending.begins_at <= judged.until_at and judged.until_at < ending.until_at
{%- endif %}
