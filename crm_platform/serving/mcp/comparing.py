"""Figures over two periods, and what may be said of the second against the first.

What belongs here: the answer of this tool. What does not: a value over one period (figures.py), the verdict
(receipts/claims.py).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from crm_platform.receipts import claims
from crm_platform.serving.mcp.asking import AskedFigure, words
from crm_platform.serving.mcp.figures import over
from crm_platform.serving.mcp.gives import Compared, Comparison, Counted, DroppedDay, Judged, PeriodValue
from crm_platform.serving.mcp.takes import MOST_LISTED
from crm_platform.verdicts import Claim, on_one_page

if TYPE_CHECKING:
    from crm_platform.serving.mcp.source import Source
    from crm_platform.serving.mcp.takes import ComparePeriods

_NO_CLAIM: Final = (
    "nothing says how far chance moves it: what stands at one instant, a percentile, a mean, or people who are counted"
    " once over several days"
)


def compare_periods(source: Source, takes: ComparePeriods) -> Comparison:
    """Figures over two periods: values, dates, and a verdict each, by Holm's rule over all of the answer."""
    first, second = (takes.first_from, takes.first_to), (takes.second_from, takes.second_to)
    asked = [AskedFigure.of(source, name) for name in dict.fromkeys((takes.figure, *takes.also))]
    values = [(over(one, *first), over(one, *second)) for one in asked]
    base, current = _dates(*first), _dates(*second)
    days = claims.known_days(asked[0].reader, base, current)
    filters = source.narrowing.filters
    found = [
        claims.over_days(one.reader, one.table, one.column, current=current, base=base, days=days, filters=filters)
        for one in asked
    ]
    judged = iter(on_one_page([claim for claim in found if claim is not None]))
    answers = [
        _compared(one, *both, None if claim is None else next(judged))
        for one, both, claim in zip(asked, values, found, strict=True)
    ]
    return Comparison(**source.about(), **answers[0].model_dump(), also=answers[1:])


def _dates(first: dt.date, after: dt.date) -> claims.Dates:
    return first, after - dt.timedelta(days=1)


def _compared(asked: AskedFigure, first: PeriodValue, second: PeriodValue, claim: Claim | None) -> Compared:
    one, other = first.value, second.value
    are_numbers = isinstance(one, int | float) and isinstance(other, int | float)
    return Compared(
        figure=words(asked.table, asked.column),
        first=first,
        second=second,
        difference=other - one if are_numbers else None,  # type: ignore[operator]
        claim=None if claim is None else _judged(claim),
        claim_missing=_NO_CLAIM if claim is None else "",
    )


def _judged(claim: Claim) -> Judged:
    ranges = claim.ranges
    return Judged(
        verdict=claim.verdict,
        measure=claim.measure,
        change=claim.change,
        low=claim.low,
        high=claim.high,
        p_value=claim.p_value,
        first=Counted(value=claim.base, n=claim.n_base, days=len(ranges.base.kept)),
        second=Counted(value=claim.current, n=claim.n_current, days=len(ranges.current.kept)),
        dropped=[DroppedDay(**asdict(one)) for one in ranges.dropped[:MOST_LISTED]],
        dropped_total=len(ranges.dropped),
    )
