"""Days, office hours and small statistics, written out by hand.

What belongs here: arithmetic that several chapters of the definitions share. What does not: anything that knows a
message, a contact or a campaign.

Two aware datetimes of one zone subtract by wall clock in Python, so every instant here is in UTC; a zone is used only
to name the local day of an instant and to find the instant of a local time. A local time that exists twice is taken at
its first pass; one that a clock change skips is the instant of the change.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from crm_platform.settings import OpenHours

ONE_DAY = dt.timedelta(days=1)
WILSON_Z = 1.959963984540054  # two-sided 95 % of the normal distribution


@dataclass(frozen=True, slots=True)
class Window:
    """The instants in [start, end)."""

    start: dt.datetime
    end: dt.datetime

    def __contains__(self, instant: dt.datetime | None) -> bool:
        return instant is not None and self.start <= instant < self.end


def instant_of(day: dt.date, minute: int, zone: ZoneInfo) -> dt.datetime:
    """When `minute` minutes past midnight are on the clock of that local day; 1440 is the next midnight."""
    wall_clock = dt.datetime.combine(day, dt.time()) + dt.timedelta(minutes=minute)
    at = min(wall_clock.replace(tzinfo=zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1))
    while at.astimezone(zone).replace(tzinfo=None) < wall_clock:
        at += dt.timedelta(minutes=1)  # it is skipped: go on to the change
    return at


def midnight(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    """When a local day begins."""
    return instant_of(day, 0, zone)


def day_of(instant: dt.datetime, zone: ZoneInfo) -> dt.date:
    """The local day of an instant."""
    return instant.astimezone(zone).date()


def month_of(day: dt.date) -> dt.date:
    """The first of the day's month."""
    return day.replace(day=1)


def month_before(month: dt.date) -> dt.date:
    """The first of the month before."""
    return month_of(month - ONE_DAY)


def days_from(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    """Every day from `first` to `last`, both included."""
    for offset in range((last - first).days + 1):
        yield first + offset * ONE_DAY


def complete_days(as_of: dt.datetime, days: int, zone: ZoneInfo, *, ago: int = 0) -> Window:
    """The `days` complete local days before the cut's day, moved back by `ago` days."""
    end = day_of(as_of, zone) - ago * ONE_DAY
    return Window(midnight(end - days * ONE_DAY, zone), midnight(end, zone))


def office_seconds(
    window: Window, *, hours: Iterable[OpenHours], holidays: Collection[dt.date], zone: ZoneInfo
) -> float:
    """Seconds of the window that lie inside business hours on days that are no holidays."""
    total = 0.0
    for day in days_from(day_of(window.start, zone), day_of(window.end, zone)):
        if day in holidays:
            continue
        for stretch in hours:
            if stretch.weekday == day.weekday():
                opens = max(window.start, instant_of(day, stretch.start_minute, zone))
                closes = min(window.end, instant_of(day, stretch.end_minute, zone))
                total += max(0.0, (closes - opens).total_seconds())
    return total


def rate(part: float | None, whole: float | None) -> float | None:
    """`part / whole`; None when either is unknown or the whole is zero."""
    return None if part is None or not whole else part / whole


def mean(values: Sequence[float]) -> float | None:
    """The arithmetic mean; None of nothing."""
    return math.fsum(values) / len(values) if values else None


def quantile(values: Iterable[float], share: float) -> float | None:
    """The value at `share` of the way through the sorted values, between two neighbours on a straight line."""
    ranked = sorted(values)
    if not ranked:
        return None
    place = share * (len(ranked) - 1)
    below = math.floor(place)
    above = math.ceil(place)
    return ranked[below] + (ranked[above] - ranked[below]) * (place - below)


def median(values: Iterable[float]) -> float | None:
    """The middle value, or the middle of the two; None of nothing."""
    return quantile(values, 0.5)


def censored_median(events: Sequence[float], censored: Sequence[float], never: int) -> float | None:
    """Kaplan-Meier: the first event time at which at most half are still unanswered; None when it is not reached.

    `events`: times to an answer; `censored`: how long the others were watched without one; `never`: how many will not
    be answered at all, and stay at risk for ever. Who is censored at a time is still at risk for the events at it.
    """
    surviving = 1.0
    for time in sorted(set(events)):
        at_risk = sum(t >= time for t in events) + sum(t >= time for t in censored) + never
        surviving *= 1 - events.count(time) / at_risk
        if surviving <= 0.5 + 1e-12:
            return time
    return None


def wilson(successes: float | None, trials: float | None) -> tuple[float | None, float | None]:
    """Lower and upper bound of Wilson's 95 % interval, clipped to [0, 1]; None for numbers that are no proportion."""
    if successes is None or trials is None or trials <= 0 or not 0 <= successes <= trials:
        return None, None
    z2 = WILSON_Z**2
    share = successes / trials
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    reach = WILSON_Z / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    return max(0.0, centre - reach), min(1.0, centre + reach)


def shrunk(cells: Sequence[tuple[int, int]]) -> list[float | None]:
    """Rates of (successes, trials) cells, each drawn towards the pooled rate by how little the cells really differ."""
    known = [(x, n) for x, n in cells if n > 0]
    trials = sum(n for _, n in known)
    if trials == 0:
        return [None] * len(cells)
    pooled = sum(x for x, _ in known) / trials
    degrees = len(known) - 1
    spread = math.fsum(n * (x / n - pooled) ** 2 for x, n in known) - degrees * pooled * (1 - pooled)
    scale = trials - sum(n * n for _, n in known) / trials - degrees
    if degrees == 0 or scale <= 0 or spread / scale <= 0:
        return [pooled] * len(cells)
    weight = pooled * (1 - pooled) / (spread / scale) - 1
    if weight <= 0:
        return [x / n if n > 0 else pooled for x, n in cells]
    return [(x + weight * pooled) / (n + weight) for x, n in cells]
