"""What people read of the rows behind a figure: which columns, what they are called, in which order.

What belongs here: that choice for each published table, and a row in words. What does not: which rows those are
(receipts/), the page around them (receipt.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from crm_platform.languages import N_, NP_, Words
from crm_platform.receipts import Listing
from crm_platform.schemas import Column, Type
from crm_platform.serving.pages import numbers
from crm_platform.serving.pages.addresses import receipt_href
from crm_platform.serving.pages.chart import country, label, yes_or_no
from crm_platform.serving.pages.column_words import VALUE_WORDS, column_words
from crm_platform.serving.pages.published import short
from crm_platform.tables import TABLES

if TYPE_CHECKING:
    from crm_platform.serving.pages.view import View

LONGEST: Final = N_("the longest first")
NEWEST: Final = N_("the newest first")

_CHAT: Final = "chat_id"
_PSEUDONYM: Final = 8  # so many of its 32 characters tell chats of a page apart
_IDS: Final = frozenset({_CHAT, "message_id", "first_message_id", "opening_message_id", "interval_number", "number"})


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is read of a table's rows.

    `columns`: what they are called, where that is not their declared name; `began`: says which is newer; `long`: say
    how long a row took: rows go by the first that the figure is about.
    """

    columns: Mapping[str, Words | None]
    began: str = ""
    long: Sequence[str] = ()


_READINGS: Final[Mapping[str, _Reading]] = {
    "core.response_waits": _Reading(
        {
            # Translators: heading of a column: when the customer wrote what waits for a reply
            "waiting_since": N_("Customer wrote"),
            # Translators: heading of a column: how long the customer waited for the reply
            "response_seconds": N_("Waited"),
            "agent": N_("Answered by"),
            "state": None,
            # Translators: heading of a column: whether a wait is the first of its conversation or a later one
            "is_first": N_("First or later"),
        },
        began="waiting_since",
    ),
    "core.conversations": _Reading(
        {
            "started_at": None,
            "ended_at": None,
            "duration_seconds": None,
            "messages": None,
            "state": None,
            "resolved_by": None,
            "resolved_agent": None,
        },
        began="started_at",
        long=("resolution_seconds", "duration_seconds"),
    ),
    "core.messages": _Reading({"timestamp": None, "direction": N_("Written by"), "origin": None}, began="timestamp"),
    # Translators: heading of a column: since when somebody is a contact
    "core.contacts": _Reading({"joined_at": N_("Contact since"), "region": None, "is_active_30d": None}, "joined_at"),
    "core.contact_days": _Reading({"day": None, "inbound_messages": None, "previous_day": None}, began="day"),
    "core.contact_presence": _Reading({"from_day": None, "to_day": None}, began="from_day"),
    "core.contact_segments": _Reading({"field": None, "value": None, "is_active_30d": None}),
    "core.chats": _Reading({"first_inbound_day": None, "last_inbound_at": None}, began="last_inbound_at"),
    # Translators: heading of a column: what an agent did
    "core.work": _Reading({"done_at": None, "kind": NP_("work", "What"), "agent": None}, began="done_at"),
    "core.assignments": _Reading({"assigned_at": None, "agent": column_words("assignee")}, began="assigned_at"),
    "core.campaigns": _Reading({"campaign_id": None, "sent_at": None, "status": None}, began="sent_at"),
    "kpi.campaign_performance": _Reading({"campaign_id": None, "sent_at": None}, began="sent_at"),
}
_WAITS: Final = "core.response_waits"
_WAITED: Final = "case state when 'open' then {{ seconds_between('waiting_since', as_of) }} else response_seconds end"


