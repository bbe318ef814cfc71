"""Campaigns held against each other: bars with intervals, and whether a lead may be chance.

What belongs here: the charts, the verdict, its arithmetic. What does not: choosing campaigns (ranking.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from crm_platform.languages import N_, NP_
from crm_platform.serving.pages.bars import Bar, BarChart
from crm_platform.serving.pages.campaign_tiles import RATES
from crm_platform.serving.pages.chart import Chart, ChartColumn
from crm_platform.serving.pages.published import Row
from crm_platform.serving.pages.ranking import campaign_name
from crm_platform.serving.pages.view import View

# What the best of a comparison is called by a rate.
_VERDICTS: Final = {
    # Translators: as in: Spring sale is read more often than Easter
    "read_per_delivered": NP_("comparison", "read"),
    "reply_per_delivered": NP_("comparison", "answered"),
}


_CLEAR: Final = N_(
    "{name} is {what} more often than {other}: {change} more, with 95 % certainty between {low} and {high}."
)


_UNCLEAR: Final = N_(
    "{name} is {what} most, but the lead over {other} may be chance: {change} more, with 95 % certainty "
    "between {low} and {high}."
)


def comparison(view: View, rows: Sequence[Row]) -> list[Chart]:
    """A chart of each rate; none of fewer than two campaigns."""
    if len(rows) < 2:
        return []
    drawn, is_rising = [], not all(row["is_settled"] for row in rows)
    for rate, tile in RATES.items():
        ordered = sorted(rows, key=lambda row: (row[rate] is None, -(row[rate] or 0)))
        title = view.title(tile)
        bars = [
            Bar(
                campaign_name(row),
                row[rate],
                view.value("rate", row[rate]),
                row[f"{rate}_low"],
                row[f"{rate}_high"],
                look="first" if row["is_settled"] else "third",
            )
            for row in ordered
        ]
        drawn.append(
            Chart(
                name=f"compare_{tile.name}",
                title=title,
                subtitle=view._("Share with its 95 % interval"),
                keys=(("first", view._("settled")), ("third", view._("not settled"))) if is_rising else (),
                table="kpi.campaign_performance",
                key=("campaign_id",),
                columns=(
                    ChartColumn("name", view._("Name"), "text"),
                    ChartColumn(rate, title, "rate"),
                    ChartColumn(f"{rate}_low", view._("At least"), "rate"),
                    ChartColumn(f"{rate}_high", view._("At most"), "rate"),
                ),
                rows=ordered,
                drawing=BarChart(bars=bars, top=1.0, column=rate),
                span=4,
            )
        )
    return drawn


def verdict(view: View, rows: Sequence[Row]) -> str:
    """Say whether the best of those compared is clearly ahead of the next, by each rate.

    A report that contradicts itself and a campaign that is not settled are shown, and neither win nor lose.
    """
    settled = [row for row in rows if row["is_settled"]]
    told = [_verdict(view, settled, rate) for rate in _VERDICTS]
    rising = len(rows) - len(settled)
    if rising:
        told.append(
            view.ngettext(
                "1 of them is not settled: it is shown, and not judged.",
                "{n} of them are not settled: they are shown, and not judged.",
                rising,
            )
        )
    return " ".join(filter(None, told))


def _verdict(view: View, rows: Sequence[Row], rate: str) -> str:
    told = [row for row in rows if row["is_consistent"] is not False and row[f"{rate}_low"] is not None]
    known = sorted(told, key=lambda row: -row[rate])
    if len(known) < 2:
        return ""
    best, following = known[0], known[1]
    change = best[rate] - following[rate]
    if change == 0:
        return ""
    low, high = difference(best, following, rate)
    places = {name: view.value("points", amount) for name, amount in (("change", change), ("low", low), ("high", high))}
    words = _CLEAR if low > 0 else _UNCLEAR
    return view._(
        words, what=view._(_VERDICTS[rate]), name=campaign_name(best), other=campaign_name(following), **places
    )


def difference(one: Row, other: Row, rate: str) -> tuple[float, float]:
    """95 % interval of the difference of two rates from their Wilson intervals (Newcombe 1998, method 10)."""
    change = one[rate] - other[rate]
    down = math.hypot(one[rate] - one[f"{rate}_low"], other[f"{rate}_high"] - other[rate])
    up = math.hypot(one[f"{rate}_high"] - one[rate], other[rate] - other[f"{rate}_low"])
    return change - down, change + up
