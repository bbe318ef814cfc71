-- Campaigns as they stood at the cut: raw.campaign_statuses holds no later status.
with statuses as (
    select
        campaign_id,
        observed_at,
        status,
        row_number() over (partition by campaign_id order by observed_at desc) as newest
    from raw.campaign_statuses
),
sendings as (
    select campaign_id, min(observed_at) as observed_at
    from raw.campaign_statuses
    where is_change and status in ('active', 'in_progress')
    group by campaign_id
),
reports as (
    select campaign_id, max(last_fetched_at) as fetched_at
    from raw.campaign_reports
    group by campaign_id
),
standing as (
    select
        campaigns.campaign_id as campaign_id,
        nullif(campaigns.name, '') as name,
        nullif(case when statuses.campaign_id is null then campaigns.status else statuses.status end, '') as status,
        coalesce(
            campaigns.scheduled_at, sendings.observed_at, campaigns.created_at, campaigns.first_fetched_at
        ) as sent_at,
        campaigns.total_recipients as total_recipients,
        -- A request may bear the very time of the one that saw the status: clocks have ticks.
        coalesce(reports.fetched_at >= coalesce(statuses.observed_at, reports.fetched_at), false) as is_report_current,
        campaigns.fetch_id as fetch_id
    from raw.campaigns as campaigns
    left join statuses on statuses.campaign_id = campaigns.campaign_id and statuses.newest = 1
    left join sendings on sendings.campaign_id = campaigns.campaign_id
    left join reports on reports.campaign_id = campaigns.campaign_id
)
select
    campaign_id,
    name,
    status,
    case when coalesce(status, '') <> 'draft' then sent_at end as sent_at,
    total_recipients,
    is_report_current,
    fetch_id
from standing
