-- Conversations as far as their messages and the marks as done tell: waits come later.
with spans as (
    select
        chat_id,
        conversation_number,
        {{ first_by("message_id", "position") }} as first_message_id,
        {{ first_by("direction", "position") }} as first_direction,
        min(timestamp) as started_at,
        max(timestamp) as ended_at,
        min(timestamp) filter (where direction = 'inbound') as first_inbound_at,
        {{ first_by("origin", "position") }} filter (where direction = 'inbound') as origin,
        max(position) filter (where direction = 'inbound') as last_inbound_position,
        min(position) filter (where direction = 'inbound' and not is_opt_out) as first_question_position,
        count(*) filter (where direction = 'inbound') as inbound_messages,
        count(*) filter (where is_reply) as replies,
        count(*) filter (where is_template) as templates,
        count(*) filter (where not is_template) as messages,
        count(*) filter (where opens_after_done) > 0 as opens_after_done
    from core.messages
    where is_counted
    group by chat_id, conversation_number
),
marks as (
    select chat_id, conversation_number, max(number) as last_number, max(marked_at) as marked_at
    from core.done_marks
    where conversation_number is not null
    group by chat_id, conversation_number
),
-- Of what was said after a conversation's last mark: does the newest question stand without a reply?
after_marks as (
    select
        messages.chat_id as chat_id,
        messages.conversation_number as conversation_number,
        coalesce(
            max(messages.position) filter (where messages.direction = 'inbound' and not messages.is_opt_out)
            > coalesce(max(messages.position) filter (where messages.is_reply), 0),
            false
        ) as is_waiting
    from core.messages as messages
    join marks
        on marks.chat_id = messages.chat_id and marks.conversation_number = messages.conversation_number
        and marks.last_number = messages.marks_before
    where messages.is_counted
    group by messages.chat_id, messages.conversation_number
)
select
    spans.chat_id as chat_id,
    spans.conversation_number as conversation_number,
    first_message_id,
    started_at,
    ended_at,
    first_inbound_at,
    coalesce(last_inbound_position, 0) as last_inbound_position,
    coalesce(first_question_position, 0) as first_question_position,
    inbound_messages,
    replies,
    templates,
    messages,
    case when first_direction = 'inbound' then 'contact' else 'business' end as initiated_by,
    origin,
    opens_after_done and first_direction = 'inbound' as reopened,
    marks.last_number as last_mark,
    coalesce(
        {{ seconds_between("ended_at", "chats.known_until") }} > {{ gap_seconds }}
        or {{ seconds_between("marks.marked_at", "chats.known_until") }}
            > case when coalesce(after_marks.is_waiting, false) then {{ gap_seconds }} else {{ after_done_seconds }} end,
        false
    ) as is_over,
    spans.conversation_number = 1 and not chats.is_history_whole as is_left_truncated
from spans
join core.chats as chats on chats.chat_id = spans.chat_id
left join marks on marks.chat_id = spans.chat_id and marks.conversation_number = spans.conversation_number
left join after_marks
    on after_marks.chat_id = spans.chat_id and after_marks.conversation_number = spans.conversation_number
