-- Waits and how long they took, by the local day they began.
with waits as (
    select day, waiting_since, known_until, is_first, state, response_seconds, business_response_seconds
    from core.response_waits
    where not is_left_truncated
),
truncated as (
    select day, count(*) as waits
    from core.response_waits
    where is_left_truncated
    group by day
),
-- Means are of whole microseconds: their sum is exact, and so the same in whatever order rows stand.
figures as (
    select
        day,
        count(*) as waits,
        count(*) filter (where is_first) as first_waits,
        count(*) filter (where state = 'answered') as answered_waits,
        count(*) filter (where state = 'answered' and is_first) as first_answered_waits,
        count(*) filter (where state = 'open') as open_waits,
        count(*) filter (where state = 'missed') as missed_waits,
        count(*) filter (where state = 'trailing') as trailing_waits,
        count(*) filter (where state = 'answered' and is_first and response_seconds <= {{ target_seconds }}) as in_time,
        {{ median("response_seconds") }} filter (where state = 'answered') as response_seconds_median,
        {{ p90("response_seconds") }} filter (where state = 'answered') as response_seconds_p90,
        avg(round(response_seconds * 1e6)) filter (where state = 'answered') / 1e6 as response_seconds_mean,
        {{ median("response_seconds") }} filter (where state = 'answered' and is_first) as first_response_seconds_median,
        {{ p90("response_seconds") }} filter (where state = 'answered' and is_first) as first_response_seconds_p90,
        avg(round(response_seconds * 1e6)) filter (where state = 'answered' and is_first) / 1e6
            as first_response_seconds_mean,
        {{ median("business_response_seconds") }} filter (where state = 'answered' and is_first)
            as business_first_response_seconds_median
    from waits
    group by day
),
-- Kaplan-Meier over first waits: answered = event, open = censored, missed = at risk for ever (no time of leaving).
lasting as (
    select
        day,
        state,
        case
            when state = 'answered' then response_seconds
            when state = 'open' then {{ seconds_between("waiting_since", "known_until") }}
        end as lasted
    from waits
    where is_first
),
cohorts as (
    select day, count(*) as size from lasting group by day
),
moments as (
    select day, lasted, count(*) filter (where state = 'answered') as answered, count(*) as leaving
    from lasting
    where lasted is not null
    group by day, lasted
),
risks as (
    select
        moments.day as day,
        moments.lasted as lasted,
        moments.answered as answered,
        cohorts.size + moments.leaving - sum(moments.leaving) over (
            partition by moments.day order by moments.lasted rows between unbounded preceding and current row
        ) as at_risk
    from moments
    join cohorts on cohorts.day = moments.day
),
-- A product as a sum of logarithms; when all at risk are answered nothing survives: e^-1000 = 0.
survival as (
    select
        day,
        lasted,
        exp(sum(case when answered = at_risk then -1e3 else ln(1e0 - answered * 1e0 / at_risk) end) over (
            partition by day order by lasted rows between unbounded preceding and current row
        )) as surviving
    from risks
),
censored as (
    select day, min(lasted) as median_censored
    from survival
    where surviving <= 0.5e0 + 1e-12
    group by day
)
select
    days.day as day,
    coalesce(truncated.waits, 0) as left_truncated_waits,
    coalesce(figures.waits, 0) as waits,
    coalesce(first_waits, 0) as first_waits,
    coalesce(answered_waits, 0) as answered_waits,
    coalesce(first_answered_waits, 0) as first_answered_waits,
    coalesce(open_waits, 0) as open_waits,
    coalesce(missed_waits, 0) as missed_waits,
    coalesce(trailing_waits, 0) as trailing_waits,
    {{ rate("first_answered_waits", "first_answered_waits + missed_waits") }} as answer_rate,
    response_seconds_median,
    response_seconds_p90,
    response_seconds_mean,
    first_response_seconds_median,
    first_response_seconds_p90,
    first_response_seconds_mean,
    business_first_response_seconds_median,
    {{ rate("in_time", "first_answered_waits + missed_waits") }} as first_within_target_rate,
    censored.median_censored as first_response_seconds_median_censored,
    coverage_daily.coverage as coverage
from {{ message_days() }} as days
join core.coverage_daily as coverage_daily on coverage_daily.day = days.day
left join figures on figures.day = days.day
left join truncated on truncated.day = days.day
left join censored on censored.day = days.day
