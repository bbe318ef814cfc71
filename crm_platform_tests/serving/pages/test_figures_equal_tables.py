"""Every figure and every cell on the pages, against the published tables, computed a second time in plain Python."""

from __future__ import annotations

import datetime as dt
import statistics
from zoneinfo import ZoneInfo

import pytest

from crm_platform_tests.oracle.worlds import random_facts
from crm_platform_tests.serving.pages.site import Site, Told, key_of, published

PAGES = ("/executive", "/campaigns", "/support", "/audience")
RANGES = (
    "",
    "?range=7d",
    "?range=28d&hours=business",
    "?range=28d",
    "?range=90d",
    "?range=month",
    "?from=2026-10-03&to=2026-11-22",
)


def local_day(site: Site, moment: dt.datetime) -> dt.date:
    zone = ZoneInfo(site.settings.timezone)
    return moment.replace(tzinfo=dt.UTC).astimezone(zone).date()


def quantile(values: list[float]) -> float | None:
    """The median by linear interpolation."""
    return statistics.median(values) if values else None


def expected(site: Site, figure: dict[str, str]) -> float | None:
    """The figure by its source."""
    how, table, column = figure["data-how"], figure["data-table"], figure["data-column"]
    key = key_of(figure.get("data-key", "{}"))
    rows = site.published(f"select * from {table}")
    if how == "cell":
        (row,) = [row for row in rows if all(str(row[name]) == value for name, value in key.items())]
        return row[column]
    if table == "kpi.campaign_performance":
        chosen = key.get("campaign_id", "").split(",") if key else None
        rows = [
            row
            for row in rows
            if row["is_consistent"] is not False
            and row["delivered"] is not None
            and (row["total_recipients"] or 0) > 0
            and row["status"] not in {"draft", "scheduled"}
            and row["sent_at"] is not None
            and row["sent_at"] <= row["as_of"]
            and (
                row["campaign_id"] in chosen
                if chosen is not None
                else figure["data-from"] <= str(local_day(site, row["sent_at"])) <= figure["data-to"]
            )
        ]
        if how == "count":
            return len(rows)
        part, _, of = column.partition(",")
        if how == "settled":
            rows = [row for row in rows if row["is_settled"]]
        if how in {"ratio", "settled"}:  # over the reports that say both
            rows = [row for row in rows if row[part] is not None and row[of] is not None]
        sums = [sum(row[name] or 0 for row in rows) for name in (part, of) if name]
        if how == "sum":
            return sums[0]
        return sums[0] / sums[1] if sums[1] else None
    first, last = dt.date.fromisoformat(figure["data-from"]), dt.date.fromisoformat(figure["data-to"])
    if table == "core.response_waits":
        waits = [
            row
            for row in rows
            if row["is_first"] == (how != "later")
            and not row["is_left_truncated"]
            and first <= local_day(site, row["waiting_since"]) <= last
        ]
        answered = [row[column] for row in waits if row["state"] == "answered"]
        if how in {"median", "later"}:
            return quantile(answered)
        missed = sum(row["state"] == "missed" for row in waits)
        target = site.settings.first_response_target_minutes * 60
        of = len(answered) + missed
        return sum(seconds <= target for seconds in answered) / of if of else None
    if how == "resolution":
        resolved = [row for row in rows if row["resolved_at"] and not row["is_left_truncated"]]
        within = [row for row in resolved if first <= local_day(site, row["resolved_at"]) <= last]
        return quantile([row[column] for row in within if row[column] is not None])
    within = [row for row in rows if first <= row["day"] <= last]
    if how == "handoff":
        return quantile([row[column] for row in within if row["state"] == "answered" and not row["is_left_truncated"]])
    if how in {"people", "returned"}:
        shares = [row["whole_share"] for row in site.published("select whole_share from kpi.contact_activity_daily")]
        if how == "returned":
            if not shares or shares[-1] is None or shares[-1] < 0.95:
                return None
            silence = dt.timedelta(days=30)
            within = [row for row in within if row["previous_day"] and row["previous_day"] < row["day"] - silence]
        return len({row["chat_id"] for row in within if how == "people" or row["is_history_whole"]})
    if any(row[name] is None for row in within for name in column.split(",")):
        return None
    sums = [sum(row[name] for row in within) for name in column.split(",")]
    if how == "sum":
        return sums[0] if within else None
    if how == "ratio":
        return sums[0] / sums[1] if within and sums[1] else None
    assert how == "share"
    return sums[0] / sum(sums) if within and sum(sums) else None


