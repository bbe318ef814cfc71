"""A program of its own: makes the snapshot's DuckDB file by the statements it is given, having seen nothing private.

What belongs here: as little as possible, and nothing of this package. What does not: what is in the file (database.py).

A line of JSON on standard input says what to do. Standard input stays open for as long as somebody wants the result: a
publisher that was killed takes this process with it.
"""

from __future__ import annotations

import json
import os
import sys
import threading

import duckdb


def _end_with_the_publisher() -> None:
    os.read(0, 1)  # nobody writes there: it returns when the other end is gone
    os._exit(1)


def main() -> None:
    """Write the file, or die with what stood in the way on standard error."""
    line = sys.stdin.readline()
    if not line:  # nothing is to be written after all
        return
    job = json.loads(line)
    threading.Thread(target=_end_with_the_publisher, daemon=True).start()
    try:
        with duckdb.connect(job["file"], config=job["config"]) as connection:
            for table in job["tables"]:
                connection.begin()  # for each, so that memory holds one
                for statement in table:
                    connection.execute(statement)
                connection.commit()
            connection.execute("checkpoint")  # closing does the same, but says nothing when it fails
    except duckdb.Error as problem:
        sys.exit(str(problem).splitlines()[0])


if __name__ == "__main__":
    main()
