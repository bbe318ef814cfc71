"""`crm kpi`, and what other commands show of the published snapshot.

What belongs here: finding a published table, and showing figures. What does not: the platform's own state (status.py),
what a figure is made of (receipts.py). Figures come from the published snapshot, never from the live warehouse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crm_platform.cli.options import COUNT
from crm_platform.cli.words import Form, console, figure, size, spoken, write_rows
from crm_platform.errors import FixConfiguration, quoted
from crm_platform.languages import ENGLISH, Language
from crm_platform.metrics.executive_summary.table import ExecutiveSummary
from crm_platform.schemas import KpiTable, Table
from crm_platform.settings import current_settings
from crm_platform.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from crm_platform.publish import Snapshot
    from crm_platform.settings import Settings


def published_snapshot(settings: Settings) -> Snapshot:
    """Give the published snapshot. Raises FixConfiguration before the first."""
    from crm_platform.publish import current

    snapshot = current(settings)
    if snapshot is None:
        raise FixConfiguration(f"nothing is published in {settings.published_dir} yet: run `crm refresh` first")
    return snapshot


def _published(snapshot: Snapshot, table: type[Table], *, limit: int | None = None) -> pa.Table:
    """Read a table of a snapshot: newest days or months first, otherwise by key."""
    from crm_platform.publish import reading

    newest_first = " desc" if issubclass(table, KpiTable) and table.period else ""
    order = f" order by {', '.join(f'{key}{newest_first}' for key in table.key)}" if table.key else ""
    some = "" if limit is None else f" limit {limit}"
    with reading(snapshot.path) as connection:
        return connection.sql(f"select * from {table.full_name()}{order}{some}").to_arrow_table()


def summary_lines(row: Mapping[str, object], language: Language = ENGLISH) -> list[tuple[str, str, str, str]]:
    """Lay out the executive summary: figure, value, previous value, meaning."""
    columns = ExecutiveSummary.columns
    return [
        (
            name.replace("_", " "),
            figure(language, column, row[name]),
            figure(language, column, row[f"{name}_previous"]),
            column.description,
        )
        for name, column in columns.items()
        if f"{name}_previous" in columns
    ]


def show_summary(settings: Settings, snapshot: Snapshot | None = None) -> None:
    """Show the executive summary of a snapshot, by default the current one: of when it is, and how complete."""
    from crm_platform.publish import current, read_manifest

    language = spoken(settings.language)
    _ = language.gettext
    snapshot = snapshot or published_snapshot(settings)
    row = _published(snapshot, ExecutiveSummary).to_pylist()[0]
    names, lines = ("figure", "value", "previous", "meaning"), summary_lines(row, language)
    write_rows(names, lines, form="table", title=_("Executive summary"))
    coverage = _("not known") if row["coverage"] is None else language.number(row["coverage"], ".1%")
    as_of = f"{snapshot.as_of.astimezone(settings.zone):%Y-%m-%d %H:%M:%S} ({settings.timezone})"
    words = _("as of {time} · coverage {share}", time=as_of, share=coverage)
    if row["is_provisional"]:
        words += " (" + _("provisional") + ")"
    if read_manifest(snapshot.path).is_sandbox:
        words += " · " + _("sandbox data, made up")
    click.echo(words)
    click.echo(_("snapshot {path} ({size})", path=snapshot.path, size=size(snapshot.bytes)))
    shown = current(settings)
    if shown is None or shown.id != snapshot.id:
        stays = _("nothing is current yet") if shown is None else _("{snapshot} stays current", snapshot=shown.id)
        past = _(
            "its cut was chosen in the past: {stays}; `crm build --as-of TIME --current` makes one current", stays=stays
        )
        click.echo(past)


def find_table(name: str) -> type[Table]:
    """Find a table by its full name, or by its own; a KPI comes first. Raises UsageError on any other word."""
    found = [table for full, table in TABLES.items() if name in {full, table.table}]
    found = [table for table in found if issubclass(table, KpiTable)] or found
    if not found:
        known = ", ".join(sorted(table.table for table in TABLES.values() if issubclass(table, KpiTable)))
        raise click.UsageError(f"there is no table {quoted(name)}; KPI tables are {known}")
    return found[0]


def require_published(snapshot: Snapshot, table: type[Table]) -> None:
    """Raise UsageError when a snapshot does not hold a table: because none does, or because it is older than that."""
    from crm_platform.publish import published_tables

    if table.full_name() not in snapshot.tables:
        will_be = table in published_tables()
        words = (
            "is not in this snapshot yet: run `crm build`" if will_be else "is not published; `crm kpi` lists what is"
        )
        raise click.UsageError(f"{table.full_name()} {words}")


@click.command
@click.argument("table", required=False)
@click.option("--json", "form", flag_value="json", help="One JSON document a line.")
@click.option("--csv", "form", flag_value="csv", help="CSV with a header.")
@click.option("--limit", type=COUNT, help="At most so many rows; newest days and months come first.")
def kpi(*, table: str | None, form: Form | None, limit: int | None) -> None:
    """Show a published table; without TABLE, list the KPI tables.

    On a terminal the first 30 rows are drawn; in a pipe all of them are written.
    """
    settings = current_settings()
    snapshot, _ = published_snapshot(settings), spoken(settings.language, form).gettext
    if table is None:
        listed = [
            (name, snapshot.tables.get(name), declared.description())
            for name, declared in sorted(TABLES.items())
            if issubclass(declared, KpiTable)
        ]
        title = _("As of {time} UTC", time=f"{snapshot.as_of:%c}")
        write_rows(("table", "rows", "about"), listed, form=form or "table", title=title)
        return
    declared = find_table(table)
    require_published(snapshot, declared)
    if limit is None and form is None and console().is_terminal:
        limit = 30
    found = _published(snapshot, declared, limit=limit)
    rows = zip(*(column.to_pylist() for column in found.columns), strict=True)
    time = f"{snapshot.as_of:%Y-%m-%d %H:%M}"
    title = _("{table} as of {time} UTC", table=declared.full_name(), time=time)
    write_rows(found.column_names, rows, form=form or "table", title=title)
