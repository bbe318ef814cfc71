"""Operating hours: time that runs as fast as the business does, on average as fast as the wall.

What belongs here: the activity profile of a week, how it is learnt, and U(t), the operating hours it makes of a moment.
What does not: what happens in those hours (estimate.py), which share of the quota follows the profile (budget.py).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from crm_platform.clock import zone_of
from crm_platform.ingest.planner.units import Floats

PROFILE_KEPT_PER_DAY: Final = 0.5 ** (1 / 56)
"""The half-life of the activity profile is eight weeks."""

PROFILE_SMOOTHING: Final = 500.0
"""Messages' weight of "weekday × hour of day" against the single hour of the week."""

PROFILE_PRIOR: Final = 200.0
"""Messages' weight of a flat week."""

PROFILE_GIVEN: Final = 2000.0
"""Messages' weight of a profile handed in."""

PROFILE_FLOOR: Final = 0.02
"""Least activity of an hour against the mean: the operating clock never stands still."""

PROFILE_MOVED: Final = 0.02
"""Share by which the messages counted must differ from those of the last profile before a new one is taken."""

FURTHEST_HOURS: Final = 24 * 366 * 25
"""What the hourly tables may reach, whatever moment they are asked for."""

_ORIGIN_HOURS: Final = 24 * 90  # how far before `start` the hourly tables begin


def counts_of(activity: Sequence[float] | None) -> Floats:
    """Messages by hour of the week to begin with: those that a given profile stands for; None: nothing is known."""
    if activity is None:
        return np.zeros(168)
    given = np.asarray(activity, dtype=np.float64)
    if given.shape != (168,) or not np.isfinite(given).all() or (given < 0).any() or given.sum() <= 0:
        raise ValueError("an activity profile is 168 weights, none negative, not all zero")
    counts: Floats = given * (PROFILE_GIVEN / given.sum())
    return counts


class WeekClock:
    """The operating hours U(t), from messages counted by the hour of the week.

    Tables by UTC hour since `origin`; each hour takes the local hour of the week at its middle, so zones with half
    hours are off by half an hour and daylight saving is right.
    """

    def __init__(self, *, start: float, timezone: str, counts: Floats) -> None:
        self.timezone = timezone
        self.zone = zone_of(timezone)
        self.start = start
        self.origin = math.floor(start) - _ORIGIN_HOURS
        self.counts = counts
        self.counted_at_refresh = 0.0
        self._cells = np.empty(0, dtype=np.int64)
        self._elapsed = np.zeros(1)
        self.profile = np.ones(168)
        self.refresh()

    def restore(self, *, start: float, counts: Floats, profile: Floats, counted_at_refresh: float) -> None:
        """Take on what another clock of this zone had learnt, to the bit: its profile is not computed again."""
        self.start = start
        self.origin = math.floor(start) - _ORIGIN_HOURS
        self.counts, self.profile, self.counted_at_refresh = counts, profile, counted_at_refresh
        self._cells = np.empty(0, dtype=np.int64)
        self._elapsed = np.zeros(1)

    # Learning the profile.

    def count(self, hours: Floats) -> None:
        """Count messages by the hour of the week they were sent in."""
        if hours.size:
            hour = np.floor(np.minimum(hours - self.origin, FURTHEST_HOURS)).astype(np.int64)
            self._reach(max(int(hour.max()), 0))
            cells = np.where(hour >= 0, self._cells[np.maximum(hour, 0)], (self._cells[0] + hour) % 168)
            self.counts += np.bincount(cells, minlength=168)

    def forget(self, hours: int) -> bool:
        """Let the counts fade by so many hours; says whether the profile was taken anew because they have moved."""
        self.counts *= PROFILE_KEPT_PER_DAY ** (hours / 24)
        has_moved = abs(float(self.counts.sum()) - self.counted_at_refresh) > PROFILE_MOVED * self.counted_at_refresh
        if has_moved:
            self.refresh()
        return has_moved

    def refresh(self) -> None:
        """Take the profile from the counts: single hours, smoothed towards weekday × hour of day."""
        week = (self.counts + PROFILE_PRIOR / 168).reshape(7, 24)
        smooth = np.outer(week.sum(axis=1), week.sum(axis=0)).ravel() / week.sum() ** 2
        mixed = self.counts + PROFILE_SMOOTHING * smooth
        profile = np.maximum(mixed * (168 / mixed.sum()), PROFILE_FLOOR)
        self.profile = profile * (168 / profile.sum())
        self._elapsed = np.concatenate(([0.0], np.cumsum(self.profile[self._cells])))
        self.counted_at_refresh = float(self.counts.sum())

    # Telling the time.

    def at(self, hours: float) -> float:
        """Operating hours at one moment (hours since 1970)."""
        past = min(hours - self.origin, FURTHEST_HOURS)
        if past < 0:
            return past
        hour = int(past)
        self._reach(hour)
        return float(self._elapsed[hour] + (past - hour) * self.profile[self._cells[hour]])

    def at_many(self, hours: Floats) -> Floats:
        """Operating hours at many moments."""
        past = np.minimum(hours - self.origin, FURTHEST_HOURS)
        if past.size == 0:
            return past
        inside = np.maximum(past, 0.0)
        hour = inside.astype(np.int64)
        self._reach(int(hour.max()))
        elapsed = self._elapsed[hour] + (inside - hour) * self.profile[self._cells[hour]]
        return np.where(past < 0, past, elapsed)

    def hour_of_week(self, hours: float) -> int:
        """Local hour of the week, 0 = Monday 00:00; before the tables by the offset at their beginning."""
        hour = math.floor(min(hours - self.origin, FURTHEST_HOURS))
        self._reach(max(hour, 0))
        return int(self._cells[hour]) if hour >= 0 else int((self._cells[0] + hour) % 168)

    def _reach(self, hour: int) -> None:
        missing = hour + 1 - len(self._cells)
        if missing <= 0:
            return
        first = self.origin + len(self._cells)
        local = [
            dt.datetime.fromtimestamp((first + step) * 3600 + 1800, tz=dt.UTC).astimezone(self.zone)
            for step in range(missing)
        ]
        cells = np.array([moment.weekday() * 24 + moment.hour for moment in local], dtype=np.int64)
        # One running sum, continued: the same floats whether the table grew hour by hour or was built at once.
        grown = np.cumsum(np.concatenate((self._elapsed[-1:], self.profile[cells])))
        self._cells = np.concatenate((self._cells, cells))
        self._elapsed = np.concatenate((self._elapsed, grown[1:]))
