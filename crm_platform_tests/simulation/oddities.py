"""How the server's answers depart from its contract, and what it lists in truth.

What belongs here: pages, totals, dates and refusals as Scenario.odd has them, and the same facts for those who check.
What does not: what happens to the world or on the wire (crm.py).
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

from crm_platform.sandbox import SandboxResponse
from crm_platform.sandbox.chance import HOUR
from crm_platform.sandbox.records import Record, encode, iso
from crm_platform.sandbox.shapes import Shapes
from crm_platform_tests.simulation.scenario import HIDDEN, ODD_DATES, SAID_SIZES, WRONG_TOTALS, Scenario

KEYS: Final = {"message": "message_id", "contact": "chat_id", "campaign": "campaign_id"}
LIST_OF: Final = {"message": "messages", "contact": "contacts", "campaign": "campaigns"}
DATES_OF: Final = {"message": "timestamp", "contact": "created_at", "campaign": "scheduled_at"}
HIDDEN_ONE_IN: Final = 37
ODD_DATE_ONE_IN: Final = {"message": 29, "contact": 7, "campaign": 5}
REFUSED_ONE_IN: Final = {"chat": 7, "report": 4}
TOO_HIGH_BY: Final = 5
AHEAD: Final = 3 * HOUR
_MARK: Final = "is hidden"

_REFUSALS: Final[dict[str, tuple[int, Record]]] = {
    "403": (403, {"success": False, "error": {"code": "FORBIDDEN", "message": "You may not read this"}}),
    "401": (401, {"success": False, "developer_message": "This key may not read this"}),
    "success: false": (200, {"success": False, "message": "This has not been sent yet"}),
    "500": (500, {"success": False, "error": {"code": "INTERNAL_ERROR", "message": "Something went wrong"}}),
}


def _drawn(purpose: str, name: object, one_in: int) -> bool:
    """Whether something of this name is chosen for a purpose; the same at every look."""
    return zlib.crc32(f"{purpose} {name}".encode()) % one_in == 0


class OddShapes(Shapes):
    """The sandbox's shapes, and odd dates. A message without a usable date is broken."""

    def __init__(self, scenario: Scenario, *, count: Callable[[str], None]) -> None:
        super().__init__(scenario.shapes)
        self._odd = scenario.odd
        self._count = count
        self.is_answering = False
        self._names = [name for name in ODD_DATES if ODD_DATES[name] is not None or self._odd.is_ahead]

    def odd_date(self, kind: str, record: Record) -> str | None:
        """How a record is dated, if not rightly: a key of ODD_DATES."""
        key = record[KEYS[kind]]
        if kind not in self._odd.dates or not _drawn(f"date of {kind}", key, ODD_DATE_ONE_IN[kind]):
            return None
        if super().break_of(kind, record) is not None:
            return None
        return self._names[zlib.crc32(f"which date {key}".encode()) % len(self._names)]

    def is_ahead(self, record: Record) -> bool:
        """Whether a message is dated hours ahead, and kept all the same."""
        name = self.odd_date("message", record)
        return name is not None and ODD_DATES[name] is None

    def break_of(self, kind: str, record: Record) -> str | None:
        if kind == "message" and self.odd_date(kind, record) is not None and not self.is_ahead(record):
            return "timestamp"
        return super().break_of(kind, record)

    def is_hidden(self, kind: str, record: Record) -> bool:
        """Whether no page holds a record that the totals count."""
        return LIST_OF[kind] in self._odd.hidden and _drawn("hidden", record[KEYS[kind]], HIDDEN_ONE_IN)

    def shaped(self, kind: str, record: Record) -> Record:
        # Whatever is asked of a record, before it is disfigured.
        name, own = self.odd_date(kind, record), record.get(DATES_OF[kind])
        is_hidden = self.is_answering and self.is_hidden(kind, record)
        shaped = super().shaped(kind, record)
        if name is not None and isinstance(own, int):
            shaped[DATES_OF[kind]] = ODD_DATES[name] or iso(own + AHEAD)
            if self.is_answering:
                self._count(f"date: {name}")
        if is_hidden:
            shaped[_MARK] = True
        return shaped


class Departures:
    """What is done to answers on their way out."""

    def __init__(self, scenario: Scenario, *, count: Callable[[str], None]) -> None:
        self._odd = scenario.odd
        self._count = count
        self.refuses = False
        self.refused: Counter[str] = Counter()  # path → times that it was refused

    def is_refused(self, kind: str, name: str) -> bool:
        """Whether a `chat` or a `report` is refused, while any is."""
        return bool(self._odd.refusals) and _drawn("refused", name, REFUSED_ONE_IN[kind])

    def refusal(self, answer: SandboxResponse, path: str, kind: str, name: str) -> SandboxResponse:
        """Refuse an object, if it is one of those; limits and the sandbox's own faults go first."""
        if not self.refuses or answer.cut is not None or answer.status in (429, 503) or not self.is_refused(kind, name):
            return answer
        how = self._odd.refusals[zlib.crc32(f"how refused {name}".encode()) % len(self._odd.refusals)]
        self.refused[path] += 1
        self._count(f"refused: {how}")
        status, body = _REFUSALS[how]
        return dataclasses.replace(answer, status=status, body=encode(body).encode())

    def listed(self, answer: SandboxResponse, name: str, *, asked: int, size: int) -> SandboxResponse:
        """A page of a list as it goes out; `asked`: records that were asked for, `size`: that it could hold."""
        odd = self._odd
        said_size = odd.said_size if size < asked else None
        if answer.status != 200 or not (said_size or name in odd.hidden or name in odd.totals):
            return answer
        try:
            body = json.loads(answer.body)
        except ValueError:
            return answer  # half of an answer
        if body.get("success") is not True or "data" not in body:
            return answer
        inner = body["data"] if isinstance(body["data"], dict) else body
        records = "messages" if inner is not body else "data"
        about, total, limit = (
            (body, "count", "rows") if name == "campaigns" else (inner["pagination"], "total", "limit")
        )
        if name in odd.hidden:
            kept = [one for one in inner[records] if _MARK not in one]
            self._met(HIDDEN, times=len(inner[records]) - len(kept))
            inner[records] = kept
        if said_size is not None:
            self._met(SAID_SIZES[said_size])
            about[limit] = asked
            if said_size == "none":
                del about[limit]
        if (wrong := odd.totals.get(name)) is not None:
            self._met(WRONG_TOTALS[wrong])
            about[total] = len(inner[records]) if wrong == "of the page" else about[total] + TOO_HIGH_BY
            if wrong == "missing":
                del about[total]
        return dataclasses.replace(answer, body=encode(body).encode())

    def _met(self, what: str, *, times: int = 1) -> None:
        if times:
            self._count(what)


def shown(shapes: OddShapes, kind: str, records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records of a list that any page holds."""
    return [one for one in records if not shapes.is_hidden(kind, one)]
