"""How a number, a duration, a share or a date is written for people, in each language.

What belongs here: formats, and nothing about where a value comes from. What does not: words and sentences (words.py).
A value that is not known is written `–`; saying why is up to who shows it.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Final, Literal

from babel import Locale

from crm_platform import durations

Language = Literal["en", "sw"]
Kind = Literal["count", "rate", "seconds", "growth", "gap", "points"]

NONE: Final = "–"
_SPACE: Final = "\u00a0"  # keeps a number and its unit on one line

_MONTHS: Final[dict[Language, tuple[str, ...]]] = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "sw": ("Jan", "Feb", "Mac", "Apr", "Mei", "Jun", "Jul", "Ago", "Sep", "Okt", "Nov", "Des"),
}
_WEEKDAYS: Final[dict[Language, tuple[str, ...]]] = {
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    "sw": ("Jtt", "Jnn", "Jtn", "Alh", "Iju", "Jmo", "Jpl"),
}
# Largest first: the unit, its seconds, how it is written. Swahili says the unit before the number.
_UNITS: Final[dict[Language, durations.Units]] = {
    "en": durations.ENGLISH,
    "sw": ((86_400, "siku {}"), (3600, "saa {}"), (60, "dk {}"), (1, "sek {}")),
}


_EVERY_WEEKDAY: Final[dict[Language, tuple[str, ...]]] = {
    "en": ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays"),
    "sw": ("Jumatatu", "Jumanne", "Jumatano", "Alhamisi", "Ijumaa", "Jumamosi", "Jumapili"),
}


def weekday(language: Language, number: int) -> str:
    """Short name of a weekday, 0 = Monday."""
    return _WEEKDAYS[language][number]


def region(language: Language, code: str) -> str:
    """Name of a country by its ISO code: `Kenya`; the code itself where there is none."""
    return str(Locale(language).territories.get(code, code))


def weekdays(language: Language, number: int) -> str:
    """Name of a weekday as it comes every week, 0 = Monday: `Saturdays`."""
    return _EVERY_WEEKDAY[language][number]


def day(language: Language, date: dt.date, *, year: bool = False) -> str:
    """Write a day: `22 Nov`, with the year `22 Nov 2026`."""
    words = f"{date.day} {_MONTHS[language][date.month - 1]}"
    return (f"{words} {date.year}" if year else words).replace(" ", _SPACE)


def month(language: Language, date: dt.date, *, year: bool = True) -> str:
    """Write a month: `Nov 2026`, without the year `Nov`."""
    name = _MONTHS[language][date.month - 1]
    return f"{name}{_SPACE}{date.year}" if year else name


def count(value: float) -> str:
    """Write a whole number: `1,234`."""
    return f"{value:,.0f}".replace("-", "\u2212")


def short_count(value: float) -> str:
    """Write a number for a small place: `850`, `12.3 k`, `1.2 M`."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 10 or (abs(value) >= size > 1e3):
            return f"{value / size:.1f}".removesuffix(".0") + _SPACE + unit
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def percent(value: float) -> str:
    """Write a share of 1: `89.5 %`."""
    return f"{value * 100:.1f}{_SPACE}%".replace("-", "\u2212")


def axis_percent(value: float) -> str:
    """Write a share of 1 beside an axis: `75 %`."""
    return f"{value * 100:.0f}{_SPACE}%"


def seen(value: float) -> str:
    """Write a coverage: rounded down, so that 100 % means all."""
    return percent(math.floor(value * 1000 + 1e-9) / 1000)


def points(value: float) -> str:
    """Write a difference of two shares, without its sign: `1.9 pp`."""
    return f"{abs(value) * 100:.1f}{_SPACE}pp"


def duration(language: Language, seconds: float) -> str:
    """Write seconds, without a sign: `42 s`, `4 min 12 s`, `1 h 05 min`, `2 d 4 h`."""
    return durations.duration(abs(seconds), _UNITS[language]).replace(" ", _SPACE)


def value(language: Language, kind: Kind, amount: float | None) -> str:
    """Write a value of a kind; `–` when there is none."""
    if amount is None:
        return NONE
    if kind in {"rate", "growth"}:
        sign = "+" if kind == "growth" and amount > 0 else ""
        return sign + percent(amount)
    if kind == "gap":
        return f"{amount:.2f}{_SPACE}pp"
    if kind == "points":
        return f"{amount * 100:.1f}{_SPACE}pp".replace("-", "\u2212")
    return duration(language, amount) if kind == "seconds" else count(amount)


def difference(language: Language, kind: Kind, now: float, before: float) -> str:
    """Write a change without its sign: a share's in points, a duration's in time, a count's in per cent of before."""
    if kind in {"rate", "growth", "gap"}:
        return points(round(now, 3) - round(before, 3))  # of what is written: who subtracts on sight gets the same
    if kind == "seconds":
        return duration(language, now - before)
    return count(abs(now - before)) if before == 0 else percent(abs(now - before) / before)
