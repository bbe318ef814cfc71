"""The cut: where a build stands in time, and how it came to stand there.

What belongs here: what every step of a build knows of it. What does not: finding it out (frozen.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Cut:
    """What a build stands on: `as_of` (aware UTC) and, of a fresh one, the rows frozen by table.

    `number` counts the builds of a store, None where none is noted. Of a fresh one `chats` are those there is anything
    of, `changed_chats` those that have changed since the build before: all of them when it `is_full`.
    """

    as_of: dt.datetime
    rows: Mapping[str, int]
    number: int | None = None
    is_full: bool = True
    chats: int = 0
    changed_chats: int = 0
