-- Which event tells of which message: by its id, else by chat and time, where each is the other's nearest within 2 s.
with told as (
    select chat_id, message_id, event_id, happened_at, agent
    from (
        select
            chat_id,
            message_id,
            event_id,
            happened_at,
            coalesce(nullif(agent_key, ''), nullif(agent, '')) as agent,
            row_number() over (
                partition by chat_id, coalesce(message_id, event_id) order by happened_at, event_id
            ) as telling
        from raw.events
        where event = 'message.sent' and coalesce(nullif(agent_key, ''), nullif(agent, '')) is not null
    ) as sent
    where telling = 1
),
stored as (
    select chat_id, message_id, timestamp as sent_at
    from raw.messages
    where direction = 'outbound' and chat_id in (select chat_id from told)
),
named as (
    select stored.chat_id as chat_id, stored.message_id as message_id, told.event_id as event_id, told.agent as agent,
        stored.sent_at as sent_at, told.happened_at as happened_at
    from stored
    join told on told.chat_id = stored.chat_id and told.message_id = stored.message_id
),
moments as (
    select told.chat_id as chat_id, told.happened_at as moment, told.event_id as id, told.agent as agent, 0 as is_message
    from told
    left join named on named.chat_id = told.chat_id and named.event_id = told.event_id
    where named.event_id is null
    union all
    select stored.chat_id, stored.sent_at, stored.message_id, null, 1
    from stored
    left join named on named.chat_id = stored.chat_id and named.message_id = stored.message_id
    where named.event_id is null
),
-- The nearest of the other kind before and after each moment, and a number among those of one instant.
seen as (
    select
        moments.*,
        row_number() over (partition by chat_id, is_message, moment order by id) as number,
        max(case when is_message = 1 then moment end) over back as message_before,
        min(case when is_message = 1 then moment end) over ahead as message_after,
        max(case when is_message = 0 then moment end) over back as event_before,
        min(case when is_message = 0 then moment end) over ahead as event_after
    from moments
    window
        back as (partition by chat_id order by moment range between unbounded preceding and current row),
        ahead as (partition by chat_id order by moment range between current row and unbounded following)
),
nearest as (
    select
        seen.*,
        case
            when message_after is null
                or {{ seconds_between("message_before", "moment") }} <= {{ seconds_between("moment", "message_after") }}
            then message_before
            else message_after
        end as message_at,
        case
            when event_after is null
                or {{ seconds_between("event_before", "moment") }} <= {{ seconds_between("moment", "event_after") }}
            then event_before
            else event_after
        end as event_at
    from seen
)
select
    chat_id,
    message_id,
    event_id,
    agent,
    {{ seconds_between("sent_at", "happened_at") }} as seconds_apart
from named
union all
select
    messages.chat_id as chat_id,
    messages.id as message_id,
    events.id as event_id,
    events.agent as agent,
    {{ seconds_between("messages.moment", "events.moment") }} as seconds_apart
from nearest as events
join nearest as messages
    on messages.chat_id = events.chat_id and messages.is_message = 1 and messages.moment = events.message_at
    and messages.event_at = events.moment and messages.number = events.number
where events.is_message = 0 and abs({{ seconds_between("messages.moment", "events.moment") }}) <= 2
