-- A cell's rate is drawn towards the mean of all as far as chance explains its distance: a beta-binomial prior fitted by
-- moments (docs/definitions.md, `send_time_performance`).
{%- macro shrunk(x) -%}
case
    when total = 0 then null
    when k = 1 or denominator <= 0 or {{ x }}_numerator <= 0 then {{ x }}_p
    when {{ x }}_p * (1 - {{ x }}_p) / ({{ x }}_numerator / denominator) - 1 <= 0 then coalesce({{ rate(x, "n") }}, {{ x }}_p)
    else ({{ x }} + ({{ x }}_p * (1 - {{ x }}_p) / ({{ x }}_numerator / denominator) - 1) * {{ x }}_p)
        / (n + ({{ x }}_p * (1 - {{ x }}_p) / ({{ x }}_numerator / denominator) - 1))
end
{%- endmacro %}
with cells as (
    select
        cell_weekday,
        cell_hour,
        sum(delivered) * 1e0 as n,
        sum(read) * 1e0 as read,
        sum(replied) * 1e0 as replied
    from {{ rows }} as campaigns
    group by cell_weekday, cell_hour
),
pool as (
    select
        coalesce(sum(n), 0) as total,
        count(*) filter (where n > 0) as k,
        {{ rate("sum(n * n)", "sum(n)") }} as mean_square,
        {{ rate("sum(read)", "sum(n)") }} as read_p,
        {{ rate("sum(replied)", "sum(n)") }} as replied_p
    from cells
),
spreads as (
    select
        sum(n * (read / n - read_p) * (read / n - read_p)) as read_spread,
        sum(n * (replied / n - replied_p) * (replied / n - replied_p)) as replied_spread
    from cells
    cross join pool
    where n > 0
),
moments as (
    select
        total,
        k,
        read_p,
        replied_p,
        total - mean_square - (k - 1) as denominator,
        read_spread - (k - 1) * read_p * (1 - read_p) as read_numerator,
        replied_spread - (k - 1) * replied_p * (1 - replied_p) as replied_numerator
    from pool
    cross join spreads
)
select
    cell_weekday as weekday,
    cell_hour as hour,
    {{ shrunk("read") }} as read_per_delivered_shrunk,
    {{ shrunk("replied") }} as reply_per_delivered_shrunk
from cells
cross join moments
