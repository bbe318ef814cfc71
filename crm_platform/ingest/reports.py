"""Which campaign reports are worth a request now.

What belongs here: the order and the pace. What does not: fetching them (crawler.py).

A campaign that changed its status since its report was read is read at once (one that finishes is final soon). Those
never read come next, at a faster pace; then those that still move: running, or completed less than 72 hours ago,
oldest report first. Nothing else changes any more.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crm_platform.warehouse import Warehouse

SETTLES_AFTER = timedelta(hours=72)
"""How long after it was sent a report still moves."""

FIRST_REPORTS_SPEED = 4
"""How much faster first reports are read than moving ones are read again."""

LONGEST_SAVING = timedelta(minutes=15)
"""Pace that was not used is kept for this long."""

MOVING_AGAIN_AFTER = timedelta(minutes=10)
"""A moving report is not read again sooner than this."""

_CAMPAIGNS = """
    select
        campaigns.campaign_id,
        campaigns.status,
        coalesce(campaigns.scheduled_at, campaigns.created_at, campaigns.first_fetched_at) as sent_at,
        statuses.changed_at,
        reports.read_at
    from raw.campaigns as campaigns
    left join (
        select campaign_id, max(observed_at) as changed_at from raw.campaign_statuses where is_change
        group by campaign_id
    ) as statuses on statuses.campaign_id = campaigns.campaign_id
    left join (
        select target, max(started_at) as read_at from ops.fetches
        where operation = 'campaign_report' and outcome in ('ok', 'not_found')
        group by target
    ) as reports on reports.target = campaigns.campaign_id
    order by campaigns.campaign_id
"""


def last_requested(warehouse: Warehouse) -> dict[str, datetime]:
    """When each operation was last asked for, whatever came of it."""
    with warehouse.reading() as session:
        rows = session.query("select operation, max(started_at) as started_at from ops.fetches group by operation")
    return {row["operation"]: row["started_at"].replace(tzinfo=UTC) for row in rows.to_pylist()}


def due_reports(
    warehouse: Warehouse, *, at: datetime, per_minute: float | None, last_report_at: datetime | None
) -> list[str]:
    """Campaigns whose report should be read now, most urgent first. `per_minute`: the pace, None = no limit."""
    now = at.astimezone(UTC).replace(tzinfo=None)
    with warehouse.reading() as session:
        campaigns = session.query(_CAMPAIGNS).to_pylist()
    changed = [
        one["campaign_id"]
        for one in campaigns
        if one["read_at"] is not None and one["changed_at"] is not None and one["changed_at"] > one["read_at"]
    ]
    never = sorted(
        (one for one in campaigns if one["read_at"] is None),
        key=lambda one: (one["status"] in ("draft", "scheduled"), -one["sent_at"].timestamp()),
    )
    moving = sorted(
        (
            one
            for one in campaigns
            if one["read_at"] is not None
            and one["campaign_id"] not in changed
            and now - one["read_at"] >= MOVING_AGAIN_AFTER
            and (
                one["status"] in ("active", "in_progress")
                or (one["status"] in ("completed", "failed") and now - one["sent_at"] < SETTLES_AFTER)
            )
        ),
        key=lambda one: one["read_at"],
    )
    first, again = ([one["campaign_id"] for one in some] for some in (never, moving))
    if per_minute is None:
        return [*changed, *first, *again]
    saved = LONGEST_SAVING if last_report_at is None else min(at - last_report_at, LONGEST_SAVING)
    pace = per_minute * (saved / timedelta(minutes=1))
    return [*changed, *first[: int(FIRST_REPORTS_SPEED * pace)], *again[: int(pace)]]
