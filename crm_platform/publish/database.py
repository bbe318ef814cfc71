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
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from crm_platform.errors import GiveUp, no_room, no_room_in
from crm_platform.publish import database_writer
from crm_platform.publish.files import literal
from crm_platform.publish.parquet import Renewal
from crm_platform.schemas import Column, KpiTable, Table
from crm_platform.settings import environment_without_secrets
from crm_platform.warehouse.digests import line_sql
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


_SMALL = 256 * 1024
"""Bytes of Parquet: tables that have no more are written in one transaction, which is held in memory."""

ABOUT_PUBLISHED: Mapping[str, str] = {
    "chat": " A keyed pseudonym.",
    "message": " A keyed pseudonym.",
    "masked": " What looks like an e-mail address or a telephone number is masked, what is longer than 200 is cut.",
}


Writer = subprocess.Popen[str]
"""The process that writes the file: it waits in the snapshot's folder for what to do."""


def begin_writer(folder: Path) -> Writer:
    """Start the process: it loads its engine while the Parquet files are written. As a context it ends with the block.

    In the folder itself, because a path to it may hold what DuckDB takes for a pattern.
    """
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-P", database_writer.__file__],
        cwd=folder,
        env=environment_without_secrets(),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


class Database:
    """The file as its process writes it, which is told each table as soon as its Parquet files are there.

    `tables`: all of them, with the columns that they have here. `base`: a file like it that is taken over, but for what
    is told. Where the process has ended, `end` says why.
    """

    def __init__(
        self, writer: Writer, path: Path, tables: Mapping[type[Table], Mapping[str, Column]], *, base: Path | None
    ) -> None:
        self._writer, self._path, self._tables = writer, path, tables
        self._turns = threading.Lock()
        self._begin(base)

    def write(self, table: type[Table], renewal: Renewal) -> None:
        """Write what is not the same in a table; all of it where nothing is taken over. Threads may call it."""
        columns, folder = self._tables[table], self._path.parent
        if not self._is_made_of_base:
            statements = list(_made(table, columns, folder))
        elif renewal.is_whole:
            statements = list(_filled_anew(table, columns, folder))
        else:
            statements = list(_renewed(table, columns, renewal.months))
        size = sum(file.stat().st_size for file in _parquet_files(table, folder))
        if statements:
            self._say({"statements": statements, "is_small": size <= _SMALL})

    def begin_anew(self) -> None:
        """Take nothing over after all, and write every table: their Parquet files are there."""
        self._begin(None)
        for table in self._tables:
            self.write(table, Renewal(is_whole=True))

    def end(self) -> None:
        """Wait until the file is whole. Raises GiveUp with DuckDB's words when it cannot be written."""
        self._say({"end": True})
        assert self._writer.stderr is not None
        said = self._writer.stderr.read().strip()
        self._writer.wait()
        if why := no_room_in(said):
            raise no_room(self._path, why)
        if self._writer.returncode != 0:
            reason = said or f"its writer ended with {self._writer.returncode}"
            raise GiveUp(f"{self._path.name} could not be written: {reason}")

    def _begin(self, base: Path | None) -> None:
        self._is_made_of_base = base is not None
        self._say({"file": self._path.name, "config": _CONFIG, "base": base and str(base)})

    def _say(self, job: Mapping[str, object]) -> None:
        assert self._writer.stdin is not None
        with self._turns:
            try:
                self._writer.stdin.write(json.dumps(job) + "\n")
                self._writer.stdin.flush()
            except BrokenPipeError:  # it has ended already, and says why
                with contextlib.suppress(BrokenPipeError):
                    self._writer.stdin.close()
            except ValueError:  # and was told before
                pass


def _selected(columns: Mapping[str, Column]) -> str:
    return ", ".join(f'"{column}"::{TYPES[declared.type]} as "{column}"' for column, declared in columns.items())


def _made(table: type[Table], columns: Mapping[str, Column], folder: Path) -> Iterator[str]:
    name = table.full_name()
    yield f"create schema if not exists {table.schema}"
    yield f"create table {name} as {_rows(table, columns, folder)}"
    yield f"comment on table {name} is {literal(_table_comment(table))}"
    for column, declared in columns.items():
        yield f'comment on column {name}."{column}" is {literal(_column_comment(declared))}'


def _filled_anew(table: type[Table], columns: Mapping[str, Column], folder: Path) -> Iterator[str]:
    """Put other rows into a table that is declared as before: its comments stay."""
    yield f"truncate {table.full_name()}"
    yield f"insert into {table.full_name()} {_rows(table, columns, folder)}"


def _rows(table: type[Table], columns: Mapping[str, Column], folder: Path) -> str:
    files = ", ".join(literal(file.relative_to(folder).as_posix()) for file in _parquet_files(table, folder))
    return f"select {_selected(columns)} from read_parquet([{files}], hive_partitioning = false)"


def _renewed(table: type[Table], columns: Mapping[str, Column], months: Mapping[str, str]) -> Iterator[str]:
    """Take out what a month has no more, and add what it has anew: few rows, however many it has."""
    name, row = table.full_name(), line_sql(f'"{column}"' for column in columns)
    for file, where in months.items():
        month = f"select {_selected(columns)} from read_parquet({literal(file)}, hive_partitioning = false)"
        yield f"create temp table fresh as {month}"
        yield f"create temp table new as from fresh where {row} not in (select {row} from {name} where {where})"
        yield f"delete from {name} where {where} and {row} not in (select {row} from fresh)"
        yield f"insert into {name} from new"
        for temporary in ("fresh", "new"):
            yield f"drop table {temporary}"


def _parquet_files(table: type[Table], folder: Path) -> Sequence[Path]:
    """One file, or one for each local month and one of the newest days, in the order of time."""
    file = folder / table.schema / f"{table.table}.parquet"
    return [file] if file.exists() else sorted(file.with_suffix("").glob("*.parquet"), key=lambda path: path.stem)


def _table_comment(table: type[Table]) -> str:
    version = f" Definition version {table.version}." if issubclass(table, KpiTable) else ""
    return f"{table.description()} Key: {', '.join(table.key) or 'one row'}.{version}"


def _column_comment(column: Column) -> str:
    unit = f" [{column.unit}]" if column.unit else ""
    what = ABOUT_PUBLISHED.get(column.published, "")
    return f"{column.description}{what}{unit}"
