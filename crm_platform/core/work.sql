-- Replies and resolutions of the last 30 complete days and today, each with the agent it is credited to.
select 'reply' as kind, chat_id, message_id, replied_at as done_at, day, agent
from core.reply_credit
where replied_at >= {{ start_of_day(30) }}
union all
select 'resolution' as kind, chat_id, first_message_id as message_id, resolved_at as done_at, resolved_day as day,
    resolved_agent as agent
from core.conversations
where resolved_at >= {{ start_of_day(30) }} and not is_left_truncated
