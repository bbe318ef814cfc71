"""Odd shapes: real answers that differ from the contract.

What belongs here: how a clean record is changed into an odd one, and which records are. What does not: broken HTTP
(`faults.py`). Whether a record is hit follows from its own id, so that it looks the same in every answer and the truth
can say what was done.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import Final

from crm_platform.sandbox.chance import LOCAL_OFFSET
from crm_platform.sandbox.records import Record, clock_text, iso, written

SHAPES: Final = {
    "flat-messages": "messages as {data: […], pagination}",
    "nested-messages": "messages as {data: {messages: […], pagination}} (the default)",
    "mixed-messages": "one or the other, by chat",
    "wrapped-reports": "reports inside a `data` object",
    "no-created-at": "contacts without created_at",
    "epoch": "timestamps as seconds or milliseconds since 1970, numbers or digits",
    "offset": "timestamps with +03:00",
    "naive": "timestamps without a zone (meant as UTC)",
    "upper": "enums in upper case",
    "unknown-fields": "fields that no document mentions",
    "broken": "a few records without key, usable timestamp or direction",
    "agent-spellings": "operators' addresses in several spellings, by message",
    "merged-contacts": "every tenth chat holds another chat's messages, too, as after contacts were merged",
}
ALL: Final = "all"
_NOT_IN_ALL: Final = frozenset({"flat-messages", "nested-messages", "agent-spellings", "merged-contacts"})
"""What goes with no other, and what is another world rather than another form of this one."""

_ENUMS: Final = ("type", "direction", "status")
_BROKEN_ONE_IN: Final = {"message": 173, "contact": 307, "campaign": 19}
_KEYS: Final = {"message": "message_id", "contact": "chat_id", "campaign": "campaign_id"}


def _epoch(at: int, mark: int) -> object:
    if at % 1000 == 0 and mark & 1:
        return at // 1000 if mark & 2 else str(at // 1000)
    return at if mark & 2 else str(at)


# Ways to write a time, given the record's mark.
_TIME_FORMS: Final[dict[str, Callable[[int, int], object]]] = {
    "epoch": _epoch,
    "offset": lambda at, _mark: clock_text(at + LOCAL_OFFSET) + "+03:00",
    "naive": lambda at, _mark: clock_text(at),
}

# Ways to write an operator's address.
_SPELLINGS: Final[tuple[Callable[[str], str], ...]] = (str, str.title, str.upper, " {} ".format)


class Shapes:
    """The odd shapes that are switched on. `names`: keys of `SHAPES`, or `all` for every one that can go together."""

    def __init__(self, names: Iterable[str]) -> None:
        self._on = set(names)
        if ALL in self._on:
            self._on |= set(SHAPES) - _NOT_IN_ALL
        self._forms = [form for name, form in _TIME_FORMS.items() if name in self._on]
        if len(self._forms) != 1:  # several at once: by record, some of them usual
            self._forms.append(lambda at, _mark: iso(at))
        self._changes_records = bool(
            self._on - {"flat-messages", "nested-messages", "mixed-messages", "wrapped-reports", "merged-contacts"}
        )

    def nests_messages(self, chat_id: str) -> bool:
        """Whether this chat's messages come inside a `data` object."""
        if "mixed-messages" in self._on:
            return zlib.crc32(chat_id.encode()) & 1 == 0
        return "flat-messages" not in self._on

    @property
    def merges_contacts(self) -> bool:
        """Whether some chats hold the messages of another, too."""
        return "merged-contacts" in self._on

    @property
    def wraps_reports(self) -> bool:
        """Whether reports come inside a `data` object."""
        return "wrapped-reports" in self._on

    def break_of(self, kind: str, record: Record) -> str | None:
        """What is broken about a record on purpose: the name of the field, None when nothing is.

        `kind`: `message`, `contact` or `campaign`.
        """
        if "broken" not in self._on:
            return None
        mark = self._mark(kind, record)
        if mark % _BROKEN_ONE_IN[kind]:
            return None
        if kind == "message":
            return ("message_id", "timestamp", "direction")[(mark >> 12) % 3]
        return _KEYS[kind]

    @staticmethod
    def _mark(kind: str, record: Record) -> int:
        return zlib.crc32(f"{kind} {record[_KEYS[kind]]}".encode())

    def shaped(self, kind: str, record: Record) -> Record:
        """A record as it goes out; `kind` as in `break_of`."""
        if not self._changes_records:
            return written(record)
        mark = self._mark(kind, record)
        shaped = written(record, self._time_writer(mark))
        if kind == "contact" and "no-created-at" in self._on:
            shaped.pop("created_at", None)
        if "upper" in self._on:
            for name in _ENUMS:
                if isinstance(value := shaped.get(name), str):
                    shaped[name] = value.upper()
        if "agent-spellings" in self._on and isinstance(operator := shaped.get("operator_email"), str):
            shaped["operator_email"] = _SPELLINGS[mark % len(_SPELLINGS)](operator)
        if "unknown-fields" in self._on:
            shaped["labels"] = ["new", "imported"][: mark % 3]
            shaped["_internal"] = {"shard": mark % 16, "score": 0.5, "note": None}
        if (field := self.break_of(kind, record)) is not None:
            self._break(shaped, field, (mark >> 20) % 3)
        return shaped

    @staticmethod
    def _break(shaped: Record, field: str, way: int) -> None:
        if way == 0:
            del shaped[field]
        elif way == 1:
            shaped[field] = None
        else:
            shaped[field] = {"timestamp": "yesterday", "direction": "sideways"}.get(field, "")

    def _time_writer(self, mark: int) -> Callable[[int], object]:
        form = self._forms[(mark >> 8) % len(self._forms)]
        return lambda at: form(at, mark >> 16)

    def report(self, record: Record) -> Record:
        """A report as it goes out."""
        if "unknown-fields" in self._on:
            return {**record, "generated_by": "crm", "cost": {"currency": "KES", "amount": 12.5}}
        return record