@dataclass(frozen=True, slots=True)
class RowCell:
    """A cell of a row. `href`: where it leads, empty where nowhere; `title`: what is said of it beneath the pointer."""

    words: str
    href: str = ""
    title: str = ""
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class Readable:
    """The rows behind a figure as people read them.

    `columns`: published names; `order`: SQL; `told`: the order in words, empty where it says nothing.
    """

    listing: Listing
    columns: Sequence[str]
    order: Sequence[str]
    told: Words

    @classmethod
    def of(cls, listing: Listing) -> Readable:
        """Choose columns and order. Of waits those that got no reply at all count as the longest."""
        line = listing.line
        source = line.source.full_name()
        reading = _READINGS.get(source, _Reading({}))
        own = [name for name in line.key if name not in _IDS]
        used = [name for name in line.used if name not in _IDS]
        chat = [_CHAT] if _CHAT in line.key or _CHAT in line.used else []
        columns = list(dict.fromkeys([*(reading.columns or own), *used, *own, *chat]))
        if source == _WAITS:
            order = ["(state = 'missed') desc", f"{_WAITED} desc nulls last", "waiting_since desc"]
            told = NEWEST if "missed" in listing.line.figure.where else LONGEST
        elif long := next((name for name in reading.long if name in line.used), ""):
            order, told = [f"{long} desc nulls last"], LONGEST
        elif newer := reading.began or next((name for name in own if name in {"day", "month"}), ""):
            order, told = [f'"{newer}" desc nulls last'], NEWEST
        else:
            order, told = [], ""
        return cls(listing, columns, order, told)

    @property
    def source(self) -> str:
        """The published table of the rows."""
        return self.listing.line.source.full_name()

    def headings(self, view: View) -> list[str]:
        """What the columns are called."""
        own = _READINGS.get(self.source, _Reading({})).columns
        return [view._(own.get(name) or (N_("Chat") if name == _CHAT else column_words(name))) for name in self.columns]

    def cells(self, view: View, row: Mapping[str, object]) -> list[RowCell]:
        """A row in words."""
        return [self._cell(view, name, row) for name in self.columns]

    def _cell(self, view: View, name: str, row: Mapping[str, object]) -> RowCell:
        value, declared = row[name], TABLES[self.source].columns.get(name)
        if name == _CHAT:
            chat = str(value)
            href = f"/chat?pseudonym={chat}" if view.may("/chat") else ""
            return RowCell(chat[:_PSEUDONYM], href, chat, is_code=True)
        if self.source == _WAITS and name == "response_seconds" and value is None:
            return RowCell(_so_far(view, row))
        if self.source == _WAITS and name == "is_first":
            # Translators: the first wait of a conversation
            return RowCell(view.pgettext("wait", "first") if value else view.pgettext("wait", "later"))
        if name == "joined_at" and value is None:
            return RowCell(view._("before we looked"))
        words = cell(view, name, declared, value)
        href = ""
        if value is not None and name in self.listing.line.takes:
            key = {part: row[part] for part in self.listing.line.key}
            href = receipt_href(self.source, name, key, view.kept)
        return RowCell(words, href)


def _so_far(view: View, row: Mapping[str, object]) -> str:
    """How long a wait without a reply goes on by now; nothing of one that is over."""
    since = row["waiting_since"]
    if row["state"] != "open" or not isinstance(since, dt.datetime):
        return numbers.NONE
    waited = (view.published.as_of - since.replace(tzinfo=dt.UTC)).total_seconds()
    return view._("{duration} so far", duration=view.duration(max(0.0, waited)))


# Columns of no published table: they are made for a receipt.
_SECONDS: Final = frozenset({"lasted"})
_MONTHS: Final = frozenset({"month", "cohort"})  # a first day stands for its month
_WEEKDAYS: Final = frozenset({"weekday", "cell_weekday"})
_HOURS: Final = frozenset({"hour", "cell_hour"})


def cell(view: View, name: str, column: Column | None, value: object) -> str:
    """A value as people write it: local time, durations, shares, yes and no, words for what the tables abbreviate."""
    if value is None:
        return numbers.NONE
    if isinstance(value, dt.datetime):
        return view.time(value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value, seconds=True)
    if isinstance(value, dt.date):
        return numbers.month(view.language, value) if name in _MONTHS else numbers.day(view.language, value, year=True)
    if isinstance(value, bool):
        return yes_or_no(view.language, is_so=value)
    if name == "campaign_id":
        return view.published.campaign_names.get(str(value)) or str(value)
    if name == "region":
        return country(view.language, str(value))
    if isinstance(value, str):
        words = VALUE_WORDS.get(name, {}).get(value)
        return view._(words) if words else label(view.language, short(value))
    if isinstance(value, int | float):
        return _number(view, name, column, value)
    return str(value)


def _number(view: View, name: str, column: Column | None, value: float) -> str:
    if name in _WEEKDAYS:
        return view.language.weekday(int(value))
    if name in _HOURS:
        return f"{int(value):02d}:00"
    if name in _SECONDS or (column is not None and column.unit == "s"):
        return view.duration(value)
    if column is not None and column.is_share:
        return view.percent(value)
    if column is not None and column.type is Type.FLOAT:
        return numbers.value(view.language, "gap", value)  # percentage points: no other float has a unit
    return view.count(value)
