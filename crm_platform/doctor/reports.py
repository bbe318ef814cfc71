"""Reports that are asked for and do not go out: a wrong line, no mail server, no program that prints, nobody there.

What belongs here: what follows from the file of recipients, the settings and what was sent. What does not: whether a
line is well-formed (reports/recipients.py), what holds a report back: `crm report list` says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crm_platform.doctor.finding import LOADING, Finding

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from crm_platform.settings import Settings


def reports(settings: Settings, _now: dt.datetime) -> Iterator[Finding]:
    """Who gets reports, and whether they can be printed and sent."""
    # The pages' packages take a while to load: only where somebody gets a report.
    with LOADING:
        from crm_platform.reports.memory import read_memory  # noqa: PLC0415
        from crm_platform.reports.pdf import chromium  # noqa: PLC0415
        from crm_platform.reports.recipients import FILE, read_recipients  # noqa: PLC0415

    if not (settings.root / FILE).exists() and settings.chromium is None:
        return
    recipients, memory, bad = read_recipients(settings), read_memory(settings), False
    if chromium(settings) is None:
        if settings.chromium is not None:
            bad = True
            yield Finding("reports", "BAD", "CRM_CHROMIUM names no program that can be run; correct it, or unset it")
        elif any("pdf" in one.forms for one in recipients):
            words = "no Chromium is found: reports go out as HTML; install it, or set CRM_CHROMIUM"
            yield Finding("reports", "note", words)
    for one in recipients:
        if one.way == "e-mail" and settings.smtp_url is None:
            bad = True
            words = f"{one.place} cannot be reached: set CRM_SMTP_URL and CRM_ALERT_EMAIL_TO"
            yield Finding("reports", "BAD", words)
        elif (known := memory.known.get(one.id)) and known.failure:
            bad = True
            since = f"{known.failure.since:%Y-%m-%d %H:%M} UTC"
            yield Finding("reports", "note", f"{one.place} fails: {known.failure.reason}, since {since}")
    if not bad and recipients:
        yield Finding("reports", "ok", f"lines of {FILE}: {len(recipients)}; `crm report list` says what is due")
