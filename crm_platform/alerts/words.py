"""Figures in the words of a message: shares, counts, days.

What belongs here: how a value is written for people. What does not: where it comes from, and what is said of it.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING

from crm_platform.languages import N_

if TYPE_CHECKING:
    from crm_platform.languages import Language
    from crm_platform.schemas import Column


def figure(language: Language, column: Column, value: float | None) -> str:
    """Write a figure with its unit: `4 min 12 s`, `89.5 %`, `1,234`; `–` where there is none."""
    if value is None:
        return "–"
    if column.unit == "s":
        return language.duration(value)
    if column.is_share:
        return f"{language.number(100 * value, '.1f')} %"
    return language.number(round(value))


def compared(language: Language, column: Column, value: float, before: float, *, than: str) -> str:
    """Write how a figure stands to an earlier one: `38 s faster than …`, `2.0 points less than …`, `23 more than …`.

    `than`: what it is compared with, in the language: `in the 7 days before`.
    """
    difference = value - before
    if column.is_share:
        change = language.number(abs(100 * difference), ".1f")
        is_same = f"{abs(100 * difference):.1f}" == "0.0"
        more, less = N_("{change} points more than {than}"), N_("{change} points less than {than}")
    else:
        change, is_same = figure(language, column, abs(difference)), round(difference) == 0
        more, less = N_("{change} more than {than}"), N_("{change} fewer than {than}")
        if column.unit == "s":
            more, less = N_("{change} slower than {than}"), N_("{change} faster than {than}")
    if is_same:
        return language.gettext("the same as {than}", than=than)
    return language.gettext(more if difference > 0 else less, change=change, than=than)


def share_seen(language: Language, coverage: float | None) -> str:
    """Write a coverage, rounded down: what is not whole must not read 100 %."""
    if coverage is None:
        return language.gettext("not known")
    return f"{language.number(math.floor(1000 * coverage) / 10, 'g')} %"


def day_of(language: Language, day: dt.date) -> str:
    """Write a day: `Fri 20 Nov 2026`."""
    return f"{language.weekday(day.weekday())} {language.day(day)}"
