-- One row: what a company is run by, each figure beside the same one a period before. Windows are complete local days
-- before the cut's day; their figures come from the pooled rows, never from averaged days.
with windows as (
    select 'now' as name, {{ days_before(7) }} as first_day, {{ cut_day }} as until_day
    union all
    select 'before' as name, {{ days_before(14) }} as first_day, {{ days_before(7) }} as until_day
),
responses as (
    select
        windows.name as name,
        {{ median("waits.response_seconds") }} filter (where waits.state = 'answered') as median_seconds,
        {{ rate(
            "count(*) filter (where waits.state = 'answered')",
            "count(*) filter (where waits.state in ('answered', 'missed'))"
        ) }} as answer_rate
    from core.response_waits as waits
    cross join windows
    where waits.is_first
        and not waits.is_left_truncated
        and waits.day >= windows.first_day
        and waits.day < windows.until_day
    group by windows.name
),
resolutions as (
    select windows.name as name, sum(resolved.resolved) as resolved
    from kpi.chats_resolved_daily as resolved
    cross join windows
    where resolved.day >= windows.first_day and resolved.day < windows.until_day
    group by windows.name
),
campaign_windows as (
    select 'now' as name, {{ start_of_day(30) }} as first_at, {{ start_of_day(0) }} as until_at
    union all
    select 'before' as name, {{ start_of_day(60) }} as first_at, {{ start_of_day(30) }} as until_at
),
engagement as (
    select
        windows.name as name,
        {{ rate("sum(campaigns.read * 1e0)", "sum(campaigns.delivered * 1e0)") }} as read_per_delivered,
        {{ rate("sum(campaigns.replied * 1e0)", "sum(campaigns.delivered * 1e0)") }} as reply_per_delivered
    from kpi.campaign_performance as campaigns
    cross join campaign_windows as windows
    where campaigns.is_settled
        and campaigns.sent_at >= windows.first_at
        and campaigns.sent_at < windows.until_at
    group by windows.name
),
statuses_before as (
    select campaign_id, status, row_number() over (partition by campaign_id order by observed_at desc) as newest
    from raw.campaign_statuses
    where observed_at < {{ start_of_day(6) }}
),
-- Whether the window before has all its days.
history as (
    select {{ first_message_day() }} <= {{ days_before(14) }} as is_long
)
select
    (select count(*) from core.contacts where is_present) as total_contacts,
    (select max(total_contacts) from kpi.contact_growth_daily where day = {{ days_before(7) }})
        as total_contacts_previous,
    (select max(monthly_growth_rate) from kpi.contact_growth_monthly where month = {{ previous_month }})
        as monthly_growth_rate,
    (select max(monthly_growth_rate) from kpi.contact_growth_monthly where month = {{ month_before_previous }})
        as monthly_growth_rate_previous,
    (select count(*) from core.campaigns where status in ('active', 'in_progress')) as active_campaigns,
    (
        select case when count(*) > 0 then count(*) filter (where status in ('active', 'in_progress')) end
        from statuses_before
        where newest = 1
    ) as active_campaigns_previous,
    (select max(read_per_delivered) from engagement where name = 'now') as read_per_delivered_30d,
    (select max(read_per_delivered) from engagement where name = 'before') as read_per_delivered_30d_previous,
    (select max(reply_per_delivered) from engagement where name = 'now') as reply_per_delivered_30d,
    (select max(reply_per_delivered) from engagement where name = 'before') as reply_per_delivered_30d_previous,
    (select max(median_seconds) from responses where name = 'now') as first_response_seconds_median_7d,
    case when history.is_long then (select max(median_seconds) from responses where name = 'before') end
        as first_response_seconds_median_7d_previous,
    (select max(answer_rate) from responses where name = 'now') as answer_rate_7d,
    case when history.is_long then (select max(answer_rate) from responses where name = 'before') end
        as answer_rate_7d_previous,
    coalesce((select max(resolved) from resolutions where name = 'now'), 0) as chats_resolved_7d,
    case when history.is_long then (select max(resolved) from resolutions where name = 'before') end
        as chats_resolved_7d_previous,
    (select max(open_waits) from kpi.backlog_now) as open_waits,
    (select max(open_waits_at_end) from kpi.backlog_daily where day = {{ days_before(7) }}) as open_waits_previous,
    {{ smallest(
        smallest(contact_coverage(), report_coverage()), message_coverage(days_before(14), tomorrow)
    ) }} as coverage
from history
