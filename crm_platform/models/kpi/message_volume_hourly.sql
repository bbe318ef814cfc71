-- Messages by local weekday and hour over the last 84 complete days: 12 of each weekday.
with weekdays as (
    {%- for number in range(7) %}
    select {{ number }} as weekday{{ " union all" if not loop.last }}
    {%- endfor %}
),
hours as (
    {%- for number in range(24) %}
    select {{ number }} as hour{{ " union all" if not loop.last }}
    {%- endfor %}
),
recent as (
    select
        {{ weekday(local_day("timestamp")) }} as weekday,
        {{ local_hour("timestamp") }} as hour,
        direction,
        is_reply,
        is_template
    from core.messages
    where is_counted
        and coalesce(status, '') <> 'failed'
        and timestamp >= {{ start_of_day(84) }}
        and timestamp < {{ start_of_day(0) }}
),
volumes as (
    select
        weekday,
        hour,
        count(*) filter (where direction = 'inbound') as inbound,
        count(*) filter (where is_reply) as replies,
        count(*) filter (where is_template) as templates
    from recent
    group by weekday, hour
)
select
    weekdays.weekday as weekday,
    hours.hour as hour,
    coalesce(volumes.inbound, 0) as inbound,
    coalesce(volumes.replies, 0) as replies,
    coalesce(volumes.templates, 0) as templates,
    {{ message_coverage(days_before(84), cut_day) }} as coverage
from weekdays
cross join hours
left join volumes on volumes.weekday = weekdays.weekday and volumes.hour = hours.hour
