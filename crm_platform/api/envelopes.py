"""The parts of an answer: what its envelope says around the records, and what its headers say.

What belongs here: the success and error envelopes of the contract, `Retry-After`, `Date` and the rate limit headers.
What does not: the error that an answer stands for (answers.py), records (parsing.py).
"""

from __future__ import annotations

import datetime as dt
import email.utils
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import SecretStr

from crm_platform.api.scalars import parse_int
from crm_platform.errors import FieldProblem
from crm_platform.scrub import scrub_foreign

_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,39}")
WORTH_A_WORD: Final = 5.0
"""Seconds of difference between the server's clock and ours up to which they agree."""
_LONGEST_HEADER: Final = 100  # characters of one that are read
# An `X-RateLimit-Reset` below this is a number of seconds from now, not a Unix time.
_FIRST_MOMENT: Final = 10**9
_FIRST_MILLISECONDS: Final = 10**11
_LONGEST_DATE: Final = 64  # characters of a header that is a date
LONGEST_PAUSE: Final = 86_400.0
"""Seconds. When a server asks for more, it is asked again after a day: a mistake of its must not stop us for years."""
_MOST_PROBLEMS: Final = 20  # entries of a 422's details that are worth showing


class UnreadableAnswer(Exception):
    """A 200 whose body lacks what the contract promises. Stays inside api/."""


@dataclass(frozen=True, slots=True)
class RateHeaders:
    """`X-RateLimit-*` as sent; `reset_after` in seconds from now. None: not sent, or not readable."""

    limit: int | None
    remaining: int | None
    reset_after: float | None


def message_of(document: object, *, secret: SecretStr) -> str:
    """Find the server's message in any of the places it was seen in; scrubbed, empty if there is none."""
    if not isinstance(document, dict):
        return ""
    error = document.get("error")
    nested = error.get("message") if isinstance(error, dict) else error
    places = (nested, *(document.get(name) for name in ("message", "developer_message", "title", "data")))
    return next((scrub_foreign(text, secret=secret) for text in places if isinstance(text, str) and text.strip()), "")


def code_of(document: object) -> str | None:
    """Find the API's own code of an error."""
    error = document.get("error") if isinstance(document, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else None


def details_of(document: object, *, secret: SecretStr) -> list[FieldProblem]:
    """Find which fields a 422 complains of, and why; scrubbed."""
    error = document.get("error") if isinstance(document, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    problems = []
    for detail in details[:_MOST_PROBLEMS] if isinstance(details, list) else []:
        if isinstance(detail, dict):
            field, message = (
                scrub_foreign(str(detail.get(name) or ""), secret=secret) for name in ("field", "message")
            )
            problems.append(FieldProblem(field, message))
    return problems


def says_failure(document: Mapping[str, Any]) -> bool:
    """Whether the envelope says `success: false`, also as 0 or as a text."""
    success = document.get("success", True)
    return success is not None and (success in (False, 0) or str(success).strip().lower() == "false")


def says_success(document: object) -> bool:
    """Whether the envelope says `success: true` literally. Only a write needs that."""
    success = document.get("success") if isinstance(document, dict) else None
    return success is True or (isinstance(success, str) and success.strip().lower() == "true")


# Lists.


def list_of(document: object, name: str, *, is_first: bool = True) -> list[Any]:
    """Find the list of a page: `data`, or `name` inside `data` or beside it. Raises UnreadableAnswer without one.

    An empty list may also come as null, {} or an empty text; where the total is 0 it may be left out. `is_first`: on
    the first page these are not read as empty while the total says that there is something.
    """
    if not isinstance(document, dict):
        raise UnreadableAnswer(f"the answer holds no list of {name}")
    data = document.get("data")
    nested = data.get(name) if isinstance(data, dict) else None
    for place in (data, nested, document.get(name)):
        if isinstance(place, list):
            return place
    _, total = paging_of(document, limit=1)
    holder = data if isinstance(data, dict) and data else document
    said = [holder[key] for key in ("data", name) if key in holder]
    is_empty = all(one is None or one in ({}, "") for one in said) and (bool(said) or total == 0)
    if is_empty and (total in (None, 0) or not is_first):
        return []
    raise UnreadableAnswer(f"the answer holds no list of {name}")


def paging_of(document: Mapping[str, Any], *, limit: int) -> tuple[int, int | None]:
    """Find (page size, total) of a page: `pagination` beside or inside `data`, or the campaign list's `rows`, `count`.

    A server that gives fewer records a page than were asked for may say so here. Otherwise the size is the one asked
    for.
    """
    data = document.get("data")
    inner = data if isinstance(data, dict) else {}
    size = total = None
    for place in (document.get("pagination"), inner.get("pagination")):
        if isinstance(place, dict):
            size = parse_int(place.get("limit")) if size is None else size
            total = parse_int(place.get("total")) if total is None else total
    for place in (document, inner):
        size = parse_int(place.get("rows")) if size is None else size
        for name in ("count", "total"):
            total = parse_int(place.get(name)) if total is None else total
    return (
        size if size is not None and 1 <= size <= limit else limit,
        total if total is not None and total >= 0 else None,
    )


def object_of(document: object) -> Mapping[str, Any]:
    """Give the answer's `data` where it is an object, else the answer itself (the flat report)."""
    if not isinstance(document, dict):
        raise UnreadableAnswer("the answer is not an object")
    data = document.get("data")
    return data if isinstance(data, dict) else document


# Headers.


def retry_after(headers: Mapping[str, str], *, now: dt.datetime) -> float | None:
    """Read `Retry-After` (seconds, or a date by the server's own clock where it sends one); 0 to LONGEST_PAUSE seconds.

    None where none was sent, or one without a meaning, such as a negative number: the caller then decides how long.
    """
    text = headers.get("retry-after", "")[:_LONGEST_HEADER].strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]*)?", text):
        return _bounded(float(text))
    moment = http_date(text)
    return _bounded((moment - _server_now(headers, now)).total_seconds()) if moment else None


