"""The daily digest: the executive summary in sentences, how complete it is, and what is wrong.

What belongs here: the sentences, and whether today's is due. What does not: figures of its own; every number is read
from `kpi.executive_summary` and `kpi.backlog_now` of the published snapshot.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from crm_platform.alerts.checks import PREFIX, one_line
from crm_platform.alerts.message import Message
from crm_platform.alerts.words import compared, day_of, figure, share_seen
from crm_platform.durations import duration
from crm_platform.metrics.backlog_now.table import BacklogNow
from crm_platform.metrics.executive_summary.table import ExecutiveSummary
from crm_platform.models.noted import failing
from crm_platform.publish import current, reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crm_platform.alerts.alerter import Alerter
    from crm_platform.publish import Snapshot
    from crm_platform.settings import Settings

KEY: Final = "digest"
HOURS: Final = 3  # from the set hour on: a platform that starts later that day waits for the next


def is_due(settings: Settings, alerter: Alerter, *, now: dt.datetime) -> bool:
    """Whether it is the hour, or up to two hours later, and some channel has not had today's."""
    local = now.astimezone(settings.zone)
    if settings.digest_hour is None or not settings.digest_hour <= local.hour < settings.digest_hour + HOURS:
        return False
    return alerter.owes(KEY, local.date().isoformat())


def send(message: Message, settings: Settings, alerter: Alerter, *, now: dt.datetime) -> bool:
    """Send today's digest to each channel that has not had it; returns whether all have it now."""
    return alerter.say_once(KEY, now.astimezone(settings.zone).date().isoformat(), message)


def digest(settings: Settings, alerter: Alerter, *, now: dt.datetime) -> Message:
    """Put the published executive summary and the open problems into words. Raises GiveUp on a broken snapshot."""
    today = now.astimezone(settings.zone).date()
    snapshot = current(settings)
    if snapshot is None:
        text = "Nothing is published yet: run `crm refresh`, or see why runs fail (`crm alerts list`)."
        return Message(f"Digest of {day_of(today)}", "\n".join([text, *_problems(settings, alerter)]), mark="📋")
    row, backlog = _row(snapshot, ExecutiveSummary.full_name()), _row(snapshot, BacklogNow.full_name())
    lines = [
        *_support(row, backlog),
        *_growth(row),
        *_campaigns(row),
        _standing(row, snapshot, settings, now=now),
        *_problems(settings, alerter),
    ]
    if settings.serve_url is not None:
        lines.append(f"Page: {settings.serve_url}/executive")
    return Message(f"Digest of {day_of(today)}", "\n".join(lines), mark="📋")


def _row(snapshot: Snapshot, table: str) -> dict[str, Any]:
    with reading(snapshot.path) as connection:
        (row,) = connection.sql(f"select * from {table}").to_arrow_table().to_pylist()
    found: dict[str, Any] = row
    return found


def _said(row: dict[str, Any], name: str, *, than: str) -> str:
    """Write a figure and how it compares: `89.5 %, 2.0 points more than the 7 days before`."""
    column = ExecutiveSummary.columns[name]
    value, previous = row[name], row[f"{name}_previous"]
    if value is None or previous is None:
        return figure(column, value)
    return f"{figure(column, value)}, {compared(column, value, previous, than=than)}"


def _support(row: dict[str, Any], backlog: dict[str, Any]) -> Iterator[str]:
    week = "in the 7 days before"
    if row["first_response_seconds_median_7d"] is None:
        yield "First replies in the last 7 days: none."
    else:
        yield f"First reply in the last 7 days, median: {_said(row, 'first_response_seconds_median_7d', than=week)}."
        yield f"Conversations answered: {_said(row, 'answer_rate_7d', than=week)}."
    yield f"Resolved: {_said(row, 'chats_resolved_7d', than=week)}."
    expiring = backlog["windows_expiring_2h"]
    soon = f" {expiring:,} of them lose their 24-hour window within 2 hours." if expiring else ""
    yield f"Waiting now: {_said(row, 'open_waits', than='a week ago')}.{soon}"


def _growth(row: dict[str, Any]) -> Iterator[str]:
    yield f"Contacts: {_said(row, 'total_contacts', than='a week ago')}."
    if row["monthly_growth_rate"] is not None:
        yield f"Growth last month: {_said(row, 'monthly_growth_rate', than='the month before')}."


def _campaigns(row: dict[str, Any]) -> Iterator[str]:
    yield f"Campaigns active: {_said(row, 'active_campaigns', than='a week ago')}."
    if row["read_per_delivered_30d"] is not None:
        days = "in the 30 days before"
        yield f"Read, of what campaigns delivered in 30 days: {_said(row, 'read_per_delivered_30d', than=days)}."
        yield f"Replied to: {_said(row, 'reply_per_delivered_30d', than=days)}."


def _standing(row: dict[str, Any], snapshot: Snapshot, settings: Settings, *, now: dt.datetime) -> str:
    """Say of when the figures are and how complete."""
    as_of = snapshot.as_of.astimezone(settings.zone)
    words = f"As of {day_of(as_of)}, {as_of:%H:%M} {as_of.tzname()}; coverage {share_seen(row['coverage'])}"
    if row["is_provisional"]:
        words += ", so the figures are provisional"
    age = now - snapshot.as_of
    is_old = age > settings.stale_after
    return f"{words}. These figures are {duration(age.total_seconds())} old." if is_old else f"{words}."


def _problems(settings: Settings, alerter: Alerter) -> Iterator[str]:
    """Problems that are open, and checks that fail: by their last answer, whether or not anybody was told of them."""
    standing = [one for one in alerter.standing() if not one.key.startswith(PREFIX)]
    if standing:
        yield f"Open problems: {len(standing)}."
        yield from (f"• {one.title}, since {one.since:%Y-%m-%d %H:%M} UTC" for one in standing)
    else:
        yield "No open problem."
    if notes := failing(settings):
        yield f"Checks that fail: {len(notes)}."
        yield from (f"• {one_line(note)}" for note in notes)
