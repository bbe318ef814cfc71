"""The message that carries a report: an e-mail with files, or a JSON document for a webhook.

What belongs here: its words, its shape, and how large it may be. What does not: sending it (sending.py,
alerts/channels.py).
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any, Final

from crm_platform.alerts import Notification

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage

    from crm_platform.alerts.channels import Mail
    from crm_platform.reports.making import Report, ReportFile
    from crm_platform.settings import Settings

MOST_BYTES: Final = 10_000_000
"""Of all files of a message together. As base64 they are a third larger; many mail servers refuse more than 20 MB."""


def letter(report: Report, mail: Mail, settings: Settings) -> EmailMessage:
    """Write the e-mail: what the pages say as text, and the files."""
    files, left_out = _fitting(report)
    made = mail.letter(_notification(report, settings, left_out))
    for file in files:
        kind, _, subtype = file.media_type.partition("/")
        made.add_attachment(file.content, maintype=kind, subtype=subtype, filename=file.name)
    return made


def payload(report: Report, settings: Settings) -> dict[str, Any]:
    """Write the JSON document; docs/reports.md says what each name means."""
    files, left_out = _fitting(report)
    words = _notification(report, settings, left_out)
    return {
        "title": words.title,
        "text": "\n".join(filter(None, (words.text, " · ".join(words.notes)))),
        "language": report.language.tag,
        "report": {
            "name": report.span.name,
            "every": report.span.every,
            "from": report.span.start.isoformat(),
            "to": report.span.end.isoformat(),
            "as_of": report.as_of.isoformat(),
            "coverage": report.coverage,
            "is_provisional": bool(report.why),
            "is_sandbox": report.is_sandbox,
            "snapshot": report.snapshot,
        },
        "pages": [
            {
                "name": one.page,
                "title": one.title,
                "sentence": one.sentence,
                "url": f"{settings.serve_url}{one.address}" if settings.serve_url else None,
            }
            for one in report.said
        ],
        "files": [
            {
                "name": file.name,
                "media_type": file.media_type,
                "bytes": len(file.content),
                "sha256": hashlib.sha256(file.content).hexdigest(),
                "base64": base64.b64encode(file.content).decode("ascii"),
            }
            for file in files
        ],
        "left_out": [file.name for file in left_out],
    }


def _notification(report: Report, settings: Settings, left_out: list[ReportFile]) -> Notification:
    """What is said of a report in a few lines."""
    return Notification(report.title, "\n\n".join(_lines(report, settings, left_out)), report.standing)


def _lines(report: Report, settings: Settings, left_out: list[ReportFile]) -> Iterator[str]:
    _ = report.language.gettext
    if report.why:
        yield _("Provisional: {why}. These figures may move.", why=report.why)
    for one in report.said:
        yield f"{one.title}: {one.sentence}"
    if left_out:
        yield _("Too large to be sent: {files}.", files=", ".join(file.name for file in left_out))
    if settings.serve_url is not None:
        yield _("Page: {address}", address=f"{settings.serve_url}{report.said[0].address}")


def _fitting(report: Report) -> tuple[list[ReportFile], list[ReportFile]]:
    """The files that fit a message, those of most use first, and those that do not."""
    kept: list[ReportFile] = []
    left_out: list[ReportFile] = []
    for file in report.files:
        fits = sum(len(one.content) for one in kept) + len(file.content) <= MOST_BYTES
        (kept if fits else left_out).append(file)
    return kept, left_out
