"""Take what is secret or personal out of texts that others wrote.

What belongs here: the rules, and the filter that applies them to what httpx logs about its requests. What does not: our
own messages, which never hold such a thing in the first place.
"""

from __future__ import annotations

import logging
import re
from typing import Final
from urllib.parse import quote

from pydantic import SecretStr

_EMAIL: Final = re.compile(r"[\w.+%-]+(?:@|%40)[\w-]+(?:\.[\w-]+)*", re.IGNORECASE)
# Seven digits or more, in any grouping, are taken for a phone number: it is better to hide a date than to show a
# number.
_NUMBER: Final = re.compile(r"(?:\+|%2B)?\(?\d(?:[ ()./-]{0,2}\d){6,}", re.IGNORECASE)
_QUERY: Final = re.compile(r"\?[^\s\"']*")
_LONGEST_TEXT: Final = 200  # characters of a server's message that are worth showing
_LONGEST_READ: Final = 2_000  # characters that are looked at: the rules take time by the square of a text's length


def scrub(text: str, *, secret: SecretStr) -> str:
    """Give `text` on one line without `secret`, phone numbers and e-mail addresses, cut to a readable length."""
    text = text.replace(secret.get_secret_value(), "[key]")
    text = text.replace(quote(secret.get_secret_value(), safe=""), "[key]")
    text = _without_persons(text)
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"


def _without_persons(text: str) -> str:
    """Take e-mail addresses and numbers out of the part of a text that is looked at; the rest of it is left out."""
    if len(text) > _LONGEST_READ:
        # The cut is not in the middle of a word: half a number would not be recognised.
        text = text[:_LONGEST_READ].rpartition(" ")[0] or text[:_LONGEST_READ]
    return _NUMBER.sub("[number]", _EMAIL.sub("[e-mail]", text))


class _Filter(logging.Filter):
    """Scrub the records of the HTTP library: its INFO line holds the whole URL, and with it what was searched for."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = _without_persons(_QUERY.sub("", record.getMessage()))
        record.args = None
        return True


_FILTER: Final = _Filter()


def scrub_http_logs() -> None:
    """Attach the filter to the HTTP library's loggers; a second call changes nothing.

    A filter sees only what is logged on its own logger, so each logger that writes about a request is named.
    """
    for name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy", "httpcore.socks"):
        logging.getLogger(name).addFilter(_FILTER)
