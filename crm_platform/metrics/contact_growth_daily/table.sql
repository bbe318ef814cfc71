-- Contacts at the end of each local day. Where the API sends every creation time, the days from the oldest message to the
-- first complete sweep are estimated. Who was created before the first day stands in its opening, and is not new.
with sweeps as (
    select
        {{ local_day("min(started_at)") }} as first_day,
        {{ local_day("min(case when is_complete then started_at end)") }} as complete_day
    from core.contact_sweeps
),
messages as (
    select {{ first_message_day() }} as first_day
),
creations as (
    select count(*) filter (where not has_created_at) = 0 as all_known from core.contacts
),
bounds as (
    select
        case
            when not creations.all_known then sweeps.complete_day
            when messages.first_day < sweeps.first_day or sweeps.first_day is null then messages.first_day
            else sweeps.first_day
        end as first_day,
        sweeps.complete_day as complete_day
    from sweeps
    cross join messages
    cross join creations
),
-- A time of creation after the end must not make a total negative: such a presence ends when it begins.
moves as (
    select from_day as day, 1 as change, case when from_day is null then 0 else 1 end as is_new
    from core.contact_presence
    union all
    select case when from_day > to_day then from_day else to_day end as day, -1 as change, 0 as is_new
    from core.contact_presence
    where to_day is not null
),
-- Without a day: what stood before the first day.
changes as (
    select
        case when moves.day >= bounds.first_day then moves.day end as day,
        sum(change) as change,
        sum(is_new) as new_contacts
    from moves
    cross join bounds
    group by case when moves.day >= bounds.first_day then moves.day end
),
opening as (
    select coalesce(sum(change), 0) as contacts from changes where day is null
),
endings as (
    select to_day as day, count(*) as gone from core.contact_presence where to_day is not null group by to_day
),
counted as (
    select
        calendar.day as day,
        opening.contacts + sum(coalesce(changes.change, 0)) over (
            order by calendar.day rows between unbounded preceding and current row
        ) as total_contacts,
        coalesce(changes.new_contacts, 0) as new_contacts,
        coalesce(endings.gone, 0) as gone,
        bounds.complete_day is null or calendar.day < bounds.complete_day as is_estimated
    from core.calendar as calendar
    cross join bounds
    cross join opening
    left join changes on changes.day = calendar.day
    left join endings on endings.day = calendar.day
    where calendar.day >= bounds.first_day
)
select
    day,
    total_contacts,
    new_contacts,
    case when not is_estimated then gone end as gone_contacts,
    new_contacts - case when is_estimated then 0 else gone end as net_growth,
    is_estimated,
    {{ contact_coverage() }} as coverage
from counted
