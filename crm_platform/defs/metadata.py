"""What the declared tables say to Dagster: keys, descriptions, column schemas, previews.

What belongs here: translation of `schemas` into Dagster's words, without I/O but for `preview`, which reads a few rows.
What does not: assets and what they run.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import dagster as dg

from crm_platform.schemas import Column, KpiTable, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crm_platform.settings import Settings
    from crm_platform.warehouse import Session

OWNERS: Final = ("team:data",)

DASHBOARDS: Final = "http://127.0.0.1:8080"  # where `crm serve` listens unless it is told otherwise

PREVIEW_ROWS: Final = 7  # rows: a week of a daily table

# A preview is kept in Dagster's event log, which no erasure reaches: staff identifiers and ids stay out of it.
_NOT_PREVIEWED: Final = frozenset({"agent", "alias"})


def asset_key(table: type[Table] | str) -> dg.AssetKey:
    """`raw.messages` → `raw/messages`."""
    name = table if isinstance(table, str) else table.full_name()
    return dg.AssetKey(name.split("."))


def group_of(table: type[Table]) -> str:
    """Name the asset group: the layer, for KPIs their pillar."""
    return table.pillar if issubclass(table, KpiTable) else table.schema


def _constraints(table: type[Table], name: str, column: Column) -> dg.TableColumnConstraints:
    other = [check.rule for check in table.checks() if check.column == name and check.rule != "is not null"]
    return dg.TableColumnConstraints(nullable=column.nullable, unique=table.key == (name,), other=other)


def freshness_policy(settings: Settings) -> dg.FreshnessPolicy:
    """When an asset is old to Dagster: it warns where pages turn grey, and fails where /healthz does."""
    stale, overdue = settings.stale_after, settings.overdue_after
    # Dagster wants the warning before the failure; by night the two come at once.
    return dg.FreshnessPolicy.time_window(fail_window=overdue, warn_window=stale if stale < overdue else None)


def kept_fresh(spec: dg.AssetSpec, *, policy: dg.FreshnessPolicy) -> dg.AssetSpec:
    """Give an asset the policy."""
    return spec.replace_attributes(freshness_policy=policy)


def table_schema(table: type[Table]) -> dg.TableSchema:
    """Column names, types, meanings with units, and rules."""
    rules = [f"key: {', '.join(table.key) or 'one row'}", *table.rules]
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name,
                type=column.type.value,
                description=f"{column.description} [{column.unit}]" if column.unit else column.description,
                constraints=_constraints(table, name, column),
            )
            for name, column in table.columns.items()
        ],
        constraints=dg.TableConstraints(other=rules),
    )


def definition_metadata(table: type[Table]) -> dict[str, object]:
    """Metadata that holds whether or not the table was ever built."""
    metadata: dict[str, object] = {
        "dagster/column_schema": table_schema(table),
        "dagster/table_name": table.full_name(),
        "key": ", ".join(table.key) or "one row",
    }
    if issubclass(table, KpiTable):
        metadata["definition_version"] = table.version
    return metadata


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return str(value).replace("|", "\\|")


def markdown_table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Write a small markdown table."""
    lines = [names, ["---"] * len(names), *[[_cell(value) for value in row] for row in rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def preview(session: Session, table: type[KpiTable]) -> str:
    """Write the newest (by day or month) or first rows of a KPI table as markdown, without staff identifiers."""
    names = [
        name
        for name, column in table.columns.items()
        if column.published == "plain" and name not in _NOT_PREVIEWED and name not in {"as_of", "definition_version"}
    ]
    direction = " desc" if table.period else ""
    order = f"order by {', '.join(f'{key}{direction}' for key in table.key)}" if table.key else ""
    found = session.query(f"select {', '.join(names)} from {table.full_name()} {order} limit {PREVIEW_ROWS}")
    return markdown_table(names, list(zip(*found.to_pydict().values(), strict=True)))


def counts(session: Session, table: type[Table]) -> str | None:
    """Write how many rows there are by status, type or direction as markdown; None where there is no such column."""
    names = [name for name in ("direction", "type", "status", "is_complete", "is_change") if name in table.columns]
    if not names:
        return None
    listed = ", ".join(names)
    found = session.query(
        f"select {listed}, count(*) as found from {table.full_name()} group by {listed} order by found desc limit 20"
    )
    return markdown_table([*names, "rows"], list(zip(*found.to_pydict().values(), strict=True)))
