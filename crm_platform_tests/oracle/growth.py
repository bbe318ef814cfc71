"""Contacts that come and go: presence, growth by day and month, segments, countries.

What belongs here: the chapter "Growth" of the definitions. What does not: messages, but for who wrote lately.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction

import phonenumbers

from crm_platform_tests.oracle.arithmetic import (
    ONE_DAY,
    complete_days,
    day_of,
    days_from,
    midnight,
    month_before,
    month_of,
    rate,
)
from crm_platform_tests.oracle.facts import Contact, Facts, Sweep
from crm_platform_tests.oracle.messages import activity, counted_messages

MOST_VALUES = 50  # of a segment field; what is rarer stands together as (other)
ABSENT, OTHER, UNKNOWN = "(none)", "(other)", "(unknown)"


@dataclass(frozen=True, slots=True)
class Presence:
    """A contact was there in [from_at, to_at); no start: before we looked; no end: still."""

    chat_id: str
    from_at: dt.datetime | None
    to_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class GrowthDay:
    """One row of `kpi.contact_growth_daily`."""

    day: dt.date
    total_contacts: int
    new_contacts: int
    gone_contacts: int | None
    net_growth: int
    is_estimated: bool


@dataclass(frozen=True, slots=True)
class GrowthMonth:
    """One row of `kpi.contact_growth_monthly`."""

    month: dt.date
    opening: int
    new_contacts: int
    gone_contacts: int | None
    closing: int
    monthly_growth_rate: float | None
    is_partial: bool
    previous_to_date_rate: float | None


def known_contacts(facts: Facts) -> list[Contact]:
    """Contacts seen by the cut, also those that are gone, but for those left out, by chat."""
    seen = [one for one in facts.contacts if one.first_seen_at <= facts.as_of and one.chat_id not in facts.excluded]
    return sorted(seen, key=lambda one: one.chat_id)


def _ended_sweeps(facts: Facts) -> list[Sweep]:
    return sorted((one for one in facts.sweeps if one.ended_at <= facts.as_of), key=lambda one: one.started_at)


def presences(facts: Facts) -> list[Presence]:
    """Every interval of every contact, by chat and time."""
    sweeps = _ended_sweeps(facts)
    believed = _believed(facts, sweeps)
    return [one for contact in known_contacts(facts) for one in _intervals(contact, sweeps, believed, facts)]


def _is_suspicious(present: int, missing: int, seen: int) -> bool:
    if missing == 0:
        return False
    more_than_a_fifth = Fraction(missing, present) > Fraction(20, 100)
    return seen == 0 or (
        more_than_a_fifth and (missing > 20 or (present < 40 and Fraction(missing, present) > Fraction(1, 2)))
    )


def _miss_the_same(first: set[str], second: set[str]) -> bool:
    return bool(first) and max(len(first - second), len(second - first)) * 20 <= len(first)


def _believed(facts: Facts, sweeps: Sequence[Sweep]) -> dict[dt.datetime, bool]:
    """Start of each sweep whose absences count; true: at once, for a person accepted it."""
    believed: dict[dt.datetime, bool] = {}
    noted_at: dict[str, dt.datetime] = {}  # who was on the list, and since when
    there: set[str] = set()
    off_the_list: set[str] = set()
    waiting: list[tuple[Sweep, set[str]]] = []
    deletions = [(one.chat_id, one.at) for one in facts.operator_events if one.kind == "contact_deleted"]
    for sweep in sweeps:
        deleted = {chat for chat, at in deletions if chat in there and noted_at[chat] < at <= sweep.ended_at}
        present = there - deleted
        is_full = sweep.is_complete and not sweep.rejected
        missing = present - sweep.seen if is_full else set()
        for chat_id in sweep.seen - (present - off_the_list):
            noted_at[chat_id] = sweep.started_at
        for chat_id in missing - off_the_list:
            noted_at[chat_id] = sweep.started_at
        there = present | sweep.seen
        off_the_list = (off_the_list | missing) - sweep.seen
        if not is_full:
            continue
        is_odd = _is_suspicious(len(present), len(missing), len(sweep.seen))
        first = None
        if not (is_odd and not sweep.seen):
            for one, missed in reversed(waiting):
                if one.seen and not _miss_the_same(missed & present, missing):
                    break
                if one.seen and sweep.started_at - one.started_at >= dt.timedelta(hours=1):
                    first = one
        is_accepted = sweep.accepted_at is not None and sweep.accepted_at <= facts.as_of
        if is_odd and first is None and not is_accepted:
            waiting.append((sweep, set(off_the_list)))
            continue
        if first is not None:
            believed[first.started_at] = False
        believed[sweep.started_at] = is_odd and first is None
        there -= off_the_list
        waiting = []
    return believed


def _intervals(
    contact: Contact, sweeps: Sequence[Sweep], believed: Mapping[dt.datetime, bool], facts: Facts
) -> list[Presence]:
    chat_id = contact.chat_id
    was_there_before = contact.created_at is None and bool(sweeps) and chat_id in sweeps[0].seen
    from_at = None if was_there_before else contact.created_at or contact.first_seen_at
    is_present = True
    missed_since: dt.datetime | None = None
    intervals: list[Presence] = []

    deletions = [
        (event.at, None)
        for event in facts.operator_events
        if event.kind == "contact_deleted" and event.chat_id == chat_id and event.at <= facts.as_of
    ]
    # A sweep begun before a deletion may have met the contact before it went, so a sweep stands at its start.
    for at, sweep in sorted([*deletions, *((one.started_at, one) for one in sweeps)], key=lambda step: step[0]):
        if sweep is None:
            if is_present:
                intervals.append(Presence(chat_id, from_at, at))
            is_present, missed_since = False, None
        elif chat_id in sweep.seen:
            if not is_present:
                from_at = at
            is_present, missed_since = True, None
        elif is_present and at in believed and at >= contact.first_seen_at:
            is_sure = missed_since is not None or believed[at]
            missed_since = missed_since or at
            if is_sure:
                intervals.append(Presence(chat_id, from_at, missed_since))
                is_present, missed_since = False, None
    if is_present:
        intervals.append(Presence(chat_id, from_at, None))
    return intervals


def present_contacts(facts: Facts, presences: Sequence[Presence]) -> list[Contact]:
    """Contacts that are there at the cut."""
    present = {one.chat_id for one in presences if one.to_at is None}
    return [contact for contact in known_contacts(facts) if contact.chat_id in present]


def contact_presence(presences: Sequence[Presence]) -> list[dict[str, object]]:
    """`core.contact_presence`."""
    return [asdict(one) for one in presences]


def growth_days(facts: Facts, presences: Sequence[Presence]) -> list[GrowthDay]:
    """The rows of `kpi.contact_growth_daily`."""
    zone = facts.settings.zone
    first_day, first_sure_day = _first_days(facts)
    if first_day is None:
        return []
    opened = Counter(day_of(one.from_at, zone) for one in presences if one.from_at is not None)
    closed = Counter(day_of(one.to_at, zone) for one in presences if one.to_at is not None)
    rows = []
    for day in days_from(first_day, day_of(facts.as_of, zone)):
        is_estimated = first_sure_day is None or day < first_sure_day
        rows.append(
            GrowthDay(
                day=day,
                total_contacts=_present_at(midnight(day + ONE_DAY, zone), presences),
                new_contacts=opened[day],
                gone_contacts=None if is_estimated else closed[day],
                net_growth=opened[day] - (0 if is_estimated else closed[day]),
                is_estimated=is_estimated,
            )
        )
    return rows


def _first_days(facts: Facts) -> tuple[dt.date | None, dt.date | None]:
    """The first day there is a row for, and the first that rests on a complete sweep."""
    zone = facts.settings.zone
    sweeps = _ended_sweeps(facts)
    first_sure_day = next((day_of(one.started_at, zone) for one in sweeps if one.is_complete), None)
    if any(one.created_at is None for one in known_contacts(facts)):
        return first_sure_day, first_sure_day
    starts = [one.timestamp for one in counted_messages(facts)] + [one.started_at for one in sweeps]
    return min((day_of(start, zone) for start in starts), default=None), first_sure_day


def _present_at(instant: dt.datetime, presences: Sequence[Presence]) -> int:
    """How many are there when a day ends at `instant`; who comes at that very instant belongs to the next day."""
    return sum(
        (one.from_at is None or one.from_at < instant) and (one.to_at is None or one.to_at >= instant)
        for one in presences
    )


def growth_months(facts: Facts, days: Sequence[GrowthDay]) -> list[GrowthMonth]:
    """The rows of `kpi.contact_growth_monthly`, added up from the days'."""
    rows: list[GrowthMonth] = []
    totals = {one.day: one.total_contacts for one in days}
    this_month = month_of(day_of(facts.as_of, facts.settings.zone))
    for month in sorted({month_of(one.day) for one in days}):
        of_month = [one for one in days if month_of(one.day) == month]
        gone = [one.gone_contacts for one in of_month if one.gone_contacts is not None]
        opening = rows[-1].closing if rows else of_month[0].total_contacts - of_month[0].net_growth
        closing = of_month[-1].total_contacts
        rows.append(
            GrowthMonth(
                month=month,
                opening=opening,
                new_contacts=sum(one.new_contacts for one in of_month),
                gone_contacts=sum(gone) if gone else None,
                closing=closing,
                monthly_growth_rate=rate(closing - opening, opening) if rows else None,
                is_partial=month == this_month,
                previous_to_date_rate=_to_date(rows[-1], totals, of_month[-1].day)
                if month == this_month and len(rows) > 1
                else None,
            )
        )
    return rows


