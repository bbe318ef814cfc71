-- Kaplan-Meier over first waits: answered = event, open = censored, missed = at risk for ever (no time of leaving).
with cohorts as (
    select day, count(*) as size from {{ rows }} as waits group by day
),
moments as (
    select day, lasted, count(*) filter (where state = 'answered') as answered, count(*) as leaving
    from {{ rows }} as waits
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
)
select day, min(lasted) as first_response_seconds_median_censored
from survival
where surviving <= 0.5e0 + 1e-12
group by day
