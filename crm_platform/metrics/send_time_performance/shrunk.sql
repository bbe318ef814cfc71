-- A cell's rate is drawn towards the mean of all as far as chance explains its distance: a beta-binomial prior fitted by
-- moments (docs/definitions.md, `send_time_performance`). Each rate is over the reports that say both its counts.
{%- set parts = ("read", "replied") -%}
{%- macro strength(x) -%}
({{ x }}_p * (1 - {{ x }}_p) / ({{ x }}_numerator / {{ x }}_denominator) - 1)
{%- endmacro -%}
{%- macro shrunk(x) -%}
case
    when {{ x }}_total = 0 then null
    when {{ x }}_k = 1 or {{ x }}_denominator <= 0 or {{ x }}_numerator <= 0 then {{ x }}_p
    when {{ strength(x) }} <= 0 then coalesce({{ rate(x, x ~ "_n") }}, {{ x }}_p)
    else ({{ x }} + {{ strength(x) }} * {{ x }}_p) / ({{ x }}_n + {{ strength(x) }})
end
{%- endmacro %}
with cells as (
    select
        {%- for x in parts %}
        coalesce(sum({{ x }}) * 1e0, 0e0) as {{ x }},
        coalesce(sum(case when {{ x }} is not null then delivered end) * 1e0, 0e0) as {{ x }}_n,
        {%- endfor %}
        cell_weekday,
        cell_hour
    from {{ rows }} as campaigns
    group by cell_weekday, cell_hour
),
pool as (
    select
        {%- for x in parts %}
        coalesce(sum({{ x }}_n), 0) as {{ x }}_total,
        count(*) filter (where {{ x }}_n > 0) as {{ x }}_k,
        {{ rate("sum(" ~ x ~ "_n * " ~ x ~ "_n)", "sum(" ~ x ~ "_n)") }} as {{ x }}_mean_square,
        {{ rate("sum(" ~ x ~ ")", "sum(" ~ x ~ "_n)") }} as {{ x }}_p{{ "," if not loop.last }}
        {%- endfor %}
    from cells
),
spreads as (
    select
        {%- for x in parts %}
        sum(
            case when {{ x }}_n > 0 then {{ x }}_n * ({{ x }} / {{ x }}_n - {{ x }}_p) * ({{ x }} / {{ x }}_n - {{ x }}_p) end
        ) as {{ x }}_spread{{ "," if not loop.last }}
        {%- endfor %}
    from cells
    cross join pool
),
moments as (
    select
        {%- for x in parts %}
        {{ x }}_total,
        {{ x }}_k,
        {{ x }}_p,
        {{ x }}_total - {{ x }}_mean_square - ({{ x }}_k - 1) as {{ x }}_denominator,
        {{ x }}_spread - ({{ x }}_k - 1) * {{ x }}_p * (1 - {{ x }}_p) as {{ x }}_numerator{{ "," if not loop.last }}
        {%- endfor %}
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
