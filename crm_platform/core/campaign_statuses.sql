-- The statuses campaigns were seen in.
select campaign_id, observed_at, nullif(status, '') as status, is_change, fetch_id
from raw.campaign_statuses
