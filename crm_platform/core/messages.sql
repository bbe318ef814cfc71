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
        coalesce(nullif(sender_key, ''), nullif(sender, '')) as author,
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
    {%- if automation_senders %}
    left join core.agent_aliases as senders on senders.alias = coalesce(nullif(sender_key, ''), nullif(sender, ''))
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
        direction = 'inbound' and not is_opt_out as asks
    from stored
),
placed as (
    select judged.*, row_number() over w as place, lag(sent_at) over w as sent_before
    from judged
    window w as (
        partition by chat_id, counts order by sent_at, case when direction = 'inbound' then 0 else 1 end, message_id
    )
),
-- A mark as done comes after the messages of its instant.
marked as (
    select
        chat_id,
        place,
        sum(is_mark) over w as marks_before,
        max(case when is_mark = 1 then moment end) over w as marked_at
    from (
        select chat_id, place, sent_at as moment, 0 as is_mark from placed where counts
        union all
        select chat_id, 0 as place, "at" as moment, 1 as is_mark from raw.operator_events where kind = 'done'
    ) as moments
    window w as (partition by chat_id order by moment, is_mark, place rows between unbounded preceding and current row)
),
-- What follows a mark: whether a wait that opened after it is still open, and whether its grace has run out.
following as (
    select
        placed.*,
        coalesce(marked.marks_before, 0) as marks_before,
        placed.place = 1 or coalesce({{ seconds_between("sent_before", "sent_at") }} > {{ gap_seconds }}, false) as is_apart,
        coalesce(sent_at > {{ later("marked.marked_at", after_done_seconds) }}, false) as is_late,
        max(case when asks then placed.place end) over w as asked_at_place,
        max(case when is_reply then placed.place end) over w as replied_at_place
    from placed
    left join marked on placed.counts and marked.place > 0
        and marked.chat_id = placed.chat_id and marked.place = placed.place
    window w as (
        partition by placed.chat_id, placed.counts, coalesce(marked.marks_before, 0) order by placed.place
        rows between unbounded preceding and 1 preceding
    )
),
-- The first message after a mark's grace opens a conversation, but not a reply to a wait that opened after the mark.
cut as (
    select
        following.*,
        is_apart or is_late and not (is_reply and coalesce(asked_at_place > coalesce(replied_at_place, 0), false))
            as may_open
    from following
),
opened as (
    select
        cut.*,
        is_apart or may_open and coalesce(sum(case when may_open then 1 else 0 end) over (
            partition by chat_id, counts, marks_before order by place rows between unbounded preceding and 1 preceding
        ), 0) = 0 as opens
    from cut
),
-- The newest template and the newest reply before an inbound message tell where it comes from.
numbered as (
    select
        opened.*,
        sum(case when opens then 1 else 0 end) over w as number,
        max(case when is_template and coalesce(state, '') <> 'failed' then place end) over w as template_place,
        max(case when is_template and coalesce(state, '') <> 'failed' then sent_at end) over w as template_at,
        max(case when is_reply then place end) over w as reply_place
    from opened
    window w as (partition by chat_id, counts order by place rows between unbounded preceding and current row)
)
select
    chat_id,
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
        when template_place > coalesce(reply_place, 0)
            and {{ seconds_between("template_at", "sent_at") }} <= 259200e0 then 'campaign'
        else 'organic'
    end as origin,
    case when counts then place else 0 end as position,
    case when counts then number else 0 end as conversation_number,
    case when counts then marks_before else 0 end as marks_before,
    counts and opens and not is_apart as opens_after_done,
    first_fetch_id,
    fetch_id
from numbered
