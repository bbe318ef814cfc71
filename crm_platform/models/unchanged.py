"""Tables that a build need not compute: all that they follow from is as it was when they were computed last.

What belongs here: what that is of a table that is computed as a whole. What does not: tables by chat (incremental.py),
figures of which some keys are computed again (touched.py).

Such a table follows from its SELECT and the rows that this reads. The SELECT holds all that is of the settings and the
local day; where it names the cut's own instant, but for the column `as_of`, the table is always computed. The rows of
tables that are not by chat are digested; of those by chat the build knows whether any is another.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

from crm_platform.models.incremental import built_tables, by_chat
from crm_platform.models.once import digest_once
from crm_platform.models.render import code_version, dependencies
from crm_platform.schemas import KpiTable, Table
from crm_platform.tables import TABLES

if TYPE_CHECKING:
    from crm_platform.models.cut import Cut
    from crm_platform.warehouse import BuildSession, Session

_AS_OF = "as_of"


def frame_of_whole(session: Session, table: type[Table], sql: str, cut: Cut) -> str | None:
    """Digest of all that decides a table's rows but `as_of`, of tables by chat only that they are as they were.

    None where that is not so, or where the cut's instant decides more. `sql`: the SELECT at this cut.
    """
    instant = _instant(cut)
    own = int(issubclass(table, KpiTable))
    if sql.count(instant) != own or len(re.findall(rf"\b{_AS_OF}\b", sql)) != own:
        return None
    built, read = built_tables(session), sorted(dependencies(table))
    for name in filter(lambda name: by_chat(TABLES[name]), read):
        its = built.get(name)
        if its is None or its["build"] != cut.number or its["since"] is None or its["touched"]:
            return None
    held = {name: _digest(session, TABLES[name]) for name in read if not by_chat(TABLES[name])}
    parts = [code_version(table), sql.replace(instant, ""), held]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def is_unchanged(session: Session, table: type[Table], frame: str | None, cut: Cut) -> bool:
    """Whether a table's rows are those that this build would compute, but for `as_of`."""
    built = built_tables(session)
    mine = built.get(table.full_name())
    if frame is None or mine is None or mine["frame"] != frame or mine["build"] == cut.number:
        return False
    chats = [built[name]["since"] for name in dependencies(table) if by_chat(TABLES[name])]
    return all(since == mine["build"] for since in chats)


def move_on(session: BuildSession, table: type[Table], cut: Cut) -> None:
    """Let a table's rows stand for this cut."""
    if issubclass(table, KpiTable):
        session.execute(f"update {table.full_name()} set {_AS_OF} = timestamp '{_instant(cut)}'")


def _digest(session: Session, table: type[Table]) -> str:
    """Digest of a table's rows but for `as_of`."""
    return digest_once(session, table, without=[_AS_OF] if issubclass(table, KpiTable) else ())


def _instant(cut: Cut) -> str:
    """The cut as SELECTs name it."""
    return f"{cut.as_of:%Y-%m-%d %H:%M:%S.%f}"
