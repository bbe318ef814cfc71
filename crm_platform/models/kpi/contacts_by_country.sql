-- Present contacts by the country of their number.
with present as (
    select coalesce(region, '(unknown)') as country, case when is_active_30d then 1 else 0 end as is_active
    from core.contacts
    where is_present
)
select
    country as region,
    count(*) as contacts,
    {{ rate("count(*)", "max(everyone.contacts)") }} as share,
    sum(is_active) as active_30d,
    {{ smallest(contact_coverage(), message_coverage(days_before(30), cut_day)) }} as coverage
from present
cross join (select count(*) as contacts from present) as everyone
group by country
