"""Instants as servers write them, and which of them are believed.

What belongs here: every spelling of a point in time that is read, and the one range that decides for every record. What
does not: which fields hold one (parsing.py).
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final, Self

_UTC: Final = dt.UTC
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=_UTC)
# What a datetime cannot hold lies before or after everything it can.
_BEFORE_ALL: Final = dt.datetime.min.replace(tzinfo=_UTC)
_AFTER_ALL: Final = dt.datetime.max.replace(tzinfo=_UTC)

FIRST_BELIEVED: Final = dt.datetime(2000, 1, 1, tzinfo=_UTC)
"""A CRM for WhatsApp has nothing older."""
_YEARS_AHEAD: Final = 5
FUTURE_TOLERANCE: Final = dt.timedelta(minutes=5)
"""How far ahead of our own clock what has happened may be dated: clocks differ."""

_LONGEST: Final = 100  # characters of a spelled instant
# A number below this counts seconds (until the year 5138), then milliseconds, microseconds, nanoseconds.
_FIRST_FINER: Final = 10**11
_EPOCH_TEXT: Final = re.compile(r"-?(?:[0-9]{1,7}|[0-9]{9,20})(?:\.[0-9]{1,20})?")
_COMPACT: Final = re.compile(r"(20[0-9]{6})([0-9]{6})")
_DOT_NET: Final = re.compile(r"/Date\((-?[0-9]{1,16})(?:[+-][0-9]{4})?\)/")
_FAR: Final = re.compile(r"([+-])?[0-9]{4,9}-[0-9]{2}-[0-9]{2}(?:[T ].*)?")
_ZONE: Final = (
    r"(?P<utc>Z|UTC?|GMT)?\s*(?P<offset>[+-][0-9]{2}:?(?:[0-9]{2})?)?(?:\s*(?:Z|UTC|GMT|\[[\w/+-]*\]|\([^()]*\)))?"
)
_CLOCK: Final = r"(?P<clock>[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?)"
# 2026-11-20 10:00:00 +0300, 2026/11/20 10:00:00 UTC, 2026-11-20T10:00:00+03:00[Africa/Nairobi]
_SPACED: Final = re.compile(
    rf"(?P<year>[0-9]{{4}})[-/](?P<month>[0-9]{{2}})[-/](?P<day>[0-9]{{2}})[T\s]\s*{_CLOCK}\s*{_ZONE}", re.IGNORECASE
)
# RFC 2822 (Fri, 20 Nov 2026 10:00:00 +0300) and what JavaScript prints (Fri Nov 20 2026 10:00:00 GMT+0300 (…)).
_WORDED: Final = re.compile(
    rf"(?:[a-z]{{3,9}},?\s+)?(?:(?P<day>[0-9]{{1,2}})[\s-](?P<month>[a-z]{{3,9}})|(?P<name>[a-z]{{3,9}})\s(?P<number>[0-9]{{1,2}}),?)"
    rf"[\s-](?P<year>[0-9]{{4}}),?\s+{_CLOCK}\s*{_ZONE}",
    re.IGNORECASE,
)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# Digits that a datetime (microseconds) cannot hold.
_TOO_FINE: Final = re.compile(r"[.,][0-9]{6}[0-9]*[1-9]")


@dataclass(frozen=True, slots=True)
class Believable:
    """Instants that a request may tell of: from `since`, before `until`; a time of creation before `created_before`."""

    since: dt.datetime
    until: dt.datetime
    created_before: dt.datetime

    @classmethod
    def at(cls, asked_at: dt.datetime) -> Self:
        """Give the range for a request that began at `asked_at`."""
        until = shifted(asked_at, years=_YEARS_AHEAD)
        # The tolerance itself is included, as it is for messages that are dated ahead.
        created_before = asked_at + FUTURE_TOLERANCE + dt.timedelta(microseconds=1)
        return cls(FIRST_BELIEVED, until, created_before)


def micros(moment: dt.datetime) -> int:
    """Count an aware moment in whole microseconds since 1970 UTC."""
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)


def moment_of(count: int) -> dt.datetime:
    """Give the moment, in UTC, of a count of microseconds since 1970."""
    return _EPOCH + dt.timedelta(microseconds=count)


def shifted(moment: dt.datetime, *, years: int) -> dt.datetime:
    """Give the same day and time so many years on; the 28th for a 29 February."""
    is_leap_day = (moment.month, moment.day) == (2, 29)
    return moment.replace(year=min(moment.year + years, dt.MAXYEAR), day=28 if is_leap_day else moment.day)


def parse_timestamp(value: object) -> tuple[dt.datetime, bool] | None:
    """Read an instant; gives (UTC, came without a zone), and None for what is none.

    ISO 8601 and its relatives, RFC 2822, seconds, milliseconds, microseconds or nanoseconds since 1970 as a number or a
    text. Without a zone UTC is meant. What lies beyond the years 1 to 9999 is given as their edge.
    """
    if isinstance(value, str):
        if len(value) > _LONGEST:
            return None
        text = value.strip()
        if value[4:5] == "-":  # 2026-…, the usual case
            return _iso(text) or _spelled(text)
        if _EPOCH_TEXT.fullmatch(text) and not _COMPACT.fullmatch(text):
            return _since_epoch(float(text) if "." in text else int(text)), False
        return _iso(text) or _spelled(text)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == value:  # noqa: PLR0124 - not NaN
        return _since_epoch(value), False
    return None


def _since_epoch(number: float) -> dt.datetime:
    size = abs(number)
    finer = 0 if size < _FIRST_FINER else 1 if size < _FIRST_FINER * 10**3 else 2 if size < _FIRST_FINER * 10**6 else 3
    try:
        micros = int(number) // 1000 if finer == 3 else round(number * 10 ** (6 - 3 * finer))
        return _EPOCH + dt.timedelta(microseconds=micros)
    except OverflowError:
        return _BEFORE_ALL if number < 0 else _AFTER_ALL


def _iso(text: str) -> tuple[dt.datetime, bool] | None:
    try:
        moment = dt.datetime.fromisoformat(text[:-1] + "Z" if text.endswith("z") else text)
    except ValueError:
        return None
    # `Z` gives the very object dt.UTC: the usual case skips the conversion.
    return (moment, False) if moment.tzinfo is _UTC else _in_utc(moment)


def _in_utc(moment: dt.datetime) -> tuple[dt.datetime, bool]:
    if moment.tzinfo is None:
        return moment.replace(tzinfo=_UTC), True
    try:
        return moment.astimezone(_UTC), False
    except OverflowError:
        return (_BEFORE_ALL if moment.year == 1 else _AFTER_ALL), False


def _spelled(text: str) -> tuple[dt.datetime, bool] | None:
    """Read the spellings that ISO 8601 leaves out."""
    if found := _COMPACT.fullmatch(text):
        return _iso(f"{found[1]}T{found[2]}")
    if found := _DOT_NET.fullmatch(text):
        return _milliseconds(int(found[1])), False
    if found := _FAR.fullmatch(text):
        year = text.removeprefix("+").removeprefix("-").partition("-")[0]
        is_before = found[1] == "-" or int(year) == 0
        if is_before or len(year) > 4:
            return (_BEFORE_ALL if is_before else _AFTER_ALL), False
    if found := _SPACED.fullmatch(text):
        return _joined(found, month=int(found["month"]), day=int(found["day"]))
    if found := _WORDED.fullmatch(text):
        name = (found["month"] or found["name"])[:3].lower()
        if name in _MONTHS:
            return _joined(found, month=_MONTHS.index(name) + 1, day=int(found["day"] or found["number"]))
    return None


def _milliseconds(number: int) -> dt.datetime:
    try:
        return _EPOCH + dt.timedelta(milliseconds=number)
    except OverflowError:
        return _BEFORE_ALL if number < 0 else _AFTER_ALL


def _joined(found: re.Match[str], *, month: int, day: int) -> tuple[dt.datetime, bool] | None:
    clock = found["clock"].rjust(len(found["clock"]) + (found["clock"][1] == ":"), "0")
    zone = found["offset"] or ("Z" if found["utc"] else "")
    return _iso(f"{int(found['year']):04}-{month:02}-{day:02}T{clock}{zone}")


def is_exact(value: object) -> bool:
    """Whether a value that `parse_timestamp` reads says no more than microseconds."""
    if isinstance(value, str):
        # The seventh digit of a second's fraction is the 27th character of the usual form.
        if value[4:5] == "-" and (len(value) <= 26 or not value[26].isdigit()):
            return True
        if not value.isdigit():
            return _TOO_FINE.search(value) is None
        value = int(value)
    return not isinstance(value, int) or abs(value) < _FIRST_FINER * 10**6 or value % 1000 == 0
