-- Waits that stood open at the end of each local day. A wait stands from its first day to the last day that ends by its
-- answer, or by the time its conversation is given up; most stand at no day's end at all.
with held as (
    select
        waiting_since,
        day as first_day,
        {{ local_day("coalesce(answered_at, " ~ later("conversation_ended_at", gap_seconds) ~ ")") }} as until_day
    from core.response_waits
),
standing as (
    select calendar.day as day, calendar.ends_at as day_end, held.waiting_since as waiting_since
    from held
    cross join core.calendar as calendar
    where held.until_day > held.first_day
        and calendar.day >= held.first_day
        and calendar.day < held.until_day
        and calendar.day < {{ cut_day }}
    union all
    select {{ cut_day }} as day, {{ as_of }} as day_end, waiting_since
    from core.response_waits
    where waiting_since < {{ as_of }}
        and (answered_at is null or answered_at >= {{ as_of }})
        and {{ seconds_between("conversation_ended_at", as_of) }} <= {{ gap_seconds }}
),
backlog as (
    select day, count(*) as waits, max({{ seconds_between("waiting_since", "day_end") }}) as oldest_wait_seconds
    from standing
    group by day
)
select
    days.day as day,
    coalesce(backlog.waits, 0) as open_waits_at_end,
    backlog.oldest_wait_seconds as oldest_wait_seconds,
    coverage_daily.coverage as coverage
from {{ message_days() }} as days
join core.coverage_daily as coverage_daily on coverage_daily.day = days.day
left join backlog on backlog.day = days.day
