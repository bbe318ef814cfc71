-- Assignments in the order they were made, each with the identifier that stands for its operator.
with numbered as (
    select
        events.chat_id as chat_id,
        row_number() over (partition by events.chat_id order by events."at", events.event_id) as number,
        events."at" as assigned_at,
        lead({{ nullable('events."at"') }}) over (partition by events.chat_id order by events."at", events.event_id) as next_at,
        coalesce(nullif(events.agent_key, ''), nullif(events.agent, '')) as assignee,
        events.fetch_id as fetch_id
    from raw.operator_events as events
    where events.kind = 'assigned'
)
select
    numbered.chat_id as chat_id,
    numbered.number as number,
    numbered.assigned_at as assigned_at,
    coalesce(numbered.next_at, {{ end_of_time }}) as until_at,
    {{ local_day("numbered.assigned_at") }} as day,
    aliases.agent as agent,
    numbered.fetch_id as fetch_id
from numbered
left join core.agent_aliases as aliases on aliases.alias = numbered.assignee
