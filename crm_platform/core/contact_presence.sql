-- From when to when each contact was there. raw.contact_sightings holds changes: seen again, or missing from a sweep. A
-- contact is gone at the first of two sweeps running that count and lack it, or at one that was accepted by hand, or
-- when it was deleted here.
with very_first as (
    select min(sweep_id) as sweep_id
    from (select sweep_id from raw.contact_sweeps union all select sweep_id from raw.contact_sightings) as sweeps
),
there_before as (
    select sightings.chat_id as chat_id, count(*) as sightings
    from raw.contact_sightings as sightings
    join very_first on very_first.sweep_id = sightings.sweep_id
    where sightings.is_present
    group by sightings.chat_id
),
joined as (
    select
        contacts.chat_id as chat_id,
        case
            when contacts.created_at is not null then contacts.created_at
            when there_before.chat_id is null then contacts.first_fetched_at
        end as joined_at
    from raw.contacts as contacts
    left join there_before on there_before.chat_id = contacts.chat_id
),
counted_sweeps as (
    select
        sweep_id,
        started_at,
        accepted_by is not null as is_accepted,
        row_number() over (order by started_at, sweep_id) as number
    from raw.contact_sweeps
    where counted_at is not null
),
-- What a sweep missed that does not count (yet) is missing for the first one after it that does, unless seen meanwhile.
settled_sweeps as (
    select
        sweeps.sweep_id as sweep_id,
        min(counted.number) over (
            order by sweeps.started_at, sweeps.sweep_id rows between current row and unbounded following
        ) as number
    from raw.contact_sweeps as sweeps
    left join counted_sweeps as counted on counted.sweep_id = sweeps.sweep_id
),
sightings as (
    select
        chat_id,
        sweep_id,
        is_present,
        min(case when is_present then "at" end) over (
            partition by chat_id order by "at" rows between 1 following and unbounded following
        ) as seen_next
    from raw.contact_sightings
),
-- A contact that no sweep had seen when it was stored (created here) is missed by the first one that counts after that,
-- unless that one sees it; no sighting says so, for sightings compare sweep with sweep.
first_sightings as (
    select chat_id, min("at") as seen_at from raw.contact_sightings where is_present group by chat_id
),
missed as (
    select sightings.chat_id as chat_id, counted.number as number
    from sightings
    join settled_sweeps as settled on settled.sweep_id = sightings.sweep_id
    join counted_sweeps as counted on counted.number = settled.number
    where not sightings.is_present and (sightings.seen_next is null or sightings.seen_next > counted.started_at)
    union all
    select contacts.chat_id, min(counted.number)
    from raw.contacts as contacts
    left join first_sightings on first_sightings.chat_id = contacts.chat_id
    cross join counted_sweeps as counted
    where (first_sightings.seen_at is null or first_sightings.seen_at > contacts.first_fetched_at)
        and counted.started_at >= contacts.first_fetched_at
        and (first_sightings.seen_at is null or first_sightings.seen_at > counted.started_at)
    group by contacts.chat_id
),
-- A person's word settles at once whom a sweep missed; otherwise the next one that counts does.
events as (
    select chat_id, "at" as moment, "at" as settled_at, 'seen' as kind
    from raw.contact_sightings
    where is_present
    union all
    select
        missed.chat_id,
        one.started_at,
        case when one.is_accepted then one.started_at else second.started_at end,
        'missing'
    from missed
    join counted_sweeps as one on one.number = missed.number
    left join counted_sweeps as second on second.number = one.number + 1
    where one.is_accepted or second.number is not null
    union all
    select chat_id, "at", "at", 'deleted'
    from raw.operator_events
    where kind = 'contact_deleted'
),
followed as (
    select
        events.*,
        min(case when kind <> 'missing' then moment end) over (
            partition by chat_id order by moment rows between 1 following and unbounded following
        ) as there_next
    from events
),
-- Missing once is not gone when the second sweep saw it; what could be deleted in between was there, too.
turns as (
    select chat_id, moment, case when kind = 'seen' then 0 else 1 end as is_end
    from followed
    where kind <> 'missing' or there_next is null or there_next > settled_at
),
compared as (
    select
        chat_id,
        moment,
        is_end,
        row_number() over w as place,
        lag(is_end) over w as is_end_before
    from turns
    window w as (partition by chat_id order by moment, is_end)
),
-- Before its first event a contact was there; of equal events running only the first one changes anything.
changes as (
    select
        chat_id,
        moment,
        is_end,
        sum(is_end) over (
            partition by chat_id order by moment, is_end rows between unbounded preceding and current row
        ) + 1 - is_end as interval_number
    from compared
    where (place = 1 and is_end = 1) or (place > 1 and is_end <> is_end_before)
),
intervals as (
    select
        chat_id,
        interval_number,
        max(case when is_end = 0 then moment end) as began_at,
        max(case when is_end = 1 then moment end) as to_at
    from changes
    group by chat_id, interval_number
),
presence as (
    select joined.chat_id as chat_id, 1 as interval_number, joined.joined_at as from_at, intervals.to_at as to_at
    from joined
    left join intervals on intervals.chat_id = joined.chat_id and intervals.interval_number = 1
    union all
    select joined.chat_id, intervals.interval_number, intervals.began_at, intervals.to_at
    from joined
    join intervals on intervals.chat_id = joined.chat_id
    where intervals.interval_number > 1
)
select
    presence.*,
    {{ local_day("from_at") }} as from_day,
    {{ local_day("to_at") }} as to_day
from presence
