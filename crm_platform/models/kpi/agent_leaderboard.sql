-- What each agent did in the last 7 and 30 complete local days.
with windows as (
    select 7 as window_days, {{ days_before(7) }} as first_day
    union all
    select 30 as window_days, {{ days_before(30) }} as first_day
),
deeds as (
    select agent, day, 'assigned' as deed, null as response_seconds
    from core.assignments
    union all
    select agent, day, kind as deed, null as response_seconds
    from core.work
    union all
    select work.agent, waits.day, 'first response' as deed, waits.response_seconds
    from core.response_waits as waits
    join core.work as work
        on work.kind = 'reply' and work.chat_id = waits.chat_id and work.message_id = waits.closing_message_id
    where waits.is_first and waits.state = 'answered' and not waits.is_left_truncated
),
windowed as (
    select windows.window_days as window_days, deeds.agent as agent, deeds.deed as deed, deeds.response_seconds as lasted
    from deeds
    cross join windows
    where deeds.day >= windows.first_day and deeds.day < {{ cut_day }}
),
shares as (
    select
        window_days,
        {{ rate(
            "count(*) filter (where deed = 'reply' and agent is not null)", "count(*) filter (where deed = 'reply')"
        ) }} as attributed_share
    from windowed
    group by window_days
),
figures as (
    select
        coalesce(agent, '(unassigned)') as agent_name,
        window_days,
        count(*) filter (where deed = 'assigned') as chats_assigned,
        count(*) filter (where deed = 'resolution') as chats_resolved,
        count(*) filter (where deed = 'reply') as replies,
        {{ median("lasted") }} filter (where deed = 'first response') as first_response_seconds_median,
        count(*) filter (where deed = 'first response') as first_responses
    from windowed
    group by coalesce(agent, '(unassigned)'), window_days
)
select
    figures.agent_name as agent,
    figures.window_days as window_days,
    chats_assigned,
    chats_resolved,
    replies,
    first_response_seconds_median,
    shares.attributed_share as attributed_share,
    first_responses,
    case
        when figures.window_days = 7 then {{ message_coverage(days_before(7), cut_day) }}
        else {{ message_coverage(days_before(30), cut_day) }}
    end as coverage
from figures
join shares on shares.window_days = figures.window_days
