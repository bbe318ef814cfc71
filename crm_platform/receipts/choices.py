"""What a snapshot can be narrowed to: the values there are, and reading chosen ones from names and texts.

What belongs here: finding the values, and how addresses name them. What does not: narrowing (narrowed.py), how a value
is said to people (serving/pages/filters.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from crm_platform.errors import InvalidRequest
from crm_platform.receipts.behind import OpenedSnapshot
from crm_platform.receipts.keys import nearest
from crm_platform.receipts.narrowed import DIMENSIONS, SEGMENT, Narrowing
from crm_platform.receipts.older import is_older

_FOUND: Final = """
    with work as (
        select agent from core.reply_credit
        union all
        select assignee from core.response_waits
        union all
        select resolved_agent from core.conversations
    )
    select dimension, value, count(*) as number
    from core.contact_groups
    where dimension = 'country' or starts_with(dimension, 'segment:')
    group by all
    union all
    select 'team', team, count(*) from core.agent_teams group by team
    union all
    select 'team', '(no team)', 0 where (select count(*) from core.agent_teams) > 0
    union all
    select 'agent', coalesce(agent, '(unassigned)'), count(*) from work group by all
    union all
    select 'origin', unnest(['organic', 'campaign']), 0
"""


@dataclass(frozen=True, slots=True)
class Choice:
    """A value that a snapshot can be narrowed to.

    `name`, `address`: how an address names it, `segment` and `city:Mombasa`; `dimension`, `value`: how tables do;
    `number`: contacts of it, agents of a team, deeds of an agent.
    """

    name: str
    address: str
    dimension: str
    value: str
    number: int


class UnknownValue(InvalidRequest):
    """A value is chosen that is not there. `hint`: the nearest, or what there is."""

    def __init__(self, name: str, value: str, hint: str) -> None:
        super().__init__(f"{name}={value} is not known: {hint}")
        self.name, self.value, self.hint = name, value, hint


def choices(snapshot: OpenedSnapshot) -> list[Choice]:
    """Every value, by dimension and then the most frequent first.

    None of a snapshot that cannot be narrowed: that takes all that this version's SELECTs read.
    """
    if snapshot.manifest.settings is None or is_older(snapshot):
        return []
    found = [_choice(*row) for row in snapshot.connection.cursor().sql(_FOUND).fetchall()]
    return sorted(
        found, key=lambda one: (DIMENSIONS.index(one.name), one.dimension, -one.number, one.value.casefold(), one.value)
    )


def _choice(dimension: str, value: str, number: int) -> Choice:
    if not dimension.startswith(SEGMENT):
        return Choice(dimension, value, dimension, value, number)
    # The first colon is the one between, whatever the field is called.
    field = dimension.removeprefix(SEGMENT).replace("%", "%25").replace(":", "%3A")
    return Choice("segment", f"{field}:{value}", dimension, value, number)


def chosen_of(narrowing: Narrowing, known: Sequence[Choice]) -> list[Choice]:
    """The choices that a narrowing is made of, in their order."""
    pairs = set(narrowing.pairs)
    return [one for one in known if (one.dimension, one.value) in pairs]


def narrowing_of(asked: Iterable[tuple[str, str]], known: Sequence[Choice]) -> Narrowing:
    """What names and texts choose. Raises UnknownValue where there is no such value.

    A segment is `field:value`, as links write it, or as people type it, who leave a colon in a field's name as it is.
    """
    there = {(one.name, one.address): one for one in known}
    as_typed = {(one.name, f"{one.dimension.removeprefix(SEGMENT)}:{one.value}"): one for one in known}
    chosen = []
    for name, value in asked:
        one = there.get((name, value)) or as_typed.get((name, value))
        if one is None:
            raise UnknownValue(name, value[:60], nearest(value, [one.address for one in known if one.name == name]))
        chosen.append((one.dimension, one.value))
    return Narrowing.of(chosen)
