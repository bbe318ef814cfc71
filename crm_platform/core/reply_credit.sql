-- Replies with who wrote them: the sender, else who the chat was assigned to.
select
    replies.chat_id as chat_id,
    replies.message_id as message_id,
    replies.timestamp as replied_at,
    {{ local_day("replies.timestamp") }} as day,
    coalesce(senders.agent, assignees.agent) as agent
from core.messages as replies
left join core.agent_aliases as senders on senders.alias = replies.sender
left join core.assignments as assignees
    on assignees.chat_id = replies.chat_id
    and assignees.assigned_at <= replies.timestamp and replies.timestamp < assignees.until_at
where replies.is_counted and replies.is_reply
