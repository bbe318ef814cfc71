"""What a page may say of a figure against the range before: from the rows behind it to a verdict.

What belongs here: which rows are held against each other, and what is known of their days. What does not: how chance is
reckoned with (the package verdicts), the sentences (tiles.py, view.py).
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence

from crm_platform import verdicts
from crm_platform.receipts.behind import Lineage, SnapshotReader
from crm_platform.receipts.keys import find_kpi
from crm_platform.schemas.base import Type
from crm_platform.serving.pages.period import Period
from crm_platform.serving.pages.published import PublishedFigures, Row
from crm_platform.verdicts import Claim, Question

# First waits that are open, but of contacts that are gone: nobody answers these any more.
_OPEN = """
    select waits.day as day, count(*) as waits
    from core.response_waits as waits
    join core.contacts as contacts on contacts.chat_id = waits.chat_id
    where waits.is_first and waits.state = 'open' and not waits.is_left_truncated and contacts.is_present
    group by waits.day
"""


def over_days(published: PublishedFigures, table: str, column: str, period: Period) -> Claim | None:
    """Judge a figure of a daily table over a range against the equal range before.

    None where its kind cannot be judged: a stock, a percentile, a figure that no rows are declared of.
    """
    found: Claim | None = published.remembered(
        ("claim", table, column, *period.span, period.previous().start, period.today),
        lambda: _judged(published, table, column, period),
    )
    return found


def _judged(published: PublishedFigures, table: str, column: str, period: Period) -> Claim | None:
    asked = published.asked
    line = asked.lineage(find_kpi(table), column) if asked else None
    if asked is None or line is None or line.figure.rows.is_stock:
        return None
    declared, figure = find_kpi(table).columns[column], line.figure
    ranges = verdicts.like_with_like(
        period.start, period.end, known_days(published, period), base=period.previous().start
    )
    of = "".join(f" {dimension}={value}" for dimension, value in published.narrowing.pairs)
    question = Question(figure=f"{table}.{column}{of}", good=figure.good, ranges=ranges)
    before = period.previous()
    if declared.type is Type.INTEGER and declared.unit is None:
        counts = {row["day"]: row[column] for row in published.rows(table) if row[column] is not None}
        return verdicts.count(question, counts, counts)
    if figure.quantity or figure.part:
        how = verdicts.median if figure.quantity else verdicts.rate
        sides = [_rows(asked, line, one) for one in (period, before)]
        return how(question, sides[0], sides[1])
    return None


def _rows(asked: SnapshotReader, line: Lineage, period: Period) -> verdicts.Rows:
    """The rows behind a figure by chat: what a median is of, or whether a row is in the part of a rate."""
    figure = line.figure
    value = figure.quantity or f"case when {asked.expand(figure.part)} then 1 else 0 end"
    day = asked.expand(figure.rows.day or figure.rows.by["day"])
    behind = asked.over(line, *period.span)
    sql = behind.asking(f"select r.chat_id as cluster, {day} as day, {value} as value from behind as r")
    found = asked.query(sql, behind.parameters)
    known = found.filter(found["value"].is_valid())
    return verdicts.Rows(value=known["value"], cluster=known["cluster"], day=known["day"].to_pylist())


def known_days(published: PublishedFigures, period: Period) -> list[verdicts.Day]:
    """What is known of the days of a range and of the one before; a day that is not over is not known."""
    open_waits = {row["day"]: row["waits"] for row in published.ask("first waits that are open", _OPEN)}
    days = [*period.previous().days, *period.days]
    return [
        verdicts.Day(
            day=row["day"],
            coverage=row["coverage"],
            first_waits=row["first_waits"],
            open_first_waits=min(open_waits.get(row["day"], 0), row["first_waits"]),
        )
        for row in published.by_day("response_times_daily", days)
        if row and row["day"] < period.today
    ]


def of_campaigns(period: Period, part: str, whole: str, *, current: Sequence[Row], base: Sequence[Row]) -> Claim:
    """Judge a rate of the campaigns of a range against that of the ones before. All are settled and consistent."""
    question = Question(
        figure=f"campaigns.{part}_per_{whole}",
        good="up",
        ranges=verdicts.whole_ranges(period.start, period.end, base=period.previous().start),
    )
    return verdicts.rate(question, _paired(current, part, whole), _paired(base, part, whole))


def _paired(rows: Sequence[Row], part: str, whole: str) -> verdicts.Rows:
    """Campaigns whose report has both counts."""
    both: list[Mapping[str, object]] = [row for row in rows if row[part] is not None and row[whole]]
    columns = {name: [row[name] for row in both] for name in (part, whole, "campaign_id")}
    return verdicts.Rows(value=columns[part], of=columns[whole], cluster=columns["campaign_id"])


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
            rows=_paired(rows, "read", "delivered"), has_enough=enough[weekday, hour]
        )
        for (weekday, hour), rows in cells.items()
    }
    found: verdicts.Best = published.remembered(
        "best time", lambda: verdicts.best("send_time", candidates, good="up", how="rate")
    )
    return found
