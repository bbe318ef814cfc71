"""What is secret or personal is taken out of words before they are logged, raised or sent.

What belongs here: what an e-mail address and a phone number look like in words, and the filter that applies it to what
httpx logs about its requests. What does not: data that is published (publish/masking.py), which words are looked at.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

from pydantic import SecretStr

_EMAIL: Final = re.compile(r"[\w.+%-]+(?:@|%40)[\w-]+(?:\.[\w-]+)*", re.IGNORECASE)
# Seven digits or more, in any grouping, are taken for a phone number: it is better to hide a date than to show a
# number.
_NUMBER: Final = re.compile(r"(?:\+|%2B)?\(?\d(?:[ ()./-]{0,2}\d){6,}", re.IGNORECASE)
# Our own words hold dates, counts and ids of runs. A number in them is written as the CRM does, with or without +.
_NUMBER_AMONG_OURS: Final = re.compile(r"(?<![\w.-])\+?\d{9,15}(?![\w-])|\+\d[\d ()-]{7,}\d")
_QUERY: Final = re.compile(r"\?[^\s\"']*")
_LONGEST_TEXT: Final = 200  # characters of a server's message that are worth showing
_LONGEST_READ: Final = 2_000  # characters that are looked at: the rules take time by the square of a text's length


def scrub(text: str, *, secrets: Iterable[str] = (), is_ours: bool = False) -> str:
    """Take secrets, e-mail addresses and phone numbers out of a text.

    `is_ours`: its dates, counts and ids of runs stay. A longer text of others is cut.
    """
    for secret in filter(None, secrets):
        text = text.replace(secret, "[secret]").replace(quote(secret, safe=""), "[secret]")
    if not is_ours and len(text) > _LONGEST_READ:
        # The cut is not in the middle of a word: half a number would not be recognised.
        text = text[:_LONGEST_READ].rpartition(" ")[0] or text[:_LONGEST_READ]
    return (_NUMBER_AMONG_OURS if is_ours else _NUMBER).sub("[number]", _EMAIL.sub("[e-mail]", text))


def scrub_foreign(text: str, *, secret: SecretStr) -> str:
    """Give what a server said scrubbed, on one line, cut to a readable length."""
    text = scrub(text, secrets=[secret.get_secret_value()])
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"


class _Filter(logging.Filter):
    """Scrub the records of the HTTP library: its INFO line holds the whole URL, and with it what was searched for."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = scrub(_QUERY.sub("", record.getMessage()))
        record.args = None
        return True


_FILTER: Final = _Filter()


def scrub_http_logs() -> None:
    """Attach the filter to the HTTP library's loggers; a second call changes nothing.

    A filter sees only what is logged on its own logger, so each logger that writes about a request is named.
    """
    for name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy", "httpcore.socks"):
        logging.getLogger(name).addFilter(_FILTER)
