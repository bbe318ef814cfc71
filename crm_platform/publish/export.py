"""Published tables as files to take along: Parquet, CSV, Excel.

What belongs here: which rows are written, and showing finished files in one step. What does not: which tables somebody
asks for and how they are told (cli/analysts.py), the KPI API's downloads (serving/).

CSV is as csv_writer.py says, Excel as excel.py says. Parquet keeps every text as it is, and carries what it is of as
metadata.

A snapshot may be older than this program: a table or a column declared since then is not in it, and not exported.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args

import duckdb

from crm_platform.errors import GiveUp, InvalidRequest
from crm_platform.publish.audit import Audit
from crm_platform.publish.csv_writer import write_csv
from crm_platform.publish.files import literal, sync_folder
from crm_platform.publish.manifest import Manifest, Snapshot, read_manifest
from crm_platform.publish.parquet import published_columns
from crm_platform.publish.reading import told_when_broken
from crm_platform.schemas import Column, KpiTable, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from crm_platform.settings import Settings

Format = Literal["parquet", "csv", "xlsx"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)

_MEMORY: Final = "512MB"  # of the engine, which sorts a table by its key
_BATCH: Final = 20_000  # rows held in memory at a time


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written. `rows`: of all tables together; `files`: in the order of the tables."""

    snapshot: Snapshot
    files: tuple[Path, ...]
    rows: int


def export(
    settings: Settings,
    snapshot: Snapshot,
    tables: Sequence[type[Table]],
    *,
    form: Format,
    to: Path,
    who: str,
    force: bool = False,
) -> Exported:
    """Write tables of a snapshot to files, all or none of them, and record it in the audit log.

    `to`: a file whose name ends in the format's suffix, for one table (Excel: for all of them, a sheet each); else a
    folder, made if need be, for one file a table. Files are written beside their place and renamed into it when all are
    whole. Raises InvalidRequest when something is in the way (unless `force`), when the tables do not fit the format or
    the folder cannot be written; GiveUp when the snapshot is broken.
    """
    targets = _targets(tables, form=form, to=to)
    _require_free(targets, force=force)
    place = targets[0].parent
    with _readable(to):
        place.mkdir(parents=True, exist_ok=True)
        drafts = Path(tempfile.mkdtemp(prefix=".crm-export-", dir=place))
        try:
            # An engine of its own, whoever else in this process has the snapshot open. What does not fit is sorted on
            # disk, beside the files: a snapshot's own folder is never written.
            limits: dict[str, str | bool | int | float | list[str]] = {
                "memory_limit": _MEMORY,
                "temp_directory": str(drafts / "sorting"),
            }
            with told_when_broken(snapshot.path), duckdb.connect(config=limits) as connection:
                connection.execute(f"attach {literal(str(snapshot.database))} as snapshot (read_only)")
                connection.execute("use snapshot")
                rows = _write(connection, tables, [drafts / target.name for target in targets], form, snapshot)
            with _recordable():
                audit = Audit(settings.audit_dir)
                audit.write("export", who=who, what=_what(tables, snapshot), rows=rows, format=form)
            for target in targets:
                _show(drafts / target.name, target, force=force)
            sync_folder(place)
        finally:
            shutil.rmtree(drafts)
    return Exported(snapshot, tuple(targets), rows)


def file_name(table: type[Table]) -> str:
    """A table's name outside the database: a KPI's own, any other's with its schema."""
    return table.table if issubclass(table, KpiTable) else table.full_name()


def format_of(path: Path) -> Format | None:
    """The format that a path's suffix names."""
    return next((form for form in FORMATS if path.suffix.lower() == f".{form}"), None)


def _what(tables: Sequence[type[Table]], snapshot: Snapshot) -> str:
    return f"{', '.join(table.full_name() for table in tables)} of snapshot {snapshot.id}"


# Where to.


def _targets(tables: Sequence[type[Table]], *, form: Format, to: Path) -> list[Path]:
    named = format_of(to)
    if to.is_dir() or named is None:
        if form == "xlsx":
            raise InvalidRequest(f"{to} names no Excel file: write --to {to / 'kpis.xlsx'}")
        return [to / f"{file_name(table)}.{form}" for table in tables]
    if named != form:
        raise InvalidRequest(
            f"{to} ends in .{named} but the format is {form}: name a .{form} file or leave out --format"
        )
    if form != "xlsx" and len(tables) > 1:
        raise InvalidRequest(f"{len(tables)} tables do not fit one .{form} file: name one table, or a folder, or .xlsx")
    return [to]


