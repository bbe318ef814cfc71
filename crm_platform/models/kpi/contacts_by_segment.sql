-- Present contacts by the value of each segment field: the 50 largest, the rest, and those without one.
select
    field,
    value,
    count(*) as contacts,
    {{ rate("count(*)", "max(everyone.contacts)") }} as share,
    sum(case when is_active_30d then 1 else 0 end) as active_30d,
    {{ smallest(contact_coverage(), message_coverage(days_before(30), cut_day)) }} as coverage
from core.contact_segments
cross join (select count(*) as contacts from core.contacts where is_present) as everyone
group by field, value
