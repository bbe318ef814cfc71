-- Sweeps over the contact list.
select
    sweep_id,
    started_at,
    ended_at,
    reported_total,
    seen_contacts,
    is_complete,
    missing_contacts,
    is_suspicious,
    counted_at,
    {{ local_day("started_at") }} as day
from raw.contact_sweeps