def check_figures(site: Site, told: Told) -> None:
    assert told.figures
    for figure in told.figures:
        value = expected(site, figure)
        if value is None:
            assert figure["value"] == "", figure
        else:
            assert float(figure["value"]) == pytest.approx(value, rel=1e-9, abs=1e-12), figure


def check_tables(site: Site, told: Told) -> None:
    for table in told.tables:
        name, how = table.attributes["data-table"], table.attributes["data-how"]
        if how != "cell":
            continue  # bands, ages and the funnel: test_what_a_chart_counts
        rows = site.published(f"select * from {name}")
        assert table.rows or not rows
        for key, cells in table.rows:
            wanted = dict(part.split("=", 1) for part in key.split(","))
            found = [row for row in rows if all(str(row[column]) == value for column, value in wanted.items())]
            for column, cell in zip(table.columns, cells, strict=False):
                if not found:
                    assert cell in {"", wanted.get(column)}, (name, key, column)
                    continue
                value = found[0][column]
                written = "" if value is None else value.isoformat() if isinstance(value, dt.date) else str(value)
                assert cell == written, (name, key, column)


@pytest.mark.parametrize("query", [RANGES[0], *(pytest.param(one, marks=pytest.mark.slow) for one in RANGES[1:])])
@pytest.mark.parametrize("page", PAGES)
def test_every_figure_and_cell_equals_its_table(site: Site, page: str, query: str):
    told = site.told(page + query)
    check_figures(site, told)
    check_tables(site, told)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_so_they_do_in_other_worlds(seed: int, tmp_path):
    other = published(random_facts(seed, contacts=10, campaigns=8), tmp_path)
    for page in PAGES:
        told = other.told(page)
        check_figures(other, told)
        check_tables(other, told)


def test_seven_days_are_those_of_the_executive_summary(site: Site):
    (summary,) = site.published("select * from kpi.executive_summary")
    shown = {figure["data-column"]: figure["value"] for figure in site.told("/executive?range=7d").figures}
    assert float(shown["response_seconds"]) == summary["first_response_seconds_median_7d"]
    assert float(shown["first_answered_waits,missed_waits"]) == summary["answer_rate_7d"]
    assert int(shown["resolved"]) == summary["chats_resolved_7d"]


def test_a_campaign_narrows_figures_and_ranking(site: Site):
    rows = site.published(
        "select campaign_id from kpi.campaign_performance where is_consistent order by delivered desc"
    )
    chosen = [row["campaign_id"] for row in rows[:2]]
    told = site.told(f"/campaigns?campaign={','.join(chosen)}")
    check_figures(site, told)
    ranking = next(table for table in told.tables if table.attributes.get("class") == "ranking")
    assert {key.partition("=")[2] for key, _ in ranking.rows} == set(chosen)


def test_what_a_chart_counts(site: Site):
    told = site.told("/support?range=90d")
    spread = next(table for table in told.tables if table.attributes["data-how"] == "bands")
    first, last = (dt.date.fromisoformat(spread.attributes[name]) for name in ("data-from", "data-to"))
    waits = [
        row
        for row in site.published("select * from core.response_waits where is_first and not is_left_truncated")
        if first <= local_day(site, row["waiting_since"]) <= last
    ]
    counts = [int(cells[1]) for _, cells in spread.rows]
    assert counts[-1] == sum(row["state"] == "missed" for row in waits)
    assert sum(counts[:-1]) == sum(row["state"] == "answered" for row in waits)
    ages = next(table for table in told.tables if table.attributes["data-how"] == "ages")
    (now,) = site.published("select open_waits from kpi.backlog_now")
    assert sum(int(cells[1]) for _, cells in ages.rows) == now["open_waits"]
    funnel = next(table for table in site.told("/campaigns").tables if table.attributes["data-how"] == "funnel")
    sums = {figure["data-column"]: figure["value"] for figure in site.told("/campaigns").figures}
    shares = {key: cells[2] for key, cells in funnel.rows}
    for step, figure in (("delivered", "delivered,total_recipients"), ("read", "read,delivered")):
        assert float(shares[f"step={step}"]) == pytest.approx(float(sums[figure])), (
            "the funnel is of what the rates are of"
        )
