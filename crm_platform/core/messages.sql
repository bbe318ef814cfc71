-- Every stored message, its place in its chat and the conversation it belongs to.
with {% if automation_senders -%}
bots as (
    select distinct agent from core.agent_aliases where {{ is_one_of("alias", automation_senders) }}
),
{% endif -%}
stored as (
    select
        chat_id,
        message_id,
        timestamp as sent_at,
        direction,
        nullif(type, '') as kind,
        nullif(status, '') as state,
        coalesce(nullif(sender_key, ''), nullif(sender, ''), teller) as author,
        not is_future_dated and timestamp <= {{ as_of }} as is_timely,
        {{ is_one_of("lower(coalesce(type, ''))", silent_types) }} as is_silent,
        duplicate_of is not null as is_duplicate,
        direction = 'inbound' and coalesce(is_opt_out, false)
            and words.value is null and rejected.value is null as is_opt_out,
        direction = 'outbound' and coalesce(type, '') = 'template' as is_template,
        direction = 'outbound' and coalesce(status, '') <> 'failed'
            {%- if automation_senders %} and bots.agent is null{% endif %} as is_from_us,
        first_fetch_id,
        fetch_id
    from raw.messages
    left join (
        select chat_id as chat_of_event, message_id as told_message, agent as teller from core.message_events
    ) as told on chat_of_event = chat_id and told_message = message_id
    {%- if automation_senders %}
    left join core.agent_aliases as senders
        on senders.alias = coalesce(nullif(sender_key, ''), nullif(sender, ''), teller)
    left join bots on bots.agent = senders.agent
    {%- endif %}
    left join core.rejected_opt_outs as words on words.kind = 'word' and words.value = opt_out_word
    left join core.rejected_opt_outs as rejected on rejected.kind = 'message' and rejected.value = message_id
),
judged as (
    select
        stored.*,
        is_timely and not is_silent and not is_duplicate as counts,
        is_from_us and not is_template as is_reply,
        is_template and coalesce(state, '') <> 'failed' as is_sent_template,
        direction = 'inbound' and not is_opt_out as asks
    from stored
),
-- A mark as done comes after the messages of its instant.
marks as (
    select
        chat_id,
        "at" as marked_at,
        row_number() over w as number,
        lead({{ nullable('"at"') }}) over w as marked_next
    from raw.operator_events
    where kind = 'done'
    window w as (partition by chat_id order by "at", event_id)
),
-- Each in its place, with what the chat said before it. `asked_under`: of the newest question one more than the marks
-- before it, 0 when a reply came since. The newest template or reply tells where an inbound message comes from.
placed as (
    select
        judged.*,
        coalesce(marks.number, 0) as marks_before,
        coalesce(sent_at > {{ later("marks.marked_at", after_done_seconds) }}, false) as is_late,
        row_number() over w as place,
        lag(sent_at) over w as sent_before,
        {{ last_known("case when asks then coalesce(marks.number, 0) + 1 when is_reply then 0 end") }} over before
            as asked_under,
        {{ last_known("case when is_sent_template then 1 when is_reply then 0 end") }} over before as is_after_template,
        {{ last_known("case when is_sent_template then sent_at end") }} over before as template_at,
        count(case when is_reply then 1 end) over before as replies_before
    from judged
    left join marks
        on marks.chat_id = judged.chat_id and counts and marks.marked_at < sent_at
        and sent_at <= coalesce(marks.marked_next, {{ end_of_time }})
    window
        w as (
            partition by judged.chat_id, counts
            order by sent_at, case when direction = 'inbound' then 0 else 1 end, message_id
        ),
        before as (
            partition by judged.chat_id, counts
            order by sent_at, case when direction = 'inbound' then 0 else 1 end, message_id
            rows between unbounded preceding and 1 preceding
        )
),
apart as (
    select
        placed.*,
        place = 1 or coalesce({{ seconds_between("sent_before", "sent_at") }} > {{ gap_seconds }}, false) as is_apart
    from placed
),
-- The first message after a mark's grace opens a conversation, but not a reply to a wait that opened after the mark.
openings as (
    select chat_id, place from apart where counts and is_apart
    union distinct
    select chat_id, min(place) as place
    from apart
    where marks_before > 0 and (is_apart or is_late and not (is_reply and coalesce(asked_under = marks_before + 1, false)))
    group by chat_id, marks_before
),
conversations as (
    select
        chat_id,
        place as first_place,
        row_number() over w as number,
        lead({{ nullable("place") }}) over w as next_place
    from openings
    window w as (partition by chat_id order by place)
)
select
    apart.chat_id as chat_id,
    message_id,
    sent_at as timestamp,
    direction,
    kind as type,
    state as status,
    author as sender,
    is_timely,
    is_silent,
    is_duplicate,
    counts as is_counted,
    is_template,
    is_reply,
    is_from_us,
    is_opt_out,
    case
        when not counts or direction <> 'inbound' then null
        when is_after_template = 1
            and {{ seconds_between("template_at", "sent_at") }} <= 259200e0 then 'campaign'
        else 'organic'
    end as origin,
    case when counts then place else 0 end as position,
    case when counts then conversations.number else 0 end as conversation_number,
    marks_before,
    case when counts then coalesce(replies_before, 0) else 0 end as replies_before,
    coalesce(place = conversations.first_place, false) and not is_apart as opens_after_done,
    first_fetch_id,
    fetch_id
from apart
left join conversations
    on conversations.chat_id = apart.chat_id and counts
    and conversations.first_place <= place and place < coalesce(conversations.next_place, place + 1)
