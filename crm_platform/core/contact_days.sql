-- Local days on which a contact wrote, each with the one before and the next.
with days as (
    select
        chat_id,
        {{ local_day("timestamp") }} as day,
        count(*) as inbound_messages,
        min(timestamp) as first_at,
        max(timestamp) as last_at
    from core.messages
    where is_counted and direction = 'inbound' and not is_opt_out
    group by chat_id, {{ local_day("timestamp") }}
)
select
    days.chat_id as chat_id,
    days.day as day,
    days.inbound_messages as inbound_messages,
    days.first_at as first_at,
    days.last_at as last_at,
    lag({{ nullable("days.day") }}) over (partition by days.chat_id order by days.day) as previous_day,
    lead({{ nullable("days.day") }}) over (partition by days.chat_id order by days.day) as next_day,
    chats.is_history_whole as is_history_whole
from days
join core.chats as chats on chats.chat_id = days.chat_id
