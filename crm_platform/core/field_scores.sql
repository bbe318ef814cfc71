-- Scores that a custom field of contacts holds, each credited by the chat's newest conversation with a reply.
with texts as (
    {%- if satisfaction_field is not none %}
    select chat_id, {{ each_json_text("custom_fields", satisfaction_field) }} as text
    from raw.contacts
    {%- else %}
    select chat_id, '' as text from raw.contacts where chat_id is null
    {%- endif %}
),
-- A field with two scores has none.
scores as (
    select chat_id, min(score) as score
    from (
        select
            chat_id,
            case {{ trimmed("text") }} {%- for n in range(1, 6) %} when '{{ n }}' then {{ n }}{% endfor %} end as score
        from texts
    ) as read
    where score is not null
    group by chat_id
    having min(score) = max(score)
),
conversations as (
    select
        chat_id,
        {{ last_by("coalesce(resolved_agent, agent, '')", "conversation_number") }} as agent
    from core.conversations
    where replies > 0
    group by chat_id
)
select scores.chat_id as chat_id, scores.score as score, nullif(conversations.agent, '') as agent
from scores
left join conversations on conversations.chat_id = scores.chat_id