def _to_date(before: GrowthMonth, totals: Mapping[dt.date, int], today: dt.date) -> float | None:
    """Growth of the month before up to the day number that this month has reached, or to its last day."""
    last_day = month_of(today) - ONE_DAY
    same_day = before.month.replace(day=min(today.day, last_day.day))
    return rate(totals[same_day] - before.opening, before.opening)


def contact_growth(rows: Sequence[GrowthDay] | Sequence[GrowthMonth]) -> list[dict[str, object]]:
    """`kpi.contact_growth_daily` or `kpi.contact_growth_monthly`."""
    return [asdict(row) for row in rows]


def rate_of_month(months: Sequence[GrowthMonth], month: dt.date) -> float | None:
    """The growth rate of one month; None when it is not known."""
    return next((one.monthly_growth_rate for one in months if one.month == month), None)


def last_complete_month(facts: Facts) -> dt.date:
    """The month before the cut's."""
    return month_before(month_of(day_of(facts.as_of, facts.settings.zone)))


def _recently_active(facts: Facts) -> set[str]:
    window = complete_days(facts.as_of, 30, facts.settings.zone)
    return {one.chat_id for one in activity(facts) if one.timestamp in window}


def contacts_by_segment(facts: Facts, present: Sequence[Contact]) -> list[dict[str, object]]:
    """`kpi.contacts_by_segment`."""
    active = _recently_active(facts)
    rows: list[dict[str, object]] = []
    for field in dict.fromkeys(facts.settings.segment_fields):
        values_of = {one.chat_id: segment_values(one.custom_fields.get(field)) or {ABSENT} for one in present}
        sizes = Counter(value for values in values_of.values() for value in values if value != ABSENT)
        ranked = sorted(sizes, key=lambda value: (-sizes[value], value.encode()))
        kept = {*ranked[:MOST_VALUES], ABSENT}
        labels = {
            chat_id: {value if value in kept else OTHER for value in values} for chat_id, values in values_of.items()
        }
        rows += [{"field": field, **row} for row in _shares("value", labels, active)]
    return rows


