-- One row: how complete the reports and the contact list are. Nothing to fetch, nothing missing: 1.
with newest_sweep as (
    select
        count(*) as sweeps,
        max(case when number = 1 then seen_contacts end) as seen,
        max(case when number = 1 then greatest(coalesce(reported_total, seen_contacts), seen_contacts + in_doubt) end)
            as total
    from (
        select
            seen_contacts,
            reported_total,
            -- Missing from a sweep that nothing has confirmed: they may be there, and are not seen.
            case when counted_at is null then coalesce(missing_contacts, 0) else 0 end as in_doubt,
            row_number() over (order by started_at desc, sweep_id desc) as number
        from raw.contact_sweeps
    ) as sweeps
),
reported as (
    select count(*) as campaigns, count(*) filter (where is_report_current) as up_to_date
    from core.campaigns
)
select
    case when reported.campaigns = 0 then 1e0 else reported.up_to_date * 1e0 / reported.campaigns end as reports,
    case
        when newest_sweep.sweeps = 0 then null
        when newest_sweep.total = 0 then 1e0
        else least(1e0, newest_sweep.seen * 1e0 / newest_sweep.total)
    end as contacts
from newest_sweep
cross join reported
