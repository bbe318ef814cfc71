"""What a page may say of a figure against the range it is held against, asked once a snapshot.

What belongs here: which ranges a page compares, and the best time to send. What does not: which rows stand behind a
figure (receipts/claims.py), how chance is reckoned with (the package verdicts), the sentences (tiles.py, view.py).
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence

from crm_platform import verdicts
from crm_platform.receipts import claims
from crm_platform.receipts.keys import find_kpi
from crm_platform.serving.pages.period import Period
from crm_platform.serving.pages.published import PublishedFigures, Row
from crm_platform.verdicts import Claim


def over_days(published: PublishedFigures, table: str, column: str, period: Period) -> Claim | None:
    """Judge a figure of a daily table over a range against the equal range before.

    None where its kind cannot be judged: a stock, a percentile, a figure that no rows are declared of.
    """
    found: Claim | None = published.remembered(
        ("claim", table, column, *_spans(period)), lambda: _judged(published, table, column, period)
    )
    return found


def _judged(published: PublishedFigures, table: str, column: str, period: Period) -> Claim | None:
    if published.asked is None:
        return None
    current, base = _spans(period)
    days = known_days(published, period)
    return claims.over_days(
        published.asked,
        find_kpi(table),
        column,
        current=current,
        base=base,
        days=days,
        filters=published.narrowing.filters,
    )


def known_days(published: PublishedFigures, period: Period) -> list[verdicts.Day]:
    """What is known of the days of a range and of the one before; a day that is not over is not known."""
    asked, spans = published.asked, _spans(period)
    if asked is None:
        return []
    found: list[verdicts.Day] = published.remembered(("known days", *spans), lambda: claims.known_days(asked, *spans))
    return found


def _spans(period: Period) -> tuple[claims.Dates, claims.Dates]:
    """The range and the one before."""
    before = period.previous()
    return (period.start, period.end), (before.start, before.end)


def of_campaigns(period: Period, part: str, whole: str, *, current: Sequence[Row], base: Sequence[Row]) -> Claim:
    """Judge a rate of the campaigns of a range against that of the ones before. All are settled and consistent."""
    return claims.of_campaigns(part, whole, *_spans(period), sides=(current, base))


def best_time(published: PublishedFigures) -> verdicts.Best:
    """The weekday and hour, such as `1 9`, at which campaigns are read most, if one may be named."""
    enough = {(row["weekday"], row["hour"]): row["enough_data"] for row in published.rows("send_time_performance")}
    cells: defaultdict[tuple[int, int], list[Row]] = defaultdict(list)
    for row in published.rows("campaign_performance"):
        if row["campaign_id"] in published.judged_campaigns and row["read"] is not None and row["delivered"]:
            sent = row["sent_at"].replace(tzinfo=dt.UTC).astimezone(published.zone)
            cells[sent.weekday(), sent.hour].append(row)
    candidates = {
        f"{weekday} {hour}": verdicts.Candidate(
            rows=claims.by_campaign(rows, "read", "delivered"), has_enough=enough[weekday, hour]
        )
        for (weekday, hour), rows in cells.items()
    }
    found: verdicts.Best = published.remembered(
        "best time", lambda: verdicts.best("send_time", candidates, good="up", how="rate")
    )
    return found
