"""A program of its own: makes the snapshot's DuckDB file by the statements it is given, having seen nothing private.

What belongs here: as little as possible, and nothing of this package. What does not: what is in the file (database.py).

Each line of JSON on standard input says what to do next. Standard input stays open for as long as somebody wants the
result: a publisher that was killed takes this process with it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import duckdb

Jobs = SimpleQueue[dict[str, Any]]


def _listen(jobs: Jobs) -> None:
    rest = b""
    try:
        while said := os.read(0, 65_536):
            *lines, rest = (rest + said).split(b"\n")
            for line in lines:
                jobs.put(json.loads(line))
    finally:
        os._exit(1)  # the publisher is gone, or nobody hears it any more


def _write(begun: dict[str, Any], jobs: Jobs) -> dict[str, Any] | None:
    """Write the file as it is told, to the end; gives how it is begun anew, if that is told before.

    Each large table is a transaction, so that memory holds one; small ones share theirs.
    """
    file = Path(begun["file"])
    if begun["base"]:
        shutil.copyfile(begun["base"], file)
    with duckdb.connect(str(file), config=begun["config"]) as connection:
        connection.begin()
        while (job := jobs.get()).keys() == {"statements", "is_small"}:
            if not job["is_small"]:
                connection.commit()
                connection.begin()
            for statement in job["statements"]:
                connection.execute(statement)
            if not job["is_small"]:
                connection.commit()
                connection.begin()
        if "file" not in job:
            connection.commit()
            connection.execute("checkpoint")  # closing does the same, but says nothing when it fails
            return None
        connection.rollback()
    for left in (file, file.with_name(f"{file.name}.wal")):
        left.unlink(missing_ok=True)
    return job


def main() -> None:
    """Write the file, or die with what stood in the way on standard error."""
    jobs: Jobs = SimpleQueue()
    threading.Thread(target=_listen, args=[jobs], daemon=True).start()
    begun: dict[str, Any] | None = jobs.get()
    try:
        while begun is not None:
            begun = _write(begun, jobs)
    except (duckdb.Error, OSError) as problem:
        sys.exit(str(problem).splitlines()[0])


if __name__ == "__main__":
    main()
