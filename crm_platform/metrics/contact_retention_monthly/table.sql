-- Contacts by the month in which they first wrote, and who of them wrote again in each of the twelve months after.
with people as (
    select chat_id, {{ month_of("first_inbound_day") }} as cohort
    from core.chats
    where is_history_whole and first_inbound_day is not null
),
cohorts as (
    select months.month as cohort, count(people.chat_id) as contacts
    from (
        select distinct {{ month_of("day") }} as month from {{ message_days() }} as days
    ) as months
    left join people on people.cohort = months.month
    group by months.month
),
written as (
    select
        people.cohort as cohort,
        {{ months_between("people.cohort", "days.day") }} as months_since,
        count(distinct days.chat_id) as active
    from core.contact_days as days
    join people on people.chat_id = days.chat_id
    group by people.cohort, {{ months_between("people.cohort", "days.day") }}
),
months as (
    {%- for number in range(13) %}
    select {{ number }} as number{{ " union all" if not loop.last }}
    {%- endfor %}
)
select
    cohorts.cohort as cohort,
    months.number as months_since,
    cohorts.contacts as contacts,
    coalesce(written.active, 0) as active,
    {{ rate("coalesce(written.active, 0)", "cohorts.contacts") }} as retention,
    {{ message_coverage(first_message_day(), cut_day) }} as coverage
from cohorts
cross join months
left join written on written.cohort = cohorts.cohort and written.months_since = months.number
where {{ months_between("cohorts.cohort", cut_month) }} > months.number