def segment_values(value: str | Sequence[str] | None) -> set[str]:
    """A field's values, without the white space around them."""
    several = [value] if isinstance(value, str) else value or ()
    return {one.strip(" \t\n\f\r") for one in several} - {""}


def region_of(number: str | None) -> str:
    """ISO code of the country an E.164 number belongs to."""
    try:
        region = phonenumbers.region_code_for_number(phonenumbers.parse(number or "", None))
    except phonenumbers.NumberParseException:
        return UNKNOWN
    return region if region and region.isalpha() else UNKNOWN  # satellite and freephone codes have region 001


def contacts_by_country(facts: Facts, present: Sequence[Contact]) -> list[dict[str, object]]:
    """`kpi.contacts_by_country`."""
    labels = {one.chat_id: {region_of(one.whatsapp_number)} for one in present}
    return _shares("region", labels, _recently_active(facts))


def _shares(column: str, labels: Mapping[str, set[str]], active: set[str]) -> list[dict[str, object]]:
    sizes = Counter(label for several in labels.values() for label in several)
    active_sizes = Counter(label for chat_id, several in labels.items() if chat_id in active for label in several)
    return [
        {
            column: label,
            "contacts": sizes[label],
            "share": sizes[label] / len(labels),
            "active_30d": active_sizes[label],
        }
        for label in sorted(sizes)
    ]
