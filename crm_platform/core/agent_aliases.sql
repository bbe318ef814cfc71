-- Identifiers that a message carried together are one operator's; an e-mail address stands for them where there is one.
with identifiers as (
    select alias
    from (
        select sender as alias from core.messages where sender is not null
        union all
        select agent as alias from raw.operator_events where nullif(agent, '') is not null
        union all
        select alias from core.agent_pairs
        union all
        select agent as alias from core.agent_pairs
    ) as mentions
    group by alias
),
others as (
    select
        alias,
        min(agent) filter (where position('@' in agent) > 0) as address,
        min(agent) as smallest
    from (
        select alias, agent from core.agent_pairs
        union all
        select agent as alias, alias as agent from core.agent_pairs
    ) as pairs
    group by alias
)
select
    identifiers.alias as alias,
    case
        when position('@' in identifiers.alias) > 0 then identifiers.alias
        when others.address is not null then others.address
        when others.smallest < identifiers.alias then others.smallest
        else identifiers.alias
    end as agent
from identifiers
left join others on others.alias = identifiers.alias
