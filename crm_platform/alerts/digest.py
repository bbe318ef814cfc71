"""The daily digest: the executive summary in sentences, how complete it is, and what is wrong.

What belongs here: the sentences, and whether today's is due. What does not: figures of its own; every number is read
from `kpi.executive_summary` and `kpi.backlog_now` of the published snapshot.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from crm_platform.alerts.checks import PREFIX, one_line
from crm_platform.alerts.notification import Notification
from crm_platform.alerts.words import compared, day_of, figure, share_seen
from crm_platform.metrics.backlog_now.table import BacklogNow
from crm_platform.metrics.executive_summary.table import ExecutiveSummary
from crm_platform.models.noted import failing
from crm_platform.publish import current, reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crm_platform.alerts.alerter import Alerter
    from crm_platform.languages import Language
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


def send(message: Notification, settings: Settings, alerter: Alerter, *, now: dt.datetime) -> bool:
    """Send today's digest to each channel that has not had it; returns whether all have it now."""
    return alerter.say_once(KEY, now.astimezone(settings.zone).date().isoformat(), message)


def digest(settings: Settings, alerter: Alerter, *, now: dt.datetime) -> Notification:
    """Put the published executive summary and the open problems into words. Raises GiveUp on a broken snapshot."""
    language = settings.language
    title = language.gettext("Digest of {day}", day=day_of(language, now.astimezone(settings.zone).date()))
    snapshot = current(settings)
    if snapshot is None:
        text = language.gettext(
            "Nothing is published yet: run `crm refresh`, or see why runs fail (`crm alerts list`)."
        )
        return Notification(title, "\n".join([text, *_problems(settings, alerter)]), mark="📋")
    row, backlog = _row(snapshot, ExecutiveSummary.full_name()), _row(snapshot, BacklogNow.full_name())
    lines = [
        *_support(language, row, backlog),
        *_growth(language, row),
        *_campaigns(language, row),
        _standing(row, snapshot, settings, now=now),
        *_problems(settings, alerter),
    ]
    if settings.serve_url is not None:
        lines.append(language.gettext("Page: {address}", address=f"{settings.serve_url}/executive"))
    return Notification(title, "\n".join(lines), mark="📋")


def _row(snapshot: Snapshot, table: str) -> dict[str, Any]:
    with reading(snapshot.path) as connection:
        (row,) = connection.sql(f"select * from {table}").to_arrow_table().to_pylist()
    found: dict[str, Any] = row
    return found


def _said(language: Language, row: dict[str, Any], name: str, *, than: str) -> str:
    """Write a figure and how it compares: `89.5 %, 2.0 points more than in the 7 days before`."""
    column = ExecutiveSummary.columns[name]
    value, previous = row[name], row[f"{name}_previous"]
    words = figure(language, column, value)
    if value is None or previous is None:
        return words
    return f"{words}, {compared(language, column, value, previous, than=than)}"


def _support(language: Language, row: dict[str, Any], backlog: dict[str, Any]) -> Iterator[str]:
    # Translators: what a figure is compared with, as in: 38 s faster than in the 7 days before
    week = language.gettext("in the 7 days before")
    if row["first_response_seconds_median_7d"] is None and row["answer_rate_7d"] is not None:
        yield language.gettext("First replies in the last 7 days: none of those who wrote got one.")
    elif row["first_response_seconds_median_7d"] is None:
        yield language.gettext("First replies in the last 7 days: none.")
    else:
        median = _said(language, row, "first_response_seconds_median_7d", than=week)
        yield language.gettext("First reply in the last 7 days, median: {figure}.", figure=median)
        answered = _said(language, row, "answer_rate_7d", than=week)
        yield language.gettext("Conversations answered: {figure}.", figure=answered)
    yield language.gettext("Resolved: {figure}.", figure=_said(language, row, "chats_resolved_7d", than=week))
    waiting = _said(language, row, "open_waits", than=language.gettext("a week ago"))
    words = language.gettext("Waiting now: {figure}.", figure=waiting)
    if expiring := backlog["windows_expiring_2h"]:
        n = language.number(expiring)
        words += " " + language.gettext("{n} of them lose their 24-hour window within 2 hours.", n=n)
    yield words


def _growth(language: Language, row: dict[str, Any]) -> Iterator[str]:
    contacts = _said(language, row, "total_contacts", than=language.gettext("a week ago"))
    yield language.gettext("Contacts: {figure}.", figure=contacts)
    if row["monthly_growth_rate"] is not None:
        growth = _said(language, row, "monthly_growth_rate", than=language.gettext("the month before"))
        yield language.gettext("Growth last month: {figure}.", figure=growth)


def _campaigns(language: Language, row: dict[str, Any]) -> Iterator[str]:
    active = _said(language, row, "active_campaigns", than=language.gettext("a week ago"))
    yield language.gettext("Campaigns active: {figure}.", figure=active)
    if row["read_per_delivered_30d"] is not None:
        days = language.gettext("in the 30 days before")
        read = _said(language, row, "read_per_delivered_30d", than=days)
        yield language.gettext("Read, of what campaigns delivered in 30 days: {figure}.", figure=read)
        replied = _said(language, row, "reply_per_delivered_30d", than=days)
        yield language.gettext("Replied to: {figure}.", figure=replied)


def _standing(row: dict[str, Any], snapshot: Snapshot, settings: Settings, *, now: dt.datetime) -> str:
    """Say of when the figures are and how complete."""
    language, as_of = settings.language, snapshot.as_of.astimezone(settings.zone)
    words = language.gettext(
        "As of {day}, {time}; coverage {share}",
        day=day_of(language, as_of),
        time=f"{as_of:%H:%M} {as_of.tzname()}",
        share=share_seen(language, row["coverage"]),
    )
    if row["is_provisional"]:
        words += language.gettext(", so the figures are provisional")
    words += "."
    age = now - snapshot.as_of
    if age > settings.stale_after:
        words += " " + language.gettext("These figures are {age} old.", age=language.duration(age.total_seconds()))
    return words


def _problems(settings: Settings, alerter: Alerter) -> Iterator[str]:
    """Problems that are open, and checks that fail: by their last answer, whether or not anybody was told of them."""
    language = settings.language
    standing = [one for one in alerter.standing() if not one.key.startswith(PREFIX)]
    if standing:
        yield language.gettext("Open problems: {n}.", n=len(standing))
        for one in standing:
            since = f"{one.since:%Y-%m-%d %H:%M} UTC"
            yield "• " + language.gettext("{problem}, since {time}", problem=one.title, time=since)
    else:
        yield language.gettext("No open problem.")
    if notes := failing(settings):
        yield language.gettext("Checks that fail: {n}.", n=len(notes))
        yield from (f"• {one_line(note)}" for note in notes)
