-- Campaigns and what their newest report says of them.
with measured as (
    select
        campaigns.campaign_id as campaign_id,
        campaigns.name as name,
        campaigns.status as status,
        campaigns.sent_at as sent_at,
        campaigns.is_report_current as is_report_current,
        reports.campaign_id is not null as has_report,
        coalesce(reports.total_recipients, campaigns.total_recipients) as total_recipients,
        reports.delivered as delivered,
        reports.read as read,
        reports.replied as replied,
        reports.failed as failed,
        reports.delivery_rate as delivery_text,
        reports.read_rate as read_text,
        reports.reply_rate as reply_text
    from core.campaigns as campaigns
    left join core.campaign_reports as reports on reports.campaign_id = campaigns.campaign_id
),
rated as (
    select
        measured.*,
        {{ in_flight("total_recipients") }} as in_flight,
        {{ rate("delivered", "total_recipients") }} as delivery_rate,
        {{ rate("read", "delivered") }} as read_per_delivered,
        {{ rate("replied", "delivered") }} as reply_per_delivered,
        {{ rate("read", "total_recipients") }} as read_per_recipient,
        {{ rate("replied", "total_recipients") }} as reply_per_recipient,
        {{ percentage("delivery_text") }} as delivery_percent,
        {{ percentage("read_text") }} as read_percent,
        {{ percentage("reply_text") }} as reply_percent,
        0.5e0 * power(10e0, -{{ decimals("delivery_text") }}) as delivery_half_unit,
        0.5e0 * power(10e0, -{{ decimals("read_text") }}) as read_half_unit,
        0.5e0 * power(10e0, -{{ decimals("reply_text") }}) as reply_half_unit
    from measured
),
-- -1 stands for a text that did not come, or that there is no rate of ours to hold it against.
compared as (
    select
        rated.*,
        {%- for name, ours in (
            ("delivery", "delivery_rate"), ("read", "read_per_delivered"), ("reply", "reply_per_delivered")
        ) %}
        case
            when {{ ours }} is null or {{ name }}_percent is null then -1e0
            else greatest(0e0, abs(100 * {{ ours }} - {{ name }}_percent) - {{ name }}_half_unit)
        end as {{ name }}_gap{{ "," if not loop.last }}
        {%- endfor %}
    from rated
)
select
    campaign_id,
    name,
    status,
    sent_at,
    total_recipients,
    delivered,
    read,
    replied,
    failed,
    in_flight,
    delivery_rate,
    read_per_delivered,
    reply_per_delivered,
    read_per_recipient,
    reply_per_recipient,
    {{ wilson("delivered", "total_recipients", -1) }} as delivery_rate_low,
    {{ wilson("delivered", "total_recipients", 1) }} as delivery_rate_high,
    {{ wilson("read", "delivered", -1) }} as read_per_delivered_low,
    {{ wilson("read", "delivered", 1) }} as read_per_delivered_high,
    {{ wilson("replied", "delivered", -1) }} as reply_per_delivered_low,
    {{ wilson("replied", "delivered", 1) }} as reply_per_delivered_high,
    case when has_report then {{ funnel_narrows("total_recipients") }} end as is_consistent,
    coalesce(
        status in ('completed', 'failed') and {{ seconds_between("sent_at", as_of) }} >= 72 * 3600, false
    ) as is_settled,
    nullif(greatest(delivery_gap, read_gap, reply_gap), -1e0) as api_rate_gap,
    case when is_report_current then 1e0 else 0e0 end as coverage
from compared
