"""The nightly scan: when it begins, so that it ends at 02:00 local.

What belongs here: the scan's beginning and end. What does not: which chats are left to it (choice.py), the full KPI
build that waits for it (defs/).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from crm_platform.ingest.planner.units import NEVER, hours_of

NIGHTLY_END_HOUR: Final = 2
"""Local: the full KPI build begins."""

SLACK: Final = 1.05
"""A scan is begun as if it took this much longer, and a minute more."""


@dataclass(slots=True)
class NightlyScan:
    """The newest scan, in hours since 1970."""

    started_at: float = NEVER
    ends_at: float = NEVER

    def begin_if_due(self, t: float, *, requests: int, per_minute: int | None, zone: ZoneInfo) -> None:
        """Begin the next scan when its `requests` just fit in before its end."""
        minutes = 1.0 if per_minute is None else requests / per_minute
        ends_at = _next_end(t, zone)
        if t >= ends_at - (minutes * SLACK + 1) / 60 and ends_at > self.ends_at:
            self.started_at, self.ends_at = t, ends_at

    def draw_back(self, t: float) -> None:
        """No scan was begun, and none ended, after t."""
        self.started_at = min(self.started_at, t)
        self.ends_at = min(self.ends_at, t)


def _next_end(t: float, zone: ZoneInfo) -> float:
    local = dt.datetime.fromtimestamp(t * 3600, tz=zone)
    end = dt.datetime.combine(local.date(), dt.time(NIGHTLY_END_HOUR), tzinfo=zone)
    if hours_of(end) <= t:
        end = dt.datetime.combine(local.date() + dt.timedelta(days=1), dt.time(NIGHTLY_END_HOUR), tzinfo=zone)
    return hours_of(end)
