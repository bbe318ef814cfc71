"""The custom fields that a contact may have.

What belongs here: their definitions, those of the start and those made through the API. What does not: a contact's
values (`people.py`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

from crm_platform.sandbox.chance import DAY, NEVER, derive

_AT_FIRST: Final = (
    ("Segment", "text"),
    ("VIP", "text"),
    ("City", "text"),
    ("Language", "text"),
    ("Loyalty points", "number"),
)


@dataclass(frozen=True, slots=True)
class CustomField:
    """A custom field's definition; times in milliseconds."""

    field_id: str
    name: str
    type: str
    required: bool
    default: str | None
    created_at: int
    deleted_at: int = NEVER

    def exists(self, at: int) -> bool:
        """Whether it exists at a time."""
        return self.created_at <= at < self.deleted_at


class CustomFields:
    """The definitions of a world; `began`: when its history begins."""

    def __init__(self, seed: int, *, began: int) -> None:
        self._seed = seed
        self._all = [
            CustomField(self._id(name), name, kind, required=False, default=None, created_at=began - (9 - k) * DAY)
            for k, (name, kind) in enumerate(_AT_FIRST)
        ]

    def _id(self, *parts: object) -> str:
        return f"fld_{derive(self._seed, *parts) & 0xFFFFFFFF:08x}"

    def existing(self, at: int) -> list[CustomField]:
        """Definitions that exist at a time."""
        return [field for field in self._all if field.exists(at)]

    def create(self, name: str, kind: str, *, required: bool, default: str | None, now: int) -> CustomField:
        """A new definition."""
        field = CustomField(self._id("field", len(self._all)), name, kind, required, default, now)
        self._all.append(field)
        return field

    def delete(self, field_id: str, now: int) -> bool:
        """Take a definition, and with it every value, away. False when there is none of this id."""
        for place, field in enumerate(self._all):
            if field.field_id == field_id and field.exists(now):
                self._all[place] = dataclasses.replace(field, deleted_at=now)
                return True
        return False
