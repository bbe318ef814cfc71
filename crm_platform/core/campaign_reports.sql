-- The newest report of each campaign.
select
    campaign_id,
    first_fetched_at,
    last_fetched_at,
    total_recipients,
    delivered,
    read,
    replied,
    failed,
    delivery_rate,
    read_rate,
    reply_rate,
    fetch_id
from (
    select
        reports.*,
        row_number() over (partition by campaign_id order by first_fetched_at desc) as newest
    from raw.campaign_reports as reports
) as numbered
where newest = 1
