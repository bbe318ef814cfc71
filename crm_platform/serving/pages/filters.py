"""What a page is narrowed to: segment, country, team, agent, origin, as its address names them.

What belongs here: reading them, the menu of choices, the words of a value. What does not: which values there are and
which rows stay (receipts/), filters of one page's own (now.py, campaigns.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from crm_platform.languages import N_, Language, Words
from crm_platform.receipts.choices import Choice, UnknownValue, narrowing_of
from crm_platform.receipts.narrowed import DIMENSIONS, SEGMENT, Narrowing
from crm_platform.serving.pages.chart import country, label
from crm_platform.serving.pages.column_words import VALUE_WORDS, column_words
from crm_platform.serving.pages.period import BadAddress
from crm_platform.serving.pages.published import PublishedFigures

_TITLES: Final[Mapping[str, Words]] = {
    "country": column_words("region"),
    "team": column_words("team"),
    "agent": N_("Agent"),
    "origin": column_words("origin"),
}
_MOST: Final = 300
"""So many values of a dimension a menu lists: the most frequent."""


@dataclass(frozen=True, slots=True)
class Menu:
    """The choices of a dimension: what it is called, and for each value its words, its address and whether it is on."""

    name: str
    title: str
    options: Sequence[tuple[str, str, bool]]


def read_narrowing(query: Sequence[tuple[str, str]], published: PublishedFigures) -> Narrowing:
    """Read what an address narrows to. Raises BadAddress where there is no such value."""
    asked = [(name, value) for name, value in query if name in DIMENSIONS]
    if not asked:
        return Narrowing()
    try:
        return narrowing_of(asked, published.choices)
    except UnknownValue as problem:
        raise BadAddress(
            N_("{name}={value} is not known; choose one of the list"), name=problem.name, value=problem.value
        ) from None


def menus(language: Language, published: PublishedFigures, chosen: Narrowing) -> list[Menu]:
    """The menus of the dimensions that have something to choose between."""
    by_dimension: dict[str, list[Choice]] = {}
    for one in published.choices:
        by_dimension.setdefault(one.dimension, []).append(one)
    pairs = set(chosen.pairs)
    return [
        Menu(
            several[0].name,
            title(language, dimension),
            [
                (value_words(language, dimension, one.value), one.address, (dimension, one.value) in pairs)
                for number, one in enumerate(several)
                if number < _MOST or (dimension, one.value) in pairs
            ],
        )
        for dimension, several in by_dimension.items()
        if len(several) > 1
    ]


def title(language: Language, dimension: str) -> str:
    """Write what a dimension is called: a segment field by its own name."""
    return dimension.removeprefix(SEGMENT) if dimension.startswith(SEGMENT) else language.gettext(_TITLES[dimension])


def value_words(language: Language, dimension: str, value: str) -> str:
    """Write a value of a dimension."""
    if dimension == "country":
        return country(language, value)
    told = VALUE_WORDS["origin"].get(value) if dimension == "origin" else None
    return language.gettext(told) if told else label(language, value)
