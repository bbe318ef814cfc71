"""The daily digest: the executive summary in sentences, how complete it is, and what is wrong.

What belongs here: what it is made of, and whether today's is due. What does not: the sentences on figures (summary.py),
telling (alerter.py).
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from crm_platform.alerts.checks import PREFIX, one_line
from crm_platform.alerts.notification import Notification
from crm_platform.alerts.summary import Summary
from crm_platform.alerts.words import day_of, share_seen
from crm_platform.models.noted import failing
from crm_platform.publish import current
from crm_platform.receipts.behind import SnapshotReader, opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
    with opened(snapshot.path) as one:
        week = Summary.of(SnapshotReader.of(one), language)
        lines = [*week.support(), *week.growth(), *week.campaigns()]
    lines += [_standing(week.row, snapshot, settings, now=now), *_problems(settings, alerter)]
    if settings.serve_url is not None:
        lines.append(language.gettext("Page: {address}", address=f"{settings.serve_url}/executive"))
    return Notification(title, "\n".join(lines), mark="📋")


def _standing(row: Mapping[str, Any], snapshot: Snapshot, settings: Settings, *, now: dt.datetime) -> str:
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
    age = now - snapshot.stood_at
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