def rate_headers(headers: Mapping[str, str], *, now: dt.datetime) -> RateHeaders:
    """Read `X-RateLimit-*`; `Reset` as Unix time in seconds or milliseconds, or as a span in seconds."""
    limit, remaining, reset = (
        parse_int(headers.get(f"x-ratelimit-{name}", "").partition(".")[0]) for name in ("limit", "remaining", "reset")
    )
    after: float | None = None
    if reset is not None and reset >= 0:
        seconds = reset / 1000 if reset >= _FIRST_MILLISECONDS else float(reset)
        after = _bounded(seconds if seconds < _FIRST_MOMENT else seconds - _server_now(headers, now).timestamp())
    return RateHeaders(
        limit=limit if limit is not None and limit > 0 else None,
        remaining=remaining if remaining is not None and remaining >= 0 else None,
        reset_after=after,
    )


def clock_skew(headers: Mapping[str, str], *, started_at: dt.datetime, finished_at: dt.datetime) -> float | None:
    """Seconds by which the server's clock (its `Date`) is ahead of ours, 0 within WORTH_A_WORD; None where not known.

    An answer from a cache (it has `Age`) tells no time.
    """
    date = None if "age" in headers else http_date(headers.get("date", ""))
    if date is None:
        return None
    # It is in whole seconds, of some moment between our request and the answer.
    ahead = (date - finished_at).total_seconds()
    behind = (date + dt.timedelta(seconds=1) - started_at).total_seconds()
    skew = max(ahead, 0.0) + min(behind, 0.0)
    return skew if abs(skew) > WORTH_A_WORD else 0.0


def _bounded(seconds: float) -> float:
    return min(max(0.0, seconds), LONGEST_PAUSE)


def http_date(text: str) -> dt.datetime | None:
    """Read a date as HTTP writes it; None where it is none."""
    if len(text) > _LONGEST_DATE:
        return None
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _server_now(headers: Mapping[str, str], now: dt.datetime) -> dt.datetime:
    """Give the server's clock by its `Date` header: a wait computed from two clocks would contain their difference."""
    return http_date(headers.get("date", "")) or now
