-- Conversations resolved, by the local day of it; unresolved ones by the day they ended.
with resolved as (
    select
        resolved_day as day,
        count(*) as resolved,
        count(*) filter (where resolved_by = 'operator') as by_operator,
        count(*) filter (where resolved_by = 'quiet') as quietly,
        {{ median("resolution_seconds") }} as resolution_seconds_median
    from core.conversations
    where resolved_at is not null and not is_left_truncated
    group by resolved_day
),
-- The state `missed` says just that: over, with a missed wait, and unmarked.
unresolved as (
    select ended_day as day, count(*) as conversations
    from core.conversations
    where state = 'missed' and not is_left_truncated
    group by ended_day
)
select
    days.day as day,
    coalesce(resolved.resolved, 0) as resolved,
    coalesce(resolved.by_operator, 0) as resolved_by_operator,
    coalesce(resolved.quietly, 0) as resolved_quietly,
    coalesce(unresolved.conversations, 0) as unresolved,
    resolved.resolution_seconds_median as resolution_seconds_median,
    coverage_daily.coverage as coverage
from {{ message_days() }} as days
join core.coverage_daily as coverage_daily on coverage_daily.day = days.day
left join resolved on resolved.day = days.day
left join unresolved on unresolved.day = days.day
