"""How the pages write a number, a duration, a share or a date for people.

What belongs here: which form a kind of value has, and nothing about where it comes from. What does not: how a language
writes it (languages.py), words and sentences. A value that is not known is written `–`; saying why is up to who shows
it.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Final, Literal

from crm_platform.languages import Language

Kind = Literal["count", "rate", "seconds", "growth", "gap", "points"]

NONE: Final = "–"
_SPACE: Final = "\u00a0"  # keeps a number and its unit on one line


def day(language: Language, date: dt.date, *, year: bool = False) -> str:
    """Write a day: `22 Nov`, with the year `22 Nov 2026`."""
    return language.day(date, year=year).replace(" ", _SPACE)


def month(language: Language, date: dt.date, *, year: bool = True) -> str:
    """Write a month: `Nov 2026`, without the year `Nov`."""
    return language.month(date, year=year).replace(" ", _SPACE)


def count(language: Language, value: float) -> str:
    """Write a whole number: `1,234`."""
    return language.number(value, ",.0f").replace("-", "\u2212")


def short_count(language: Language, value: float) -> str:
    """Write a number for a small place: `850`, `12.3 k`, `1.2 M`."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 10 or (abs(value) >= size > 1e3):
            part = value / size
            whole = f"{part:.1f}".endswith(".0")
            return language.number(part, ".0f" if whole else ".1f") + _SPACE + unit
    return language.number(value, ",.0f" if value == int(value) else ",.1f")


def percent(language: Language, value: float) -> str:
    """Write a share of 1: `89.5 %`."""
    return f"{language.number(value * 100, '.1f')}{_SPACE}%".replace("-", "\u2212")


def axis_percent(value: float) -> str:
    """Write a share of 1 beside an axis: `75 %`."""
    return f"{value * 100:.0f}{_SPACE}%"


def seen(language: Language, value: float) -> str:
    """Write a coverage: rounded down, so that 100 % means all."""
    return percent(language, math.floor(value * 1000 + 1e-9) / 1000)


def points(language: Language, value: float) -> str:
    """Write a difference of two shares, without its sign: `1.9 pp`."""
    return f"{language.number(abs(value) * 100, '.1f')}{_SPACE}pp"


def duration(language: Language, seconds: float) -> str:
    """Write seconds, without a sign: `42 s`, `4 min 12 s`, `1 h 05 min`, `2 d 4 h`."""
    return language.duration(abs(seconds)).replace(" ", _SPACE)


def value(language: Language, kind: Kind, amount: float | None) -> str:
    """Write a value of a kind; `–` when there is none."""
    if amount is None:
        return NONE
    if kind in {"rate", "growth"}:
        sign = "+" if kind == "growth" and amount > 0 else ""
        return sign + percent(language, amount)
    if kind == "gap":
        return f"{language.number(amount, '.2f')}{_SPACE}pp"
    if kind == "points":
        return f"{language.number(amount * 100, '.1f')}{_SPACE}pp".replace("-", "\u2212")
    return duration(language, amount) if kind == "seconds" else count(language, amount)


def difference(language: Language, kind: Kind, now: float, before: float) -> str:
    """Write a change without its sign: a share's in points, a duration's in time, a count's in per cent of before."""
    if kind in {"rate", "growth", "gap"}:
        # Of what is written: who subtracts on sight gets the same.
        return points(language, round(now, 3) - round(before, 3))
    if kind == "seconds":
        return duration(language, now - before)
    return count(language, abs(now - before)) if before == 0 else percent(language, abs(now - before) / before)
