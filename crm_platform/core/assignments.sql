-- Assignments in the order they were made, each with the identifier that stands for its operator.
select
    events.chat_id as chat_id,
    row_number() over (partition by events.chat_id order by events."at", events.event_id) as number,
    events."at" as assigned_at,
    {{ local_day('events."at"') }} as day,
    aliases.agent as agent,
    events.fetch_id as fetch_id
from raw.operator_events as events
left join core.agent_aliases as aliases on aliases.alias = lower(trim(events.agent))
where events.kind = 'assigned'
