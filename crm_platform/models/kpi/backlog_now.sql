-- One row: waits that are open as far as each chat is known.
with open_waits as (
    select
        waits.waiting_since as waiting_since,
        {{ later("chats.last_inbound_at", 86400) }} as window_lapses_at
    from core.response_waits as waits
    join core.chats as chats on chats.chat_id = waits.chat_id
    where waits.state = 'open'
)
select
    count(*) as open_waits,
    max({{ seconds_between("waiting_since", as_of) }}) as oldest_open_wait_seconds,
    count(*) filter (
        where window_lapses_at > {{ as_of }} and window_lapses_at <= {{ later(as_of, 7200) }}
    ) as windows_expiring_2h,
    {{ message_coverage(gap_day, tomorrow) }} as coverage
from open_waits
