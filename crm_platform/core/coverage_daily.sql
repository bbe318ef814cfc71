-- How much of each local day's messages is stored, templates out of all.
with stored as (
    select {{ local_day("timestamp") }} as day, count(*) as messages
    from core.messages
    where is_timely and not is_template
    group by {{ local_day("timestamp") }}
),
-- A chat's missing history counts for every day on which it may have been written.
remainders as (
    select {{ local_day(later("remainder_until", -1e-6)) }} as last_day, sum(history_remainder) as messages
    from core.chats
    where remainder_until is not null and history_remainder > 0
    group by {{ local_day(later("remainder_until", -1e-6)) }}
),
planned as (
    select count(*) as days from ops.expected_unseen
),
sums as (
    select
        calendar.day as day,
        coalesce(stored.messages, 0) as stored,
        case when planned.days > 0 then coalesce(expected.messages, 0e0) end as expected_unseen,
        coalesce(sum(remainders.messages) over (
            order by calendar.day desc rows between unbounded preceding and current row
        ), 0) as history_remainder
    from core.calendar as calendar
    cross join planned
    left join stored on stored.day = calendar.day
    left join ops.expected_unseen as expected on expected.day = calendar.day
    left join remainders on remainders.last_day = calendar.day
)
select
    day,
    stored,
    expected_unseen,
    history_remainder,
    case
        when expected_unseen is null then null
        when stored + expected_unseen + history_remainder = 0 then 1e0
        else stored * 1e0 / (stored + expected_unseen + history_remainder)
    end as coverage
from sums
