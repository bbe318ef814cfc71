"""Campaign figures: each campaign, by month, by time of sending.

What belongs here: the chapter "Engagement" of the definitions. What does not: the executive's pooled rates.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction

from crm_platform_tests.oracle.arithmetic import day_of, month_of, rate, shrunk, wilson
from crm_platform_tests.oracle.facts import Campaign, Facts, Report

SETTLING = dt.timedelta(hours=72)
RUNNING = ("active", "in_progress")
ENDED = ("completed", "failed")

# A larger count contradicts itself.
MOST_RECIPIENTS = 10**12
NOT_SENT = ("draft", "scheduled")


@dataclass(frozen=True, slots=True)
class Performance:
    """One row of `kpi.campaign_performance`, its columns by name."""

    campaign_id: str
    name: str | None
    status: str
    sent_at: dt.datetime | None
    total_recipients: int | None
    delivered: int | None
    read: int | None
    replied: int | None
    failed: int | None
    in_flight: int | None
    delivery_rate: float | None
    read_per_delivered: float | None
    reply_per_delivered: float | None
    read_per_recipient: float | None
    reply_per_recipient: float | None
    delivery_rate_low: float | None
    delivery_rate_high: float | None
    read_per_delivered_low: float | None
    read_per_delivered_high: float | None
    reply_per_delivered_low: float | None
    reply_per_delivered_high: float | None
    is_consistent: bool | None
    is_settled: bool
    api_rate_gap: float | None


def status_at(campaign: Campaign, instant: dt.datetime) -> str:
    """The last status observed by then; the one it was first seen in, if nothing changed."""
    return ([campaign.first_status] + [status for at, status in campaign.changes if at <= instant])[-1]


def performances(facts: Facts) -> list[Performance]:
    """Every campaign seen by the cut, by id, with its newest report."""
    newest: dict[str, Report] = {}
    for report in sorted(facts.reports, key=lambda one: one.first_seen_at):
        if report.first_seen_at <= facts.as_of:
            newest[report.campaign_id] = report
    return [
        _performance(campaign, newest.get(campaign.campaign_id), facts.as_of)
        for campaign in sorted(facts.campaigns, key=lambda one: one.campaign_id)
        if campaign.first_seen_at <= facts.as_of
    ]


def _sent_at(campaign: Campaign, as_of: dt.datetime) -> dt.datetime | None:
    if status_at(campaign, as_of) == "draft":
        return None
    started = next((at for at, status in campaign.changes if status in RUNNING and at <= as_of), None)
    return campaign.scheduled_at or started or campaign.created_at or campaign.first_seen_at


def _performance(campaign: Campaign, report: Report | None, as_of: dt.datetime) -> Performance:
    status = status_at(campaign, as_of)
    sent_at = _sent_at(campaign, as_of)
    delivered = report.delivered if report else None
    read = report.read if report else None
    replied = report.replied if report else None
    failed = report.failed if report else None
    reported_total = report.total_recipients if report else None
    total = reported_total if reported_total is not None else campaign.total_recipients

    in_flight = None
    if total is not None and delivered is not None and failed is not None:
        is_countable = max(abs(total), abs(delivered), abs(failed)) <= MOST_RECIPIENTS
        in_flight = total - delivered - failed if is_countable else None
    delivery_low, delivery_high = wilson(delivered, total)
    read_low, read_high = wilson(read, delivered)
    reply_low, reply_high = wilson(replied, delivered)
    return Performance(
        campaign_id=campaign.campaign_id,
        name=campaign.name,
        status=status,
        sent_at=sent_at,
        total_recipients=total,
        delivered=delivered,
        read=read,
        replied=replied,
        failed=failed,
        in_flight=in_flight,
        delivery_rate=rate(delivered, total),
        read_per_delivered=rate(read, delivered),
        reply_per_delivered=rate(replied, delivered),
        read_per_recipient=rate(read, total),
        reply_per_recipient=rate(replied, total),
        delivery_rate_low=delivery_low,
        delivery_rate_high=delivery_high,
        read_per_delivered_low=read_low,
        read_per_delivered_high=read_high,
        reply_per_delivered_low=reply_low,
        reply_per_delivered_high=reply_high,
        is_consistent=_is_consistent(total, delivered, read, replied, failed) if report else None,
        is_settled=status in ENDED and sent_at is not None and as_of - sent_at >= SETTLING,
        api_rate_gap=_api_rate_gap(report, total) if report else None,
    )


def _is_consistent(
    total: int | None, delivered: int | None, read: int | None, replied: int | None, failed: int | None
) -> bool | None:
    """Whether the funnel only narrows. A missing number breaks no rule, but leaves the whole unknown."""
    handled = None if delivered is None or failed is None else delivered + failed
    pairs = [(read, delivered), (delivered, total), (replied, delivered), (handled, total)]
    pairs += [(0, number) for number in (total, delivered, read, replied, failed)]
    pairs += [(number, MOST_RECIPIENTS) for number in (total, delivered, read, replied, failed)]
    if any(small is not None and large is not None and small > large for small, large in pairs):
        return False
    return None if None in (total, delivered, read, replied, failed) else True


def _api_rate_gap(report: Report, total: int | None) -> float | None:
    """How far our rates are from the API's texts beyond their rounding, in percentage points; the largest."""
    gaps = []
    for text, part, base in (
        (report.delivery_rate, report.delivered, total),
        (report.read_rate, report.read, report.delivered),
        (report.reply_rate, report.replied, report.delivered),
    ):
        number = re.fullmatch(r"\s*(-?\d+(?:\.(\d+))?)\s*%?\s*", text or "")
        if number and part is not None and base:
            half_unit = Fraction(1, 2 * 10 ** len(number[2] or ""))
            gaps.append(max(Fraction(0), abs(Fraction(100 * part, base) - Fraction(number[1])) - half_unit))
    return float(max(gaps)) if gaps else None


