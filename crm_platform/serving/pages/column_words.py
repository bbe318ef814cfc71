"""What is said of published columns: their names, and what their values and abbreviations mean.

What belongs here: finding a column's name, and words for values, marked for the catalogs. What does not: the names
themselves, which are declared with the columns (core/, metrics/); what is said of a page's tiles (tiles.py).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Final

from crm_platform.languages import N_, Words
from crm_platform.tables import TABLES

VALUE_WORDS: Final[Mapping[str, Mapping[str, Words]]] = {
    "state": {
        # Translators: what became of a wait of a customer
        "answered": N_("answered"),
        "open": N_("still waiting"),
        "missed": N_("missed"),
        "trailing": N_("thanks and the like"),
        # Translators: the state of a conversation
        "resolved": N_("resolved"),
        "waiting": N_("waiting"),
        "active": N_("going on"),
        "quiet": N_("quiet"),
    },
    "resolved_by": {
        # Translators: how a conversation was resolved
        "operator": N_("marked as done"),
        "quiet": N_("ended answered"),
    },
    "initiated_by": {
        # Translators: by whom a conversation was begun
        "contact": N_("the customer"),
        "business": N_("us"),
    },
    "origin": {
        # Translators: where a message, a wait or a conversation comes from
        "campaign": N_("after a campaign"),
        "organic": N_("of their own accord"),
    },
    "direction": {
        # Translators: by whom a message was written
        "inbound": N_("the customer"),
        "outbound": N_("us"),
    },
    "kind": {
        # Translators: what an agent did
        "reply": N_("a reply"),
        "resolution": N_("a chat resolved"),
    },
    "dimension": {
        # Translators: by what figures of support are told apart
        "agent": N_("by agent"),
        "team": N_("by team"),
        "country": N_("by country"),
        "origin": N_("by origin"),
    },
    "followed_up_by": {
        # Translators: by what a missed wait was followed up
        "reply": N_("a reply"),
        "template": N_("a template"),
    },
    "status": {
        # Translators: the status of a campaign
        "draft": N_("draft"),
        "scheduled": N_("scheduled"),
        "active": N_("active"),
        "in_progress": N_("in progress"),
        "paused": N_("paused"),
        "completed": N_("completed"),
        "failed": N_("failed"),
        "cancelled": N_("cancelled"),
    },
}
"""What the values of a column stand for."""

ABSENT_WORDS: Final[Mapping[str, str]] = {
    # Translators: what stands for a value that is missing
    "(none)": N_("none given"),
    "(other)": N_("all others"),
    "(unknown)": N_("not known"),
    "(unassigned)": N_("nobody named"),
    "(no team)": N_("no team"),
}
"""What the tables write where there is no name."""


@functools.cache
def labels() -> Mapping[str, Words]:
    """Declared names of columns. A column that several tables have is named in one of them."""
    found: dict[str, Words] = {}
    for table in TABLES.values():
        for name, column in table.columns.items():
            if column.label:
                found[name] = column.label
            if column.figure:
                found |= column.figure.rows.labels
    return found


def column_words(column: str) -> Words:
    """Name of a column; of one that declares none, its own name made readable."""
    return labels().get(column) or column.replace("_", " ").capitalize()
