"""The ranking of the campaigns page: the campaigns of the chosen days, sorted, searched, page by page.

What belongs here: its rows, and how a campaign is written in a row. What does not: sums and charts (campaigns.py), two
campaigns held against each other (comparison.py).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from crm_platform.languages import N_
from crm_platform.serving.pages import numbers
from crm_platform.serving.pages.campaign_tiles import RATES
from crm_platform.serving.pages.chart import Chart, ChartColumn
from crm_platform.serving.pages.column_words import VALUE_WORDS
from crm_platform.serving.pages.period import BadAddress
from crm_platform.serving.pages.published import Row
from crm_platform.serving.pages.view import View

PAGE_ROWS: Final = 50


# What the ranking can be sorted by; `sent_at`, newest first, when nothing is chosen.
SORTS: Final = ("sent_at", "name", "total_recipients", *RATES, "cost", "value", "gain")


# In this order: what is to come, what rises, what can be judged.
GROUPS: Final = ("planned", "unsettled", "settled")

# What a reader should know before trusting a row: look, words, and why.
_FLAGS: Final[Mapping[str, tuple[str, str, str]]] = {
    # Translators: a mark on a campaign, and why it is there
    "inconsistent": (
        "bad",
        N_("contradicts itself"),
        N_(
            "Its report says what cannot be, such as more read than delivered. It is shown as the CRM gave it and is "
            "in no sum."
        ),
    ),
    "overdue": ("bad", N_("overdue"), N_("It was to be sent by now, and the CRM does not say that it was.")),
    "unreported": ("wait", N_("no report yet"), ""),
    "gap": (
        "bad",
        N_("CRM says {gap} otherwise"),
        N_("The CRM's own rate text differs from the rate that follows from its counts."),
    ),
    "outside": (
        "wait",
        N_("not in the sums above"),
        N_("The sums hold campaigns of complete days, with recipients and a report that does not contradict itself."),
    ),
}


_VISIBLE_GAP: Final = 0.005  # percentage points: less is the arithmetic of floating points


@dataclass(frozen=True, slots=True)
class RankingPage:
    """One page of a list."""

    rows: Sequence[Row]
    number: int
    last: int
    count: int
    size: int = PAGE_ROWS

    @property
    def first(self) -> int:
        """Number of its first row."""
        return (self.number - 1) * self.size + 1


def ranking(view: View, rows: Sequence[Row], *, has_costs: bool) -> Chart:
    """All rows in the order asked for, those to come, not settled and settled apart; as CSV they have these columns."""
    column, is_down = sort_order(view)
    search = view.get("q").casefold()
    found = [row for row in rows if search in campaign_name(row).casefold()]
    # What is not known stands at the end, whichever way it runs.
    known = sorted(
        (row for row in found if row.get(column) is not None),
        key=lambda row: (row[column], row["campaign_id"]),
        reverse=is_down,
    )
    sorted_rows = known + [row for row in found if row.get(column) is None]
    ordered = [row for group in GROUPS for row in sorted_rows if group_of(row) == group]
    money = (
        ChartColumn("cost", view._("Cost"), "amount"),
        ChartColumn("value", view._("Value"), "amount"),
        ChartColumn("gain", view._("Return"), "growth"),
        ChartColumn("currency", view._("Currency"), "text"),
    )
    return Chart(
        name="campaigns",
        title=view._("Campaigns side by side"),
        subtitle=view._(
            "Delivered in % of recipients; read and replied in % of delivered; bars with their 95 % interval "
            "(reply bars end at 25 %)"
        ),
        table="kpi.campaign_performance",
        key=("campaign_id",),
        columns=(
            ChartColumn("campaign_id", view._("Campaign"), "text"),
            ChartColumn("name", view._("Name"), "text"),
            ChartColumn("status", view._("Status"), "text"),
            ChartColumn("sent_at", view._("Sent"), "text"),
            ChartColumn("total_recipients", view._("Recipients"), "count"),
            ChartColumn("delivered", view._("Delivered"), "count"),
            ChartColumn("read", view._("Read"), "count"),
            ChartColumn("replied", view._("Replied"), "count"),
            *(ChartColumn(f"{rate}{end}", rate, "rate") for rate in RATES for end in ("", "_low", "_high")),
            ChartColumn("is_consistent", view._("contradicts itself"), "flag"),
            ChartColumn("is_settled", view._("not settled"), "flag"),
            *(money if has_costs else ()),
        ),
        rows=ordered,
        span=12,
        table_only=True,
    )


def group_of(row: Row) -> str:
    """Which of GROUPS a campaign stands in."""
    if row["status"] in {"draft", "scheduled"}:
        return "planned"
    return "settled" if row["is_settled"] else "unsettled"


def groups(view: View, rows: Sequence[Row], shown: Sequence[Row]) -> list[tuple[str, str, list[Row]]]:
    """The shown rows group by group: its name, its heading with how many there are in all, its rows."""
    counts = Counter(map(group_of, rows))
    told = {
        "planned": view.ngettext("Not sent yet: 1", "Not sent yet: {n}", counts["planned"]),
        "unsettled": view.ngettext(
            "Not settled: 1, whose numbers still rise; it is not judged",
            "Not settled: {n}, whose numbers still rise; they are not judged",
            counts["unsettled"],
        ),
        "settled": view.ngettext("Settled: 1", "Settled: {n}", counts["settled"]),
    }
    parts = [(name, told[name], [row for row in shown if group_of(row) == name]) for name in GROUPS]
    return [part for part in parts if part[2]]


def is_overdue(view: View, row: Row) -> bool:
    """Whether a campaign should have been sent before the cut, and was not."""
    return group_of(row) == "planned" and row["sent_at"] is not None and _aware(row["sent_at"]) < view.published.as_of


def _aware(moment: dt.datetime) -> dt.datetime:
    return moment.replace(tzinfo=dt.UTC)


def sort_order(view: View) -> tuple[str, bool]:
    """Column and whether it runs down."""
    column = view.get("sort") or "sent_at"
    if column not in SORTS:
        raise BadAddress(
            N_("sort={name} is not known; choose one of {names}"), name=column[:30], names=", ".join(SORTS)
        )
    return column, view.get("dir") != "asc"


def page_of(view: View, rows: Sequence[Row], *, size: int = PAGE_ROWS) -> RankingPage:
    """The page asked for, else the first. `size`: most rows of a page."""
    last = max(1, -(-len(rows) // size))
    asked = view.get("page")
    number = min(last, max(1, int(asked))) if asked.isdecimal() and len(asked) < 7 else 1
    return RankingPage(rows[(number - 1) * size : number * size], number, last, len(rows), size)


def flags(view: View, row: Row, *, is_counted: bool) -> list[tuple[str, str, str]]:
    """What a reader should know before trusting a row: look, words, and why."""
    told = []
    if row["is_consistent"] is False:
        told.append(_flag(view, "inconsistent"))
    if group_of(row) == "planned":
        return [*told, _flag(view, "overdue")] if is_overdue(view, row) else told
    if row["delivered"] is None:
        told.append(_flag(view, "unreported"))
    if (row["api_rate_gap"] or 0) > _VISIBLE_GAP:
        told.append(_flag(view, "gap", gap=view.value("gap", row["api_rate_gap"])))
    if not is_counted:
        told.append(_flag(view, "outside"))
    return told


def _flag(view: View, name: str, **places: str) -> tuple[str, str, str]:
    look, words, why = _FLAGS[name]
    return look, view._(words, **places), why and view._(why)


def interval(row: Row, rate: str, top: float) -> str:
    """Draw a rate with its Wilson interval from 0 to `top`, 96 by 12 px."""
    value, low, high = row[rate], row[f"{rate}_low"], row[f"{rate}_high"]
    if value is None or low is None or high is None:
        return ""
    x, left, right = (96 * min(1.0, max(0.0, share / top)) for share in (value, low, high))
    return (
        '<svg class="cell" viewBox="0 0 96 12" width="96" height="12" aria-hidden="true">'
        f'<rect class="track" y="2" width="96" height="8"/><rect class="bar first" y="2" width="{x:.1f}" height="8"/>'
        f'<path class="interval" d="M{left:.1f} 6H{right:.1f}M{left:.1f} 3v6M{right:.1f} 3v6"/></svg>'
    )


def status(view: View, value: str | None) -> str:
    """Write a campaign's status; one that nobody knows as the CRM does."""
    words = VALUE_WORDS["status"].get(value or "")
    return view._(words) if words else value or numbers.NONE


def sent(view: View, moment: dt.datetime | None) -> str:
    """Write when a campaign was sent, in the tenant's zone."""
    if moment is None:
        return numbers.NONE
    local = _aware(moment).astimezone(view.published.zone)
    return f"{numbers.day(view.language, local.date(), year=True)}, {local:%H:%M}"


def campaign_name(row: Row) -> str:
    """What a campaign is called: by its id where it has no name."""
    return str(row["name"] or row["campaign_id"])
