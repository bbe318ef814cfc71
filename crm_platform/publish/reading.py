"""Opening a snapshot's DuckDB file, and saying in a line that it is broken.

What belongs here: what every reader of a snapshot in this program does. What does not: what is asked of it, the one
that the dashboards keep open (serving/snapshots.py).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import duckdb

from crm_platform.errors import GiveUp
from crm_platform.publish.manifest import DATABASE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def told_when_broken(folder: Path) -> Iterator[None]:
    """Raise GiveUp, naming the snapshot, in place of what DuckDB says of a file that is damaged, foreign or not there.

    A question that is wrong stays DuckDB's error.
    """
    try:
        yield
    except (
        duckdb.IOException,
        duckdb.FatalException,
        duckdb.SerializationException,
        duckdb.InternalException,
    ) as problem:
        raise _broken(folder, problem) from problem
    except duckdb.Error as problem:
        if type(problem) is duckdb.Error:  # of no kind: a checksum is wrong
            raise _broken(folder, problem) from problem
        raise


def _broken(folder: Path, problem: duckdb.Error) -> GiveUp:
    words = str(problem).partition("\n")[0][:200]
    return GiveUp(f"the snapshot {folder.name} is broken: publish again (crm build). {words}")


@contextlib.contextmanager
def reading(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the snapshot in a folder for a while, in UTC. Raises GiveUp when it is broken, also while it is read."""
    with told_when_broken(folder), duckdb.connect(str(folder / DATABASE), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection
