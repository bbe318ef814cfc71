"""What a message looks like: Slack's format, an e-mail, and nothing secret or personal in either.

What belongs here: the body that is posted, the mail, and the last look over the words. What does not: sending them.
"""

from __future__ import annotations

import email.utils
from dataclasses import dataclass
from email.message import EmailMessage
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from crm_platform.scrub import scrub

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crm_platform.settings import Settings


@dataclass(frozen=True, slots=True)
class Notification:
    """What is sent: a title, a text of lines, a few words of small print, and a mark that catches the eye."""

    title: str
    text: str = ""
    notes: tuple[str, ...] = ()
    mark: str = ""

    @property
    def headline(self) -> str:
        """The title behind its mark."""
        return f"{self.mark} {self.title}" if self.mark else self.title


_HEADER_CHARACTERS = 150  # Slack refuses more
_SECTION_CHARACTERS = 3000


def scrubbed(text: str, settings: Settings) -> str:
    """Take secrets of the settings, and what is personal, out of words that may quote somebody else's."""
    values = [getattr(settings, name) for name in type(settings).model_fields]
    secrets = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
    if settings.smtp_url is not None and (password := urlsplit(settings.smtp_url.get_secret_value()).password):
        secrets += [password, unquote(password)]
    return scrub(text, secrets=secrets, is_ours=True)


def mail(message: Notification, *, sender: str, to: Sequence[str]) -> EmailMessage:
    """Make a plain-text e-mail of it. Headers say that a program wrote it, so that no holiday reply answers."""
    made = EmailMessage()
    made["Subject"] = " ".join(message.headline.split())
    made["From"] = sender
    made["To"] = ", ".join(to)
    made["Date"] = email.utils.localtime()
    made["Message-ID"] = email.utils.make_msgid(domain=sender.rpartition("@")[2])
    made["Auto-Submitted"] = "auto-generated"
    made.set_content("\n\n".join(filter(None, (message.text, " · ".join(message.notes)))) + "\n")
    return made


def body(title: str, *, text: str, notes: Sequence[str]) -> dict[str, object]:
    """Give words Slack's shape: `text` stands in its notifications, `blocks` in the channel."""
    header = {"type": "plain_text", "text": _fit(title, _HEADER_CHARACTERS)}
    blocks: list[dict[str, object]] = [{"type": "header", "text": header}]
    if text:
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": _fit(text, _SECTION_CHARACTERS)}})
    if notes:
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": _fit(" · ".join(notes), 300)}]})
    return {"text": _fit(f"{title}: {text}" if text else title, _SECTION_CHARACTERS), "blocks": blocks}


def _fit(text: str, longest: int) -> str:
    # Escaped text is longer: cut what is shown, then escape, and leave room for it.
    escaped = _escape(text)
    while len(escaped) > longest:
        text = text[: len(text) - (len(escaped) - longest) - 1]
        escaped = _escape(text) + "…"
    return escaped


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
