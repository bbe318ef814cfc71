"""Contacts that are left out on purpose: staff and test phones, as `CRM_EXCLUDE_CONTACTS` lists them.

What belongs here: reading that file, and which contacts it means. What does not: leaving them out (frozen.py).

A line is a number or a chat id; `#` at its beginning, or after a blank, begins a comment. Numbers are compared as the
API's are kept: in whatever spelling, with or without their plus.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from crm_platform.api.scalars import LONGEST_ID, parse_number
from crm_platform.errors import FixConfiguration, quoted
from crm_platform.schemas import ops, raw
from crm_platform.settings import LONGEST_LIST, text_in

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from crm_platform.settings import Settings
    from crm_platform.warehouse import Session

VARIABLE: Final = "CRM_EXCLUDE_CONTACTS"

_COMMENT: Final = re.compile(r"(?:^|\s)#")


@dataclass(frozen=True, slots=True)
class Exclusion:
    """`chat_ids`: who is left out; `unknown`: the numbers of lines that mean nobody."""

    chat_ids: frozenset[str] = frozenset()
    unknown: tuple[int, ...] = ()


def exclusion(session: Session, settings: Settings, *, cut: dt.datetime, source: str = "") -> Exclusion:
    """Find the contacts that the file means, of those known by an aware cut. `source`: as of `staff`.

    Raises FixConfiguration where the file cannot be read, with the line that is wrong.
    """
    if settings.exclude_contacts is None:
        return Exclusion()
    lines = read_exclusion(settings.exclude_contacts)
    words, numbers = list(lines), [_bare(word) for word in lines]
    found = session.query(
        f"""
        select chat_id, trim(leading '+' from whatsapp_number) as number
        from {source}{raw.Contacts.full_name()}
        where first_fetched_at <= ?
            and (chat_id in (select unnest(?)) or trim(leading '+' from whatsapp_number) in (select unnest(?)))
        union all
        select chat_id, null
        from {source}{ops.CrawlState.full_name()}
        where chat_id in (select unnest(?))
        """,
        [cut.replace(tzinfo=None), words, numbers, words],
    )
    chat_ids = frozenset(found["chat_id"].to_pylist())
    known = chat_ids | set(found["number"].to_pylist())
    unknown = (line for word, line in lines.items() if not {word, _bare(word)} & known)
    return Exclusion(chat_ids, tuple(unknown))


def read_exclusion(path: Path) -> dict[str, int]:
    """Read such a file: each number or chat id, and its line. Raises FixConfiguration with the line that is wrong."""
    try:
        text = text_in(path, of="a list of contacts", most=LONGEST_LIST)
    except ValueError as problem:
        raise FixConfiguration(f"{VARIABLE}: {problem}") from None
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        word = _COMMENT.split(line, maxsplit=1)[0].strip()
        if len(word) > LONGEST_ID or re.search(r"[,;\t]", word):
            raise FixConfiguration(
                f"{VARIABLE}: line {number} of {quoted(str(path))} is no number and no chat id: write one a line"
            )
        if word:
            found.setdefault(word, number)
    return found


def _bare(word: str) -> str:
    """A number without its plus, in the spelling that contacts are kept in; what is none stays as it is."""
    return (parse_number(word) or word).removeprefix("+")
