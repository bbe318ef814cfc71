-- Growth by local month, from the daily table: a month opens with what the month before closed with.
with days as (
    select
        day,
        {{ month_of("day") }} as month,
        {{ day_of_month("day") }} as number,
        total_contacts,
        new_contacts,
        gone_contacts,
        row_number() over (order by day) as place,
        row_number() over (partition by {{ month_of("day") }} order by day) as from_start,
        row_number() over (partition by {{ month_of("day") }} order by day desc) as from_end,
        lag(total_contacts) over (order by day) as total_before
    from kpi.contact_growth_daily
),
months as (
    select
        month,
        max(case
            when from_start = 1 and place > 1 then total_before
            when from_start = 1 then total_contacts - new_contacts + coalesce(gone_contacts, 0)
        end) as opening,
        sum(new_contacts) as new_contacts,
        sum(gone_contacts) as gone_contacts,
        max(case when from_end = 1 then total_contacts end) as closing,
        max(case when place = 1 then 1 else 0 end) = 1 as is_first_known
    from days
    group by month
),
-- The month before the cut's, closed at the cut's day number, or at its last day where it is shorter.
to_date as (
    select
        max(case when from_newest = 1 then days.total_contacts end) as closing
    from (
        select total_contacts, row_number() over (order by day desc) as from_newest
        from days
        where month = {{ previous_month }} and number <= {{ day_of_month(cut_day) }}
    ) as days
),
previous as (
    select
        max(opening) as opening,
        max(case when is_first_known then 1 else 0 end) as is_first_known
    from months
    where month = {{ previous_month }}
)
select
    months.month as month,
    months.opening as opening,
    months.new_contacts as new_contacts,
    months.gone_contacts as gone_contacts,
    months.closing as closing,
    case when not months.is_first_known then {{ rate("months.closing - months.opening", "months.opening") }} end
        as monthly_growth_rate,
    months.month = {{ cut_month }} as is_partial,
    case
        when months.month = {{ cut_month }} and previous.is_first_known = 0
            then {{ rate("to_date.closing - previous.opening", "previous.opening") }}
    end as previous_to_date_rate,
    {{ contact_coverage() }} as coverage
from months
cross join to_date
cross join previous
