-- Campaigns by the local month they were sent in; rates from the sums.
with sums as (
    select
        {{ month_of("sent_day") }} as month,
        count(*) as campaigns,
        sum(total_recipients) as total_recipients,
        sum(delivered) as delivered,
        sum(read) as read,
        sum(replied) as replied,
        sum(failed) as failed
    from {{ judged_campaigns() }} as judged
    group by {{ month_of("sent_day") }}
)
select
    sums.*,
    {{ rate("delivered", "total_recipients") }} as delivery_rate,
    {{ rate("read", "delivered") }} as read_per_delivered,
    {{ rate("replied", "delivered") }} as reply_per_delivered,
    {{ report_coverage() }} as coverage
from sums
