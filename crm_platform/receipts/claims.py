"""What may be said of a figure over two ranges of days: from the rows behind it to a verdict.

What belongs here: which rows and days of a snapshot are held against each other; pages, alerts, the digest and
assistants ask it alike. What does not: how chance is reckoned with (the package verdicts), which days somebody looks
at, sentences.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from crm_platform import verdicts
from crm_platform.receipts.behind import Lineage, SnapshotReader
from crm_platform.schemas import WELL_COVERED, KpiTable, Type
from crm_platform.verdicts import Claim, Day, Question

Dates = tuple[dt.date, dt.date]
"""Local days by the first and the last of them."""

# An open wait of a contact that is gone stays open: nobody answers it any more.
_DAYS: Final = """
    select days.day, days.coverage, days.first_waits, least(coalesce(still.waits, 0), days.first_waits) as still_open
    from kpi.response_times_daily as days
    left join (
        select waits.day, count(*) as waits
        from core.response_waits as waits
        join core.contacts as contacts on contacts.chat_id = waits.chat_id
        where waits.is_first and waits.state = 'open' and not waits.is_left_truncated and contacts.is_present
        group by waits.day
    ) as still on still.day = days.day
    where days.day < $today
"""
# Of later days more waits are open, whatever happened: that says nothing of the days.
_UNFINISHED: Final = "state = 'open'"
_OF_DAYS: Final = frozenset({"kpi.response_times_daily", "core.response_waits", "core.contacts"})


def over_days(
    asked: SnapshotReader,
    table: type[KpiTable],
    column: str,
    *,
    current: Dates,
    base: Dates,
    days: Sequence[Day],
    filters: Mapping[str, str] = MappingProxyType({}),
) -> Claim | None:
    """Judge a figure over one range against another one.

    `days`: what `known_days` says of both; `filters`: what the snapshot that is asked is narrowed by.

    Rates of campaigns are of those that are settled. None where no verdict has a way to judge it: a stock, a
    percentile, people counted once over several days, a figure that no rows by day are declared of.
    """
    line = asked.lineage(table, column)
    if line is None or line.figure.rows.is_stock or not _day(line):
        return None
    figure = line.figure
    if figure.sums and "is_settled" in line.source.columns:
        part, whole = figure.sums
        sides = [_settled(asked, line, dates) for dates in (current, base)]
        return of_campaigns(part, whole, current, base, sides=(sides[0], sides[1]), filters=filters)
    counts = _counts(asked, line) if _adds_up(line) else None
    if counts is not None:
        days = [day for day in days if day.day in counts]
    ranges = verdicts.like_with_like(*current, days, base=base)
    question = Question(figure=f"{table.table}.{column}", good=figure.good, ranges=ranges, filters=filters)
    if counts is not None:
        return verdicts.count(question, counts, counts)
    return _of_chats(asked, line, question) if _is_of_chats(line) else None


def of_weekday(
    asked: SnapshotReader, table: type[KpiTable], column: str, day: dt.date, before: Sequence[dt.date]
) -> Claim | None:
    """Judge a median or a rate on one day against days of its weekday before it; None of another figure.

    One day is too little for counts: how far chance moves these is seen between days alone.
    """
    line = asked.lineage(table, column)
    if line is None or not before or not _is_of_chats(line) or line.source.full_name() not in asked.manifest.tables:
        return None
    base = verdicts.Span(min(before), max(before), tuple(sorted(before)), every=7)
    ranges = verdicts.Ranges(verdicts.Span(day, day, (day,)), base)
    return _of_chats(asked, line, Question(figure=f"{table.table}.{column}", good=line.figure.good, ranges=ranges))


def _is_of_chats(line: Lineage) -> bool:
    return bool(line.figure.quantity or line.figure.part) and "chat_id" in line.source.columns


def _of_chats(asked: SnapshotReader, line: Lineage, question: Question) -> Claim:
    """Judge a median or a rate by the chats behind it."""
    how = verdicts.median if line.figure.quantity else verdicts.rate
    sides = [_by_chat(asked, line, (span.start, span.end)) for span in (question.ranges.current, question.ranges.base)]
    return how(question, sides[0], sides[1])


def known_days(asked: SnapshotReader, *ranges: Dates) -> list[Day]:
    """What is known of the days of some ranges; one that is not over is not known."""
    if not asked.manifest.tables.keys() >= _OF_DAYS:
        return []
    chosen = " or ".join(f"days.day between $first_{n} and $last_{n}" for n in range(len(ranges)))
    named = {name: day for n, one in enumerate(ranges) for name, day in ((f"first_{n}", one[0]), (f"last_{n}", one[1]))}
    found = asked.query(f"{_DAYS} and ({chosen}) order by days.day", {"today": asked.today, **named})
    return [
        Day(
            day=row["day"],
            coverage=row["coverage"],
            first_waits=row["first_waits"],
            open_first_waits=row["still_open"],
        )
        for row in found.to_pylist()
    ]


def of_campaigns(
    part: str,
    whole: str,
    current: Dates,
    base: Dates,
    *,
    sides: tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]],
    filters: Mapping[str, str] = MappingProxyType({}),
) -> Claim:
    """Judge a rate of the campaigns of one range against those of another. All are settled and consistent.

    One that is on both sides counts on neither.
    """
    ranges = verdicts.whole_ranges(*current, base=base)
    question = Question(figure=f"campaigns.{part}_per_{whole}", good="up", ranges=ranges, filters=filters)
    ids = [{row["campaign_id"] for row in rows} for rows in sides]
    both = ids[0] & ids[1]
    rows = [by_campaign([row for row in side if row["campaign_id"] not in both], part, whole) for side in sides]
    return verdicts.rate(question, rows[0], rows[1])


def by_campaign(rows: Sequence[Mapping[str, Any]], part: str, whole: str) -> verdicts.Rows:
    """Campaigns whose report has both counts."""
    both = [row for row in rows if row[part] is not None and row[whole]]
    columns = {name: [row[name] for row in both] for name in (part, whole, "campaign_id")}
    return verdicts.Rows(value=columns[part], of=columns[whole], cluster=columns["campaign_id"])


def _day(line: Lineage) -> str:
    return line.figure.rows.day or line.figure.rows.by.get("day", "")


def _adds_up(line: Lineage) -> bool:
    """Whether the figure is a count that is the sum of those of its days."""
    declared, figure = line.table.columns[line.column], line.figure
    is_count = declared.type is Type.INTEGER and declared.unit is None and line.table.key == ("day",)
    return is_count and figure.value.startswith(("count(*)", "sum(")) and figure.where != _UNFINISHED


def _counts(asked: SnapshotReader, line: Lineage) -> dict[dt.date, int]:
    """The count of each day whose row is well covered."""
    sql = f'select day, "{line.column}" as number from {line.table.full_name()} where coverage >= {WELL_COVERED}'
    return {row["day"]: row["number"] for row in asked.query(sql).to_pylist() if row["number"] is not None}


def _by_chat(asked: SnapshotReader, line: Lineage, dates: Dates) -> verdicts.Rows:
    """The rows behind a figure by chat: what a median is of, or whether a row is in the part of a rate."""
    figure = line.figure
    value = figure.quantity or f"case when {asked.expand(figure.part)} then 1 else 0 end"
    behind = asked.over(line, *_half_open(dates))
    select = f"select r.chat_id as cluster, {asked.expand(_day(line))} as day, {value} as value from behind as r"
    found = asked.query(behind.asking(select), behind.parameters)
    known = found.filter(found["value"].is_valid())
    return verdicts.Rows(value=known["value"], cluster=known["cluster"], day=known["day"])


def _settled(asked: SnapshotReader, line: Lineage, dates: Dates) -> list[dict[str, Any]]:
    """The campaigns behind a figure that are settled."""
    part, whole = line.figure.sums
    behind = asked.over(line, *_half_open(dates))
    select = f"select campaign_id, {part}, {whole} from behind where is_settled order by campaign_id"
    rows: list[dict[str, Any]] = asked.query(behind.asking(select), behind.parameters).to_pylist()
    return rows


def _half_open(dates: Dates) -> Dates:
    """Its first day, and the one after its last."""
    return dates[0], dates[1] + dt.timedelta(days=1)
