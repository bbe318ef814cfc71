-- Replies and resolutions of the last 30 complete days and today, each with the agent it is credited to.
-- The assignee at a time is the chat's last assignment by then: assignments are numbered, and work takes the last number.
with assignments as (
    select
        chat_id,
        "at" as done_at,
        nullif(agent, '') as assignee,
        row_number() over (partition by chat_id order by "at", event_id) as number
    from raw.operator_events
    where kind = 'assigned'
),
pieces as (
    select 'reply' as kind, chat_id, message_id, timestamp as done_at, sender as own
    from core.messages
    where is_counted and is_reply and timestamp >= {{ start_of_day(30) }}
    union all
    select 'resolution' as kind, chat_id, first_message_id as message_id, resolved_at as done_at, marker as own
    from core.conversations
    where resolved_at >= {{ start_of_day(30) }} and not is_left_truncated
),
merged as (
    select kind, chat_id, message_id, done_at, own, 1 as is_work, 0 as number from pieces
    union all
    select '' as kind, chat_id, '' as message_id, done_at, null as own, 0 as is_work, number from assignments
),
placed as (
    select
        merged.*,
        max(number) over (
            partition by chat_id order by done_at, is_work rows between unbounded preceding and current row
        ) as last_number
    from merged
)
select
    placed.kind as kind,
    placed.chat_id as chat_id,
    placed.message_id as message_id,
    placed.done_at as done_at,
    {{ local_day("placed.done_at") }} as day,
    coalesce(own_alias.agent, assignee_alias.agent) as agent
from placed
left join assignments
    on assignments.chat_id = placed.chat_id and assignments.number = placed.last_number
left join core.agent_aliases as own_alias on own_alias.alias = lower(trim(placed.own))
left join core.agent_aliases as assignee_alias on assignee_alias.alias = lower(trim(assignments.assignee))
where placed.is_work = 1
