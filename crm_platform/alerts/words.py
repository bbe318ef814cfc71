"""Figures in the words of a message: shares, counts, days, and a verdict.

What belongs here: how a value, and a claim, is written for people. What does not: where it comes from (receipts/).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from crm_platform.languages import N_
from crm_platform.verdicts import Verdict, is_told_as_numbers

if TYPE_CHECKING:
    from crm_platform.languages import Language
    from crm_platform.schemas import Column
    from crm_platform.verdicts import Claim

_VERDICTS: Final[Mapping[Verdict, str]] = {
    "better": N_("better"),
    "worse": N_("worse"),
    "about_the_same": N_("about the same"),
    "too_few": N_("too few to say whether it changed"),
}


def figure(language: Language, column: Column, value: float | None) -> str:
    """Write a figure with its unit: `4 min 12 s`, `89.5 %`, `1,234`; `–` where there is none."""
    if value is None:
        return "–"
    if column.unit == "s":
        return language.duration(value)
    if column.is_share:
        return f"{language.number(100 * value, '.1f')} %"
    return language.number(round(value))


def judged(language: Language, column: Column, value: float | None, claim: Claim | None, *, parts: bool = False) -> str:
    """Write a figure, and what may be said of its change: `4 min 12 s over 812, was 4 min 50 s over 790: better …`.

    `value`: over all days of the range; where some of them are not compared, both sides are told beside it. `parts`: a
    share of few is told as `2 of 3`.
    """
    whole = figure(language, column, value)
    if claim is None:
        return whole
    if claim.verdict == "not_judged":
        return f"{whole}; " + language.gettext("not compared: too many of the days are not known")
    if claim.current is None or claim.base is None:
        return f"{whole}; " + language.gettext("nothing to compare with yet")
    now, before = _sides(language, column, claim, parts=parts)
    if claim.ranges.dropped:
        told = f"{whole}; " + language.gettext(
            "on the days that are compared: {now}, was {before}", now=now, before=before
        )
    else:
        told = language.gettext("{now}, was {before}", now=now, before=before)
    is_numbers = claim.measure == "ratio" and is_told_as_numbers(claim.n_current, claim.n_base)
    if claim.verdict in _VERDICTS and not is_numbers:
        told += f": {language.gettext(_VERDICTS[claim.verdict])}"
    if claim.verdict in {"better", "worse"} and claim.measure == "difference":
        ends = [_change(language, column, end) for end in (claim.low, claim.high) if end is not None]
        told += "; " + language.gettext(
            "the true change lies between {low} and {high} (95 %)", low=ends[0], high=ends[1]
        )
    return told


def _sides(language: Language, column: Column, claim: Claim, *, parts: bool) -> list[str]:
    """Both sides, each with its n; of a count n is the figure itself."""
    sides = ((claim.current, claim.n_current), (claim.base, claim.n_base))
    if claim.measure == "ratio":
        return [language.number(n) for _, n in sides]
    if parts and is_told_as_numbers(claim.n_current, claim.n_base):
        # Translators: {part} of {n} conversations
        return [
            language.gettext("{part} of {n}", part=language.number(round((value or 0) * n)), n=language.number(n))
            for value, n in sides
        ]
    return [
        # Translators: a figure, and how many it is made of: 4 min 12 s over 812
        language.gettext("{value} over {n}", value=figure(language, column, value), n=language.number(n))
        for value, n in sides
    ]


def _change(language: Language, column: Column, change: float) -> str:
    """Write one end of an interval with its sign: `+38 s`, `−2.0 pp`."""
    sign = "+" if change > 0 else "\u2212" if change < 0 else ""
    if column.is_share:
        return f"{sign}{language.number(abs(100 * change), '.1f')} pp"
    return sign + figure(language, column, abs(change))


def share_seen(language: Language, coverage: float | None) -> str:
    """Write a coverage, rounded down: what is not whole must not read 100 %."""
    if coverage is None:
        return language.gettext("not known")
    return f"{language.number(math.floor(1000 * coverage) / 10, 'g')} %"


def day_of(language: Language, day: dt.date) -> str:
    """Write a day: `Fri 20 Nov 2026`."""
    return f"{language.weekday(day.weekday())} {language.day(day)}"
