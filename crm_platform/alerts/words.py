"""Figures in the words of a message: shares, counts, days.

What belongs here: how a value is written for people. What does not: where it comes from, and what is said of it.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING

from crm_platform.durations import duration

if TYPE_CHECKING:
    from crm_platform.schemas import Column


def figure(column: Column, value: float | None) -> str:
    """Write a figure with its unit: `4 min 12 s`, `89.5 %`, `1,234`; `–` where there is none."""
    if value is None:
        return "–"
    if column.unit == "s":
        return duration(value)
    if column.is_share:
        return f"{100 * value:.1f} %"
    return f"{round(value):,}"


def compared(column: Column, value: float, before: float, *, than: str) -> str:
    """Write how a figure stands to an earlier one: `38 s faster than …`, `2.0 points less than …`, `23 more than …`."""
    difference = value - before
    if column.is_share:
        words, more, less = f"{abs(100 * difference):.1f} points", "more", "less"
        is_same = words.startswith("0.0 ")
    else:
        words = figure(column, abs(difference))
        more, less = ("slower", "faster") if column.unit == "s" else ("more", "fewer")
        is_same = round(difference) == 0
    return f"the same as {than}" if is_same else f"{words} {more if difference > 0 else less} than {than}"


def share_seen(coverage: float | None) -> str:
    """Write a coverage, rounded down: what is not whole must not read 100 %."""
    return "not known" if coverage is None else f"{math.floor(1000 * coverage) / 10:g} %"


def day_of(day: dt.date) -> str:
    """Write a day: `Fri 20 Nov 2026`."""
    return f"{day:%a} {day.day} {day:%b %Y}"
