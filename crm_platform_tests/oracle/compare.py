"""Two versions of one table, and what differs between them in words.

What belongs here: reading cells as what they mean whoever wrote them. What does not: knowing any table.
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
from collections.abc import Iterable, Mapping, Sequence

Row = Mapping[str, object]


def differences(
    expected_rows: Iterable[Row], actual_rows: Iterable[Row], key: Sequence[str], tolerance: float = 1e-6
) -> list[str]:
    """Say in one line each which rows and cells of `actual_rows` are not as expected; an empty list: all equal.

    Compared are the columns of the expected rows; others in the actual rows are left alone. Numbers may differ by
    `tolerance`, relative to the expected one where that is larger than 1. A naive instant is read as UTC. NaN and
    infinity equal nothing, not even themselves: no published float is either.
    """
    expected, problems = _by_key(expected_rows, key, "expected")
    actual, more_problems = _by_key(actual_rows, key, "actual")
    problems += more_problems
    for row_key, row in expected.items():
        place = _place(key, row_key)
        if row_key not in actual:
            problems.append(f"{place}: row is missing")
            continue
        for column, wanted in row.items():
            if column not in actual[row_key]:
                problems.append(f"{place} {column}: column is missing")
            elif not _equal(_plain(wanted), _plain(actual[row_key][column]), tolerance):
                found = _plain(actual[row_key][column])
                problems.append(f"{place} {column}: expected {_plain(wanted)!s}, found {found!s}")
    problems += [f"{_place(key, row_key)}: row is not expected" for row_key in actual if row_key not in expected]
    return problems


def _by_key(rows: Iterable[Row], key: Sequence[str], side: str) -> tuple[dict[tuple[object, ...], Row], list[str]]:
    found: dict[tuple[object, ...], Row] = {}
    problems = []
    for row in rows:
        row_key = tuple(_plain(row[column]) for column in key)
        if row_key in found:
            problems.append(f"{_place(key, row_key)}: stands twice in the {side} rows")
        found[row_key] = row
    return found, problems


def _place(key: Sequence[str], row_key: tuple[object, ...]) -> str:
    return ", ".join(f"{column}={value}" for column, value in zip(key, row_key, strict=True)) or "the row"


def _plain(value: object) -> object:
    """The cell as plain Python: numpy's, pandas' and the database's own types made one."""
    if not isinstance(value, dt.date) and hasattr(value, "item"):
        value = value.item()
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime()
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)
    return value


def _equal(expected: object, actual: object, tolerance: float) -> bool:
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, int | float) and isinstance(actual, int | float):
        return math.isfinite(actual) and abs(expected - actual) <= tolerance * max(1.0, abs(expected))
    if isinstance(expected, dt.date) and not isinstance(expected, dt.datetime) and isinstance(actual, dt.datetime):
        return actual == dt.datetime.combine(expected, dt.time(), dt.UTC)  # a date column that pandas made an instant
    return type(expected) is type(actual) and expected == actual
