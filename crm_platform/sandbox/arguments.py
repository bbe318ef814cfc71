"""A request's query and body.

What belongs here: reading an argument and checking it by itself; a wrong one ends the request with a 422. What does
not: checks against the world (`operations.py`).
"""

from __future__ import annotations

import datetime as dt
import functools
import json
from collections.abc import Sequence
from typing import TypeVar
from urllib.parse import parse_qsl

from crm_platform.sandbox.people import is_e164
from crm_platform.sandbox.records import encode, milliseconds
from crm_platform.sandbox.responses import invalid

_T = TypeVar("_T")


class Arguments:
    """A request's query and body, checked as they are read."""

    def __init__(self, query: str, body: bytes) -> None:
        self._query = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
        self._raw = body

    # The query

    def page(self, *, limit: int) -> tuple[int, int]:
        """`page` and `limit`; `limit`: its default."""
        return self._number("page", 1), self._number("limit", limit, most=100)

    def _number(self, name: str, default: int, *, most: int | None = None) -> int:
        text = self._query.get(name)
        if text is None:
            return default
        # Twelve digits are enough for any page, and bound the work of int().
        value = int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else 0
        if value < 1 or (most is not None and value > most):
            invalid((name, f"must be a whole number from 1{f' to {most}' if most else ' up'}"))
        return value

    def word(self, name: str, default: str | None, allowed: Sequence[str]) -> str:
        """One of a few words."""
        value = self._query.get(name, default)
        if value is None or value not in allowed:
            invalid((name, f"must be one of {', '.join(allowed)}"))
        return value

    def query_text(self, name: str) -> str:
        """A text that must be there."""
        value = self._query.get(name)
        if not value:
            invalid((name, "is required"))
        return value

    def moment(self, name: str) -> int | None:
        """A time that may be missing."""
        text = self._query.get(name)
        return None if text is None else parse_moment(name, text)

    # The body

    @functools.cached_property
    def body(self) -> dict[str, object]:
        """The JSON object that was sent; an empty body is an empty object."""
        try:
            body = json.loads(self._raw) if self._raw.strip() else {}
            encode(body).encode()  # half of a surrogate pair is a ValueError: it could never be sent back
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            invalid(("body", "must be a JSON object"))
        return body

    def _optional(self, name: str, kind: type[_T], problem: str) -> _T | None:
        value = self.body.get(name)
        if value is not None and not isinstance(value, kind):
            invalid((name, problem))
        return value

    def text(self, name: str) -> str:
        """A text that must be there."""
        value = self.body.get(name)
        if not isinstance(value, str) or not value.strip():
            invalid((name, "is required and must be a text"))
        return value

    def optional_text(self, name: str) -> str | None:
        """A text that may be missing or null."""
        return self._optional(name, str, "must be a text")

    def flag(self, name: str) -> bool:
        """True or false; missing means false."""
        return bool(self._optional(name, bool, "must be true or false"))

    def texts(self, name: str) -> dict[str, str] | None:
        """An object of texts."""
        problem = "must be an object of texts"
        value = self._optional(name, dict, problem)
        if value is not None and not all(isinstance(one, str) for one in value.values()):
            invalid((name, problem))
        return value

    def receivers(self) -> list[str]:
        """Numbers of a campaign's receivers, in order."""
        given = self.body.get("receivers")
        if not isinstance(given, list) or not given:
            invalid(("receivers", "is required and must be a list that is not empty"))
        problems: list[tuple[str, str]] = []
        numbers: list[str] = []
        for place, one in enumerate(given):
            number = one.get("whatsapp_number") if isinstance(one, dict) else None
            if not isinstance(number, str) or not is_e164(number):
                problems.append((f"receivers[{place}].whatsapp_number", "must be a number like +254700000000"))
            elif not isinstance(one.get("variables"), dict | None):
                problems.append((f"receivers[{place}].variables", "must be an object"))
            else:
                numbers.append(number)
        if problems:
            invalid(*problems[:20])
        return numbers


def parse_moment(name: str, text: str) -> int:
    """Milliseconds of an ISO 8601 time; without a zone it is UTC."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        invalid((name, "must be a time such as 2026-01-05T09:00:00Z"))
    if not 1990 <= moment.year <= 2200:  # far from the ends of datetime, where zones overflow
        invalid((name, "must lie between 1990 and 2200"))
    return milliseconds(moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC))
