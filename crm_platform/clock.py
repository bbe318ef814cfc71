"""One clock: what local clocks show, from the pinned `tzdata` package alone.

What belongs here: making a zone, its stretches of one offset (core.clock), the instant of a local time. What does not:
which zone is meant (settings/), local time in SQL (models/render.py).

A machine's zone files and those inside an engine are of other ages. DuckDB 2.0 has Morocco at +01:00 in November 2026,
tzdata 2026.6 at +00:00; with both in one build, a wait opened on a day that the calendar did not have.
"""

from __future__ import annotations

import bisect
import datetime as dt
import functools
import itertools
import zoneinfo
from collections.abc import Callable
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

# For this whole process: where `zoneinfo` finds no files it reads `tzdata`. What was made before came from files.
zoneinfo.reset_tzpath(to=())
ZoneInfo.clear_cache()

BEGINS_AT: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
"""No figure goes further back, whatever a broken clock wrote: nothing older is believed."""

_BELIEVED_YEARS: Final = 5  # after a cut: nothing later is believed
_DAY, _SECOND = dt.timedelta(days=1), dt.timedelta(seconds=1)


class Stretch(NamedTuple):
    """The instants from `from_at` to before `until_at`: local clocks are `utc_offset_seconds` ahead of UTC."""

    from_at: dt.datetime
    until_at: dt.datetime
    utc_offset_seconds: int


def zone_of(name: str) -> ZoneInfo:
    """The zone of an IANA name."""
    return ZoneInfo(name)


def stretches(zone: ZoneInfo, *, as_of: dt.datetime) -> tuple[Stretch, ...]:
    """The consecutive stretches of a zone, for figures of a cut.

    They begin in 2000, and end with the decade that holds the last instant that is believed. Instants outside are told
    by the first and the last stretch. So the stretches change with `tzdata`, and once in ten years.
    """
    return _stretches(zone, dt.datetime((as_of.year + _BELIEVED_YEARS) // 10 * 10 + 10, 1, 1, tzinfo=dt.UTC))


@functools.lru_cache(maxsize=64)
def _stretches(zone: ZoneInfo, end: dt.datetime) -> tuple[Stretch, ...]:
    # A day has one change at most: no offset since 2000 held for less than a week (a test looks at all zones).
    offsets = [(at, _offset(zone, at)) for at in (BEGINS_AT + n * _DAY for n in range((end - BEGINS_AT).days + 1))]
    changes = [
        (_change(zone, day, after), after)
        for (day, before), (_, after) in itertools.pairwise(offsets)
        if after != before
    ]
    begins = [offsets[0], *changes]
    ends = [*(at for at, _ in changes), end]
    return tuple(Stretch(at, until, offset) for (at, offset), until in zip(begins, ends, strict=True))


def _change(zone: ZoneInfo, day: dt.datetime, after: int) -> dt.datetime:
    """The second within a day from which an offset holds."""
    return _first(day, _DAY, lambda at: _offset(zone, at) == after)


def _offset(zone: ZoneInfo, at: dt.datetime) -> int:
    return int((at.astimezone(zone).utcoffset() or dt.timedelta()).total_seconds())


def instant_of(day: dt.date, minute: int, zone: ZoneInfo) -> dt.datetime:
    """When a local clock is so many minutes past a day's midnight; 1440 are the next midnight. UTC, aware.

    A local time that spring leaves out is the instant of the change; one that comes twice is the earlier.
    """
    wall = dt.datetime.combine(day, dt.time()) + dt.timedelta(minutes=minute)
    by_old, by_new = (wall.replace(tzinfo=zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1))
    if by_old <= by_new:
        return by_old
    return _first(by_new, by_old - by_new, lambda at: at.astimezone(zone).replace(tzinfo=None) >= wall)


def start_of_day(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    """The first instant of a local day. UTC, aware."""
    return instant_of(day, 0, zone)


def _first(since: dt.datetime, within: dt.timedelta, holds: Callable[[dt.datetime], bool]) -> dt.datetime:
    """The first second for which something holds that holds ever after; `since + within` where it holds for none."""
    number = bisect.bisect_left(range(within // _SECOND), True, key=lambda n: holds(since + n * _SECOND))
    return since + number * _SECOND
