-- Every stored message, its place in its chat and the conversation it belongs to.
with stored as (
    select
        chat_id,
        message_id,
        timestamp as sent_at,
        direction,
        nullif(type, '') as kind,
        nullif(status, '') as state,
        nullif(sender, '') as author,
        not is_future_dated and timestamp <= {{ as_of }} as counts,
        first_fetch_id,
        fetch_id
    from raw.messages
),
placed as (
    select stored.*, row_number() over w as place, lag(sent_at) over w as sent_before
    from stored
    window w as (partition by chat_id, counts order by sent_at, message_id)
),
opened as (
    select
        placed.*,
        case
            when place = 1 then 1
            when {{ seconds_between("sent_before", "sent_at") }} > {{ gap_seconds }} then 1
            else 0
        end as opens
    from placed
)
select
    chat_id,
    message_id,
    sent_at as timestamp,
    direction,
    kind as type,
    state as status,
    author as sender,
    counts as is_counted,
    direction = 'outbound' and coalesce(kind, '') = 'template' as is_template,
    direction = 'outbound' and coalesce(kind, '') <> 'template' and coalesce(state, '') <> 'failed'
    {%- if automation_senders %}
    and coalesce(author, '') not in (
        {%- for sender in automation_senders %}{{ quoted(sender) }}{{ ", " if not loop.last }}{% endfor -%}
    )
    {%- endif %} as is_reply,
    case when counts then place else 0 end as position,
    case
        when counts then sum(opens) over (
            partition by chat_id, counts order by place rows between unbounded preceding and current row
        )
        else 0
    end as conversation_number,
    first_fetch_id,
    fetch_id
from opened
