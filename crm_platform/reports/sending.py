"""Sending what is due: each report once to each recipient, when its figures stand.

What belongs here: what each recipient is owed and what holds it back, sending it, remembering it. What does not: the
rule that holds a report back (holding.py), what it looks like (making.py, letters.py).

One process at a time sends (the lease `report`). A report is noted as sent right after it was handed over: where a
process dies in between it is sent twice, never not at all. A recipient that cannot be reached stops no other, and is
tried again by the next run.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from crm_platform.alerts.channels import Mail, Webhook
from crm_platform.languages import ENGLISH
from crm_platform.publish.audit import Audit
from crm_platform.reports.holding import held_by
from crm_platform.reports.letters import letter, payload
from crm_platform.reports.making import Report, make, opened
from crm_platform.reports.memory import Failure, Memory, Sent, read_memory, write_memory
from crm_platform.reports.recipients import Recipient, read_recipients
from crm_platform.warehouse import leases_of

if TYPE_CHECKING:
    from crm_platform.languages import Language
    from crm_platform.reports.spans import Span
    from crm_platform.serving.pages.published import PublishedFigures
    from crm_platform.settings import Settings

_log = logging.getLogger(__name__)

TIMEOUT_SECONDS: Final = 60.0  # for each step of a delivery: files take longer than the few lines of an alert
_NO_SERVER: Final = "no mail server is set; set CRM_SMTP_URL and CRM_ALERT_EMAIL_TO"

State = Literal["due", "held", "sent", "failed"]


@dataclass(frozen=True, slots=True)
class Standing:
    """How one report stands for one recipient. `why` it is held, or did not arrive."""

    recipient: Recipient
    span: Span
    state: State
    why: str = ""


def standing(settings: Settings, *, now: dt.datetime, language: Language = ENGLISH) -> list[Standing]:
    """Say what each recipient is owed, and what holds it back in a language, without sending anything.

    Raises FixConfiguration for a file of recipients that cannot be read, GiveUp for a
    broken snapshot.
    """
    recipients, memory = read_recipients(settings), read_memory(settings)
    if not recipients:
        return []
    with opened(settings) as published:
        return list(_standing(recipients, memory, published, now.astimezone(settings.zone).date(), language))


def _standing(
    recipients: list[Recipient],
    memory: Memory,
    published: PublishedFigures | None,
    today: dt.date,
    language: Language,
) -> Iterator[Standing]:
    for recipient in recipients:
        for span in memory.owed(recipient, today):
            why = held_by(published, span, language)
            yield Standing(recipient, span, "held" if why else "due", why)


def send_due(
    settings: Settings,
    *,
    now: dt.datetime,
    even_provisional: bool = False,
    language: Language = ENGLISH,
    timeout: float = TIMEOUT_SECONDS,
) -> list[Standing]:
    """Send what is due, and say of each report that is owed what became of it.

    `even_provisional`: what is held goes out, too, marked as provisional, and counts as sent. `language`: of what holds
    a report back. Raises Busy while another
    process sends, FixConfiguration for a file of recipients that cannot be read, GiveUp where it cannot be written down
    what goes out.
    """
    recipients = read_recipients(settings)
    if not recipients:
        return []
    today = now.astimezone(settings.zone).date()
    with leases_of(settings).take("report", purpose="sending reports"), opened(settings) as published:
        memory = read_memory(settings)
        for recipient in recipients:
            memory.meet(recipient, today)
        write_memory(settings, memory)  # what cannot be remembered is not begun
        run = _Run(settings, published, memory, now, timeout)
        return [run.end(one, even_provisional) for one in _standing(recipients, memory, published, today, language)]


class _Run:
    """One time of sending: a report that several get is made once, and who could not be reached is not tried twice."""

    def __init__(
        self,
        settings: Settings,
        published: PublishedFigures | None,
        memory: Memory,
        now: dt.datetime,
        timeout: float,
    ) -> None:
        self._settings = settings
        self._published = published
        self._memory = memory
        self._now = now
        self._timeout = timeout
        self._made: dict[object, Report] = {}
        self._failed: dict[str, str] = {}

    def end(self, one: Standing, even_provisional: bool) -> Standing:
        """Send one report, or say why not."""
        recipient, span = one.recipient, one.span
        if self._published is None or (one.why and not even_provisional):
            _log.info("the report %s to %s is held: %s", span.name, recipient.place, one.why)
            return one
        why = self._failed.get(recipient.id) or self._send(recipient, span, self._published)
        known = self._memory.known[recipient.id]
        if why is None:
            snapshot = self._published.opened.snapshot.id
            known.sent[span.name] = Sent(at=self._now, snapshot=snapshot, was_provisional=bool(one.why))
            known.failure = None
            _log.info("the report %s to %s is sent", span.name, recipient.place)
        else:
            self._failed[recipient.id] = why
            since = known.failure.since if known.failure else self._now
            known.failure = Failure(since=since, at=self._now, reason=why)
            _log.warning("the report %s to %s did not go out (%s); tried again", span.name, recipient.place, why)
        write_memory(self._settings, self._memory)
        return Standing(recipient, span, "failed" if why else "sent", why or "")

    def _send(self, recipient: Recipient, span: Span, published: PublishedFigures) -> str | None:
        """Hand a report over; None, or why it did not arrive."""
        settings = self._settings
        if recipient.way == "e-mail" and settings.smtp_url is None:
            return _NO_SERVER
        report = self._report(recipient, span, published)
        Audit(settings.audit_dir).write(
            "report",
            who=f"report {recipient.id}",
            what=f"{span.name} of snapshot {report.snapshot} by {recipient.way}: {', '.join(recipient.pages)}",
            format=" ".join(file.name.rpartition(".")[2] for file in report.files),
        )
        if recipient.way == "webhook":
            return Webhook(recipient.to, timeout=self._timeout).post(payload(report, settings))
        assert settings.smtp_url is not None
        sender = settings.alert_email_from or settings.alert_email_to[0]
        to = (recipient.to.get_secret_value(),)
        mail = Mail(settings.smtp_url, sender=sender, to=to, timeout=self._timeout)
        return mail.deliver(letter(report, mail, settings))

    def _report(self, recipient: Recipient, span: Span, published: PublishedFigures) -> Report:
        key = (span, recipient.language, recipient.pages, recipient.forms)
        if key not in self._made:
            self._made[key] = make(
                published,
                span,
                settings=self._settings,
                language=recipient.language,
                pages=recipient.pages,
                forms=recipient.forms,
                now=self._now,
                why=held_by(published, span, recipient.language),
            )
        return self._made[key]
