"""Checks on the data itself: what one is, what it gives, and how it asks.

What belongs here: what the checks share. What does not: the checks (raw_checks.py, model_checks.py), a table's own
contract (schemas/ declare it, `models.validate` holds it), what a check said last (noted.py), Dagster's asset checks
(defs/ turns each of ours into one).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from crm_platform.schemas import Table

if TYPE_CHECKING:
    from crm_platform.settings import Settings
    from crm_platform.warehouse import Session

Figure = int | float | str


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found. `summary`: one sentence; `figures`: numbers worth plotting.

    It holds counts and names of tables and columns, never a value of a person.
    """

    passed: bool
    summary: str
    figures: Mapping[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DataCheck:
    """A check of one table: what it is called, what it holds, and whether a failure stops what comes after.

    `also`: other tables it reads, which must be there first.
    """

    table: type[Table]
    name: str
    description: str
    run: Callable[[Session, Settings, dt.datetime], CheckResult]
    is_blocking: bool = False
    also: tuple[type[Table], ...] = ()


def first_row(session: Session, sql: str, parameters: tuple[object, ...] = ()) -> dict[str, object]:
    """Fetch the first row of a query that always has one."""
    return session.query(sql, parameters).slice(0, 1).to_pylist()[0]  # type: ignore[no-any-return]


def number(value: object) -> int:
    """Read a count; an aggregate over no rows is 0."""
    return int(value) if isinstance(value, int | float | Decimal) else 0


def count(session: Session, relation: str) -> int:
    """Count the rows of a FROM clause."""
    return number(first_row(session, f"select count(*) as n from {relation}")["n"])


def stored(now: dt.datetime) -> dt.datetime:
    """Turn an aware instant into the form that the warehouse stores: UTC without a zone."""
    return now.astimezone(dt.UTC).replace(tzinfo=None)