@dataclass(frozen=True, slots=True)
class Pooled:
    """Counts added up over campaigns; of a count that a report lacks nothing is delivered."""

    delivered: int
    read: int
    replied: int
    read_delivered: int
    reply_delivered: int

    @property
    def read_per_delivered(self) -> float | None:
        """`read / read_delivered`."""
        return rate(self.read, self.read_delivered)

    @property
    def reply_per_delivered(self) -> float | None:
        """`replied / reply_delivered`."""
        return rate(self.replied, self.reply_delivered)


def pooled(campaigns: Iterable[Performance]) -> Pooled:
    """Add up the campaigns whose report names what was delivered and contradicts itself in nothing."""
    usable = [one for one in campaigns if is_usable(one)]
    return Pooled(
        delivered=sum(one.delivered or 0 for one in usable),
        read=sum(one.read or 0 for one in usable),
        replied=sum(one.replied or 0 for one in usable),
        read_delivered=sum(one.delivered or 0 for one in usable if one.read is not None),
        reply_delivered=sum(one.delivered or 0 for one in usable if one.replied is not None),
    )


def is_usable(campaign: Performance) -> bool:
    """Whether its report may enter a pooled rate."""
    return campaign.delivered is not None and campaign.is_consistent is not False


def _comparable(facts: Facts, campaigns: Sequence[Performance]) -> list[tuple[Performance, dt.datetime]]:
    """The campaigns that may be added up, each with when it was sent."""
    return [
        (one, one.sent_at)
        for one in campaigns
        if is_usable(one)
        and one.total_recipients
        and one.status not in NOT_SENT
        and one.sent_at is not None
        and one.sent_at <= facts.as_of
    ]


def campaign_performance(campaigns: Sequence[Performance]) -> list[dict[str, object]]:
    """`kpi.campaign_performance`."""
    return [asdict(one) for one in campaigns]


def engagement_monthly(facts: Facts, campaigns: Sequence[Performance]) -> list[dict[str, object]]:
    """`kpi.engagement_monthly`: a row for each month in which a campaign was sent."""
    months: defaultdict[dt.date, list[Performance]] = defaultdict(list)
    for one, sent_at in _comparable(facts, campaigns):
        months[month_of(day_of(sent_at, facts.settings.zone))].append(one)
    rows: list[dict[str, object]] = []
    for month in sorted(months):
        total = sum(one.total_recipients or 0 for one in months[month])
        sums = pooled(months[month])
        rows.append(
            {
                "month": month,
                "campaigns": len(months[month]),
                "total_recipients": total,
                **asdict(sums),
                "failed": sum(one.failed or 0 for one in months[month]),
                "delivery_rate": rate(sums.delivered, total),
                "read_per_delivered": sums.read_per_delivered,
                "reply_per_delivered": sums.reply_per_delivered,
            }
        )
    return rows


def send_time_performance(facts: Facts, campaigns: Sequence[Performance]) -> list[dict[str, object]]:
    """`kpi.send_time_performance`: a row for each hour of the week in which a campaign was sent."""
    cells: defaultdict[tuple[int, int], list[Performance]] = defaultdict(list)
    for one, sent_at in _comparable(facts, campaigns):
        local = sent_at.astimezone(facts.settings.zone)
        cells[local.weekday(), local.hour].append(one)
    places = sorted(cells)
    sums = [pooled(cells[place]) for place in places]
    read_shrunk = shrunk([(one.read, one.read_delivered) for one in sums])
    reply_shrunk = shrunk([(one.replied, one.reply_delivered) for one in sums])
    return [
        {
            "weekday": weekday,
            "hour": hour,
            "campaigns": len(cells[weekday, hour]),
            **asdict(sums[i]),
            "read_per_delivered": sums[i].read_per_delivered,
            "reply_per_delivered": sums[i].reply_per_delivered,
            "read_per_delivered_shrunk": read_shrunk[i],
            "reply_per_delivered_shrunk": reply_shrunk[i],
            "enough_data": len(cells[weekday, hour]) >= 3 and sums[i].delivered >= 1000,
        }
        for i, (weekday, hour) in enumerate(places)
    ]
