-- The same campaigns by local weekday and hour of sending. A cell's rate is drawn towards the mean of all as far as
-- chance explains its distance: a beta-binomial prior fitted by moments (kpi-definitions.md, `send_time_performance`).
{%- macro shrunk(prefix) -%}
case
    when pool.n = 0 then null
    when pool.k = 1 or {{ prefix }}_denominator <= 0 then {{ prefix }}_p
    when {{ prefix }}_numerator <= 0 then {{ prefix }}_p
    when {{ prefix }}_p * (1 - {{ prefix }}_p) / ({{ prefix }}_numerator / {{ prefix }}_denominator) - 1 <= 0
        then coalesce({{ prefix }}_rate, {{ prefix }}_p)
    else (
        {{ prefix }} + ({{ prefix }}_p * (1 - {{ prefix }}_p) / ({{ prefix }}_numerator / {{ prefix }}_denominator) - 1)
        * {{ prefix }}_p
    ) / (
        delivered + ({{ prefix }}_p * (1 - {{ prefix }}_p) / ({{ prefix }}_numerator / {{ prefix }}_denominator) - 1)
    )
end
{%- endmacro %}
with cells as (
    select
        {{ weekday("sent_day") }} as weekday,
        sent_hour as hour,
        count(*) as campaigns,
        sum(delivered) as delivered,
        sum(read) as read,
        sum(replied) as replied,
        {{ rate("sum(read)", "sum(delivered)") }} as read_rate,
        {{ rate("sum(replied)", "sum(delivered)") }} as replied_rate
    from {{ judged_campaigns() }} as judged
    group by {{ weekday("sent_day") }}, sent_hour
),
totals as (
    select
        coalesce(sum(delivered), 0) as n,
        count(*) filter (where delivered > 0) as k,
        {{ rate("sum(delivered * 1e0 * delivered)", "sum(delivered)") }} as mean_square,
        {{ rate("sum(read)", "sum(delivered)") }} as read_p,
        {{ rate("sum(replied)", "sum(delivered)") }} as replied_p
    from cells
),
spreads as (
    select
        sum(delivered * (read_rate - read_p) * (read_rate - read_p)) as read_spread,
        sum(delivered * (replied_rate - replied_p) * (replied_rate - replied_p)) as replied_spread
    from cells
    cross join totals
    where delivered > 0
),
pool as (
    select
        n,
        k,
        read_p,
        replied_p,
        read_spread - (k - 1) * read_p * (1 - read_p) as read_numerator,
        replied_spread - (k - 1) * replied_p * (1 - replied_p) as replied_numerator,
        n - mean_square - (k - 1) as read_denominator,
        n - mean_square - (k - 1) as replied_denominator
    from totals
    cross join spreads
)
select
    weekday,
    hour,
    campaigns,
    delivered,
    read,
    replied,
    read_rate as read_per_delivered,
    replied_rate as reply_per_delivered,
    {{ shrunk("read") }} as read_per_delivered_shrunk,
    {{ shrunk("replied") }} as reply_per_delivered_shrunk,
    campaigns >= 3 and delivered >= 1000 as enough_data,
    {{ report_coverage() }} as coverage
from cells
cross join pool
