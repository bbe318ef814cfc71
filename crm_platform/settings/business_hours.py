"""Business hours as a setting writes them: `Mon-Fri 08:00-17:00, Sat 09:00-12:00`.

What belongs here: reading that text. What does not: counting open time, which a build does in SQL (core/).
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

from crm_platform.errors import quoted

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class OpenHours:
    """A stretch of business hours: `weekday` 0 = Monday, minutes since local midnight, end excluded."""

    weekday: int
    start_minute: int
    end_minute: int


def parse_business_hours(text: str) -> tuple[OpenHours, ...] | None:
    """Read `Mon-Fri 08:00-17:00, Sat 09:00-12:00 13:00-15:00`; `none` gives None (no business hours are kept).

    Raises ValueError, with what to write instead, on anything else and on stretches that overlap.
    """
    if text.strip().lower() == "none":
        return None
    hours: list[OpenHours] = []
    for part in filter(None, (piece.strip() for piece in re.split(r"[,;]", text))):
        days, *stretches = part.split()
        first, dash, last = days.partition("-")
        try:
            start, end = DAYS.index(first.capitalize()), DAYS.index((last if dash else first).capitalize())
        except ValueError:
            raise ValueError(
                f"{quoted(days)} is not a weekday or a range of weekdays; write for example Mon-Fri 08:00-17:00"
            ) from None
        if not stretches:
            raise ValueError(f"{quoted(part)} names no hours; write for example {days} 08:00-17:00")
        for offset in range((end - start) % 7 + 1):
            for stretch in stretches:
                opens, _, closes = stretch.partition("-")
                open_hours = OpenHours((start + offset) % 7, _minutes(opens), _minutes(closes))
                if open_hours.end_minute <= open_hours.start_minute:
                    raise ValueError(f"{quoted(stretch)} ends before it starts; split it at midnight")
                hours.append(open_hours)
    if not hours:
        raise ValueError("it names no hours; write for example Mon-Fri 08:00-17:00, or none")
    hours.sort(key=lambda one: (one.weekday, one.start_minute))
    for one, following in itertools.pairwise(hours):
        if one.weekday == following.weekday and one.end_minute > following.start_minute:
            raise ValueError(f"business hours overlap on {DAYS[one.weekday]}")
    return tuple(hours)


def _minutes(clock: str) -> int:
    match = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})", clock)
    if not match or int(match[2]) > 59 or int(match[1]) * 60 + int(match[2]) > 24 * 60:
        raise ValueError(f"{quoted(clock)} is not a time of day; write HH:MM, 24:00 at the latest")
    return int(match[1]) * 60 + int(match[2])
