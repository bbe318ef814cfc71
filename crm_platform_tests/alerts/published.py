"""A published snapshot made by hand: the tables that watches and the digest read, with the rows a test names."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb

from crm_platform.publish import Snapshot
from crm_platform.publish.manifest import CURRENT, DATABASE, MANIFEST, Manifest, TableEntry
from crm_platform.schemas import KpiTable, Table, Type
from crm_platform.settings import Settings

_PLAIN: dict[Type, object] = {Type.INTEGER: 0, Type.FLOAT: 0.0, Type.BOOLEAN: False, Type.TEXT: ""}


def row(table: type[KpiTable], **known: object) -> dict[str, Any]:
    """A row of a table: what is known, beside zeros, NULLs and full coverage."""
    plain = {
        name: None if column.nullable else _PLAIN.get(column.type, dt.datetime(2026, 11, 22))
        for name, column in table.columns.items()
    }
    return {**plain, "coverage": 1.0, "definition_version": 1, **known}


def publish(
    settings: Settings,
    *,
    as_of: dt.datetime,
    tables: dict[type[Table], Iterable[dict[str, Any]]],
    built_with: dict[str, Any] | None = None,
) -> Snapshot:
    """Write the tables as a snapshot, and turn `current` to it. `built_with`: what its manifest says of settings."""
    path = settings.published_dir / f"{as_of:%Y%m%dT%H%M%S.000Z}-0123456789ab"
    path.mkdir(parents=True)
    entries = {}
    with duckdb.connect(str(path / DATABASE)) as connection:
        connection.execute("create schema kpi; create schema core")
        for table, rows in tables.items():
            made = table.rows(list(rows))
            connection.register("made", made)
            connection.execute(f"create table {table.full_name()} as select * from made")
            entries[table.full_name()] = TableEntry(rows=made.num_rows)
    manifest = Manifest(
        id=path.name,
        as_of=as_of,
        created_at=as_of,
        is_sandbox=True,
        timezone=settings.timezone,
        settings=built_with,
        tables=entries,
        months={},
        files={},
    )
    (path / MANIFEST).write_text(manifest.model_dump_json(), encoding="utf-8")
    _turn(settings.published_dir / CURRENT, path)
    return Snapshot.of(manifest, path)


def _turn(link: Path, path: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(path.name)
