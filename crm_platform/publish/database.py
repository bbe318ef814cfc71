"""The snapshot's DuckDB file: filled from its Parquet files, with comments, by a process that never saw anything else.

What belongs here: the statements that fill the file, and the process that runs them. What does not: which rows and
columns leave (parquet.py).

DuckDB leaves in the unused end of a block what that memory held before (duckdb/duckdb issue 23382). In the process that
reads the warehouse these are rows of people: numbers, ids, texts. Its Parquet writer leaves nothing. So the file is
written by a process that knows neither the warehouse nor a key, and that reads the Parquet files alone, or what was
written so before.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from crm_platform.errors import GiveUp, no_room, no_room_in
from crm_platform.publish import database_writer
from crm_platform.publish.files import literal
from crm_platform.schemas import Column, KpiTable, Table
from crm_platform.settings import environment_without_secrets
from crm_platform.warehouse.duckdb import TYPES

_CONFIG = {
    # Analysts' tools bring DuckDB versions of their own; the file is 2 % larger for it.
    "storage_compatibility_version": "v1.0.0",
    # It copies in the order of the Parquet files: that needs no more, however large they are.
    "memory_limit": "128MB",
    "threads": 1,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


ABOUT_PUBLISHED: Mapping[str, str] = {
    "chat": " A keyed pseudonym.",
    "message": " A keyed pseudonym.",
    "masked": " What looks like an e-mail address or a telephone number is masked, what is longer than 200 is cut.",
}


def write_database(path: Path, tables: Mapping[type[Table], Mapping[str, Column]], *, base: Path | None = None) -> None:
    """Make the file at `path` of the Parquet files in its folder: these tables with these columns, and comments.

    `base`: a file like it, whose other tables are taken over. Raises GiveUp with DuckDB's words when it cannot be
    written.
    """
    if base is not None:
        shutil.copyfile(base, path)
    job = {
        "file": path.name,
        "config": _CONFIG,
        "tables": [list(_statements(table, columns, path.parent)) for table, columns in tables.items()],
    }
    # In the folder itself, because a path to it may hold what DuckDB takes for a pattern.
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-P", database_writer.__file__],
        cwd=path.parent,
        env=environment_without_secrets(),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        try:
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
        except BrokenPipeError:  # it has ended already, and says why
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        said = process.stderr.read().strip()
    if why := no_room_in(said):
        raise no_room(path, why)
    if process.returncode != 0:
        raise GiveUp(f"{path.name} could not be written: {said or f'its writer ended with {process.returncode}'}")


def _statements(table: type[Table], columns: Mapping[str, Column], folder: Path) -> Iterator[str]:
    name = table.full_name()
    yield f"create schema if not exists {table.schema}"
    selected = ", ".join(f'"{column}"::{TYPES[declared.type]} as "{column}"' for column, declared in columns.items())
    files = ", ".join(literal(file.relative_to(folder).as_posix()) for file in _parquet_files(table, folder))
    yield f"drop table if exists {name}"
    yield f"create table {name} as select {selected} from read_parquet([{files}], hive_partitioning = false)"
    yield f"comment on table {name} is {literal(_table_comment(table))}"
    for column, declared in columns.items():
        yield f'comment on column {name}."{column}" is {literal(_column_comment(declared))}'


def _parquet_files(table: type[Table], folder: Path) -> Sequence[Path]:
    """One file, or one for each local month."""
    file = folder / table.schema / f"{table.table}.parquet"
    return [file] if file.exists() else sorted(file.with_suffix("").glob("*.parquet"))


def _table_comment(table: type[Table]) -> str:
    version = f" Definition version {table.version}." if issubclass(table, KpiTable) else ""
    return f"{table.description()} Key: {', '.join(table.key) or 'one row'}.{version}"


def _column_comment(column: Column) -> str:
    unit = f" [{column.unit}]" if column.unit else ""
    what = ABOUT_PUBLISHED.get(column.published, "")
    return f"{column.description}{what}{unit}"
