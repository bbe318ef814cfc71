"""What besides chats is worth a request now: custom fields, the campaign list, campaign reports.

What belongs here: when each was last fetched, their order and their pace. What does not: fetching them (list_steps.py),
sweeps and chats (planner/).

A campaign that changed its status since its report was read is read at once (one that finishes is final soon). Those
never read come next, at a faster pace; then those that still move: running, or completed less than 72 hours ago,
oldest report first. Nothing else changes any more.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from crm_platform.ingest.planner import CAMPAIGN_LIST_SHARE, REPORT_SHARE

if TYPE_CHECKING:
    from crm_platform.warehouse import Warehouse

CUSTOM_FIELDS_EVERY = timedelta(days=1)
CAMPAIGNS_AT_MOST_EVERY = timedelta(minutes=5)

SETTLES_AFTER = timedelta(hours=72)
"""How long after it was sent a report still moves."""

FIRST_REPORTS_SPEED = 4
"""How much faster first reports are read than moving ones are read again."""

LONGEST_SAVING = timedelta(minutes=15)
"""Pace that was not used is kept for this long."""

MOVING_AGAIN_AFTER = timedelta(minutes=10)
"""A moving report is not read again sooner than this."""

_MINUTE = timedelta(minutes=1)

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


class DueFetches:
    """What is due, by what was done. `per_minute`: requests of the whole quota, None = no limit."""

    def __init__(self, warehouse: Warehouse, *, per_minute: float | None) -> None:
        self._warehouse = warehouse
        self.per_minute = per_minute
        self._last: dict[str, datetime] = {}
        self._campaigns: list[dict[str, Any]] = []
        self.reload()

    def reload(self) -> None:
        """Read what has been done; again after some of it was."""
        with self._warehouse.reading() as session:
            last = session.query("select operation, max(started_at) as at_last from ops.fetches group by operation")
            self._campaigns = session.query(_CAMPAIGNS).to_pylist()
        self._last = {row["operation"]: row["at_last"].replace(tzinfo=UTC) for row in last.to_pylist()}

    def is_custom_fields_due(self, at: datetime) -> bool:
        """Once a day."""
        return self._is_due("list_custom_fields", at, every=CUSTOM_FIELDS_EVERY)

    def is_campaign_list_due(self, at: datetime) -> bool:
        """Within its share of the quota."""
        paced = timedelta(0) if self.per_minute is None else _MINUTE / (CAMPAIGN_LIST_SHARE * self.per_minute)
        return self._is_due("list_campaigns", at, every=max(paced, CAMPAIGNS_AT_MOST_EVERY))

    def reports_due(self, at: datetime) -> list[str]:
        """Campaigns whose report should be read now, most urgent first, within the reports' share of the quota."""
        changed, never, moving = _by_urgency(self._campaigns, now=at.astimezone(UTC).replace(tzinfo=None))
        if self.per_minute is None:
            return [*changed, *never, *moving]
        last = self._last.get("campaign_report")
        saved = LONGEST_SAVING if last is None else min(at - last, LONGEST_SAVING)
        pace = REPORT_SHARE * self.per_minute * (saved / _MINUTE)
        return [*changed, *never[: int(FIRST_REPORTS_SPEED * pace)], *moving[: int(pace)]]

    def _is_due(self, operation: str, at: datetime, *, every: timedelta) -> bool:
        last = self._last.get(operation)
        return last is None or at - last >= every


def _by_urgency(campaigns: list[dict[str, Any]], *, now: datetime) -> tuple[list[str], list[str], list[str]]:
    """Ids of campaigns that changed since their report, that have none yet, and whose report still moves."""
    changed, never, moving = [], [], []
    for one in campaigns:
        read_at = one["read_at"]
        if read_at is None:
            never.append(one)
        elif one["changed_at"] is not None and one["changed_at"] > read_at:
            changed.append(one)
        elif now - read_at >= MOVING_AGAIN_AFTER and (
            one["status"] in ("active", "in_progress")
            or (one["status"] in ("completed", "failed") and now - one["sent_at"] < SETTLES_AFTER)
        ):
            moving.append(one)
    never.sort(key=lambda one: (one["status"] in ("draft", "scheduled"), now - one["sent_at"]))
    moving.sort(key=lambda one: one["read_at"])
    return _ids(changed), _ids(never), _ids(moving)


def _ids(campaigns: list[dict[str, Any]]) -> list[str]:
    return [one["campaign_id"] for one in campaigns]
