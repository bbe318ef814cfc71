-- Contacts that wrote, by day and over the days that end with it. On a day a contact stands in a window from its newest
-- day of writing until that is too long ago or the next one takes its place, so that nobody is counted twice.
with known as (
    select {{ rate("count(*) filter (where chats.is_history_whole)", "count(*)") }} as whole_share
    from core.contacts as contacts
    join core.chats as chats on chats.chat_id = contacts.chat_id
    where contacts.is_present
),
bounds as (
    select min(day) as first_day from {{ message_days() }} as days
),
written as (
    select
        day,
        count(*) as contacts,
        count(*) filter (where is_history_whole and previous_day is null) as new_active,
        count(*) filter (where is_history_whole and previous_day < {{ days_later("day", -30) }}) as reactivated
    from core.contact_days
    group by day
),
changes as (
    select day, sum(in_7) as in_7, sum(in_30) as in_30
    from (
        select day, 1 as in_7, 1 as in_30 from core.contact_days
        union all
        select {{ earlier("next_day", days_later("day", 7)) }} as day, -1 as in_7, 0 as in_30 from core.contact_days
        union all
        select {{ earlier("next_day", days_later("day", 30)) }} as day, 0 as in_7, -1 as in_30 from core.contact_days
    ) as moves
    group by day
),
counted as (
    select
        calendar.day as day,
        coalesce(written.contacts, 0) as active_contacts,
        coalesce(sum(changes.in_7) over w, 0) as active_7,
        coalesce(sum(changes.in_30) over w, 0) as active_30,
        coalesce(written.new_active, 0) as new_active,
        coalesce(written.reactivated, 0) as reactivated,
        coverage_daily.coverage as coverage
    from {{ message_days() }} as calendar
    join core.coverage_daily as coverage_daily on coverage_daily.day = calendar.day
    left join written on written.day = calendar.day
    left join changes on changes.day = calendar.day
    window w as (order by calendar.day rows between unbounded preceding and current row)
)
select
    counted.day as day,
    active_contacts,
    case when counted.day >= {{ days_later("bounds.first_day", 6) }} then active_7 end as active_contacts_7d,
    case when counted.day >= {{ days_later("bounds.first_day", 29) }} then active_30 end as active_contacts_30d,
    case when known.whole_share >= 0.95 then new_active end as new_active,
    case when known.whole_share >= 0.95 then reactivated end as reactivated,
    known.whole_share as whole_share,
    coverage
from counted
cross join bounds
cross join known