def _require_free(targets: Sequence[Path], *, force: bool) -> None:
    taken = [target for target in targets if target.exists() or target.is_symlink()]
    if taken and not force:
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        raise InvalidRequest(f"{taken[0]}{more} exists already: name another place, or replace it with --force")


def _show(draft: Path, target: Path, *, force: bool) -> None:
    """Give a finished file its name in one step; one that came in between is kept unless `force`."""
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    if not force:
        try:
            os.link(draft, target)  # unlike a rename, fails on a name that is taken
        except FileExistsError:
            _require_free([target], force=False)
        except OSError:
            pass  # no hard links here: the rename below, after the look at the beginning
        else:
            return
    draft.replace(target)


@contextlib.contextmanager
def _recordable() -> Iterator[None]:
    """Refuse what cannot be written down as what cannot be written."""
    try:
        yield
    except GiveUp as problem:
        raise InvalidRequest(str(problem)) from problem


@contextlib.contextmanager
def _readable(to: Path) -> Iterator[None]:
    """Say what is wrong with a place that cannot be written."""
    try:
        yield
    except OSError as problem:
        raise InvalidRequest(f"cannot write {problem.filename or to}: {problem.strerror}") from problem


# How each format is written.


def _write(
    connection: duckdb.DuckDBPyConnection,
    tables: Sequence[type[Table]],
    drafts: Sequence[Path],
    form: Format,
    snapshot: Snapshot,
) -> int:
    manifest = read_manifest(snapshot.path)
    connection.execute("set timezone = 'UTC'")
    if form == "xlsx":
        from crm_platform.publish.excel import SheetContent, write_xlsx  # noqa: PLC0415 - for those who ask for Excel

        shown = [(table, _columns(connection, table)) for table in tables]
        sheets = [SheetContent(file_name(table), table, of, _rows(connection, table, of)) for table, of in shown]
        return write_xlsx(drafts[0], sheets, manifest)
    write = _write_parquet if form == "parquet" else _write_csv
    return sum(write(connection, table, draft, manifest) for table, draft in zip(tables, drafts, strict=True))


def _columns(connection: duckdb.DuckDBPyConnection, table: type[Table]) -> dict[str, Column]:
    """The declared columns that the snapshot has."""
    there = connection.execute("select name from pragma_table_info(?)", [table.full_name()]).fetchall()
    return {name: column for name, column in published_columns(table).items() if (name,) in there}


def _select(table: type[Table], columns: Mapping[str, Column]) -> str:
    order = ", ".join(f'"{column}"' for column in table.key if column in columns) or "all"
    return f"select {', '.join(map(_quoted, columns))} from {table.full_name()} order by {order}"


def _quoted(name: str) -> str:
    return f'"{name}"'


def _rows(
    connection: duckdb.DuckDBPyConnection, table: type[Table], columns: Mapping[str, Column]
) -> Iterator[tuple[object, ...]]:
    found = connection.execute(_select(table, columns))
    while batch := found.fetchmany(_BATCH):
        yield from batch


def _write_parquet(connection: duckdb.DuckDBPyConnection, table: type[Table], path: Path, manifest: Manifest) -> int:
    about = {
        "table": table.full_name(),
        "description": table.description(),
        "snapshot": manifest.id,
        "as_of": manifest.as_of.isoformat(),
        "timezone": manifest.timezone,
    }
    if issubclass(table, KpiTable):
        about["definition_version"] = str(table.version)
    pairs = ", ".join(f"{literal(key)}: {literal(value)}" for key, value in about.items())
    connection.execute(
        f"copy ({_select(table, _columns(connection, table))}) to {literal(str(path))}"
        f" (format parquet, compression zstd, kv_metadata {{{pairs}}})"
    )
    return manifest.tables[table.full_name()].rows


def _write_csv(connection: duckdb.DuckDBPyConnection, table: type[Table], path: Path, manifest: Manifest) -> int:
    columns = _columns(connection, table)
    with path.open("x", encoding="utf-8", newline="") as file:
        write_csv(file, list(columns), _rows(connection, table, columns))
    return manifest.tables[table.full_name()].rows
