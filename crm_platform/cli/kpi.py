"""`crm kpi`, and what other commands show of the published snapshot.

What belongs here: finding a published table, and showing figures. What does not: the platform's own state (status.py),
what a figure is made of (receipts.py). Figures come from the published snapshot, never from the live warehouse.
"""

from __future__ import annotations

import datetime as dt
import textwrap
from typing import TYPE_CHECKING

import click

from crm_platform.cli.options import COUNT, kpi_tables
from crm_platform.cli.words import Form, console, figure, fitting, one_line, size, spoken, write_rows
from crm_platform.errors import FixConfiguration, quoted
from crm_platform.languages import ENGLISH, Language
from crm_platform.metrics.executive_summary.table import ExecutiveSummary
from crm_platform.schemas import KpiTable, Table, Type
from crm_platform.schemas.base import text
from crm_platform.settings import current_settings
from crm_platform.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from crm_platform.publish import Snapshot
    from crm_platform.settings import Settings


_SAID = ("as_of", "definition_version")
"""What is the same on every row of a KPI table: the title says it."""
_SUMMARY = ("figure", "value", "previous", "meaning")
_UNKNOWN = text("Of a snapshot of another version.")


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
    write_rows(_SUMMARY, summary_lines(row, language), form="table", title=_("Executive summary"))
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


def _chosen(table: type[Table], known: Sequence[str], columns: str) -> list[str]:
    """Read names of columns, by commas. Raises UsageError on unknown ones, with what was perhaps meant."""
    from crm_platform.receipts.keys import nearest

    names = list(dict.fromkeys(name for word in columns.split(",") if (name := word.strip())))
    unknown = [f"{quoted(name)} ({nearest(name, known)})" for name in names if name not in known]
    if unknown or not names:
        raise click.UsageError(f"{table.full_name()} has no column {', '.join(unknown) or quoted(columns)}")
    return names


def _telling(table: type[Table], name: str) -> int:
    """How telling a column is, 0 the most.

    First what names a row, what warns of one that is not final and what alerts watch; then rates and durations that are
    better or worse, such counts, and the rest.
    """
    figure = table.columns[name].figure if name in table.columns else None
    if name in table.key:
        return 0
    if name in {"name", "is_provisional"} or (figure and figure.watch):
        return 1
    if figure is None or figure.good == "neither":
        return 4
    return 2 if table.columns[name].type is Type.FLOAT else 3


def _cell(language: Language, table: type[Table], name: str, value: object) -> str:
    """Write a value of a column for people, on one line."""
    column = table.columns.get(name, _UNKNOWN)
    if name == "weekday" and isinstance(value, int):
        return language.weekday(value)
    if name == "hour" and isinstance(value, int):
        return f"{value:02d}:00"
    if column.unit == "local month" and isinstance(value, dt.date):
        return f"{value:%Y-%m}"
    return one_line(figure(language, column, value))


def _draw(table: type[Table], found: pa.Table, language: Language, *, title: str, is_chosen: bool) -> None:
    """Draw rows on a terminal: the most telling columns that fit, in their order, and what was left out.

    The only row of a table is drawn as lines. `is_chosen`: the columns are the reader's choice, first ones first.
    """
    _ = language.gettext
    names = found.column_names
    if not is_chosen and issubclass(table, KpiTable):
        names = [name for name in names if name not in _SAID]
        version = found["definition_version"][0].as_py() if found.num_rows else table.version
        words = _("definition {version}", version=version)
        title += f" · {words}"
    if not table.key:
        (row,) = found.to_pylist()
        if not is_chosen and table is ExecutiveSummary:
            write_rows(_SUMMARY, summary_lines(row, language), form="table", title=title)
            return
        declared = {name: table.columns.get(name, _UNKNOWN) for name in names}
        lines = [(name, _cell(language, table, name, row[name]), declared[name].description) for name in names]
        write_rows(("figure", "value", "meaning"), lines, form="table", title=title)
        return
    by_rank = names if is_chosen else sorted(names, key=lambda name: _telling(table, name))
    rows = [[_cell(language, table, name, row[name]) for name in by_rank] for row in found.to_pylist()]
    width = console().width
    fit = sorted(fitting(by_rank, rows, width=width), key=lambda number: names.index(by_rank[number]))
    write_rows(
        [by_rank[number] for number in fit],
        [[row[number] for number in fit] for row in rows],
        form="table",
        title=title,
    )
    left_out = [name for name in names if by_rank.index(name) not in fit]
    if left_out:
        words = _("left out: {columns}. --columns a,b,c shows which you want.", columns=", ".join(left_out))
        click.echo("\n".join(textwrap.wrap(words, width, break_on_hyphens=False)), err=True)


@click.command
@click.argument("table", required=False, shell_complete=kpi_tables)
@click.option("--json", "form", flag_value="json", help="One JSON document a line.")
@click.option("--csv", "form", flag_value="csv", help="CSV with a header.")
@click.option("--limit", type=COUNT, help="At most so many rows; newest days and months come first.")
@click.option("--columns", metavar="A,B,C", help="Which columns, in this order.")
def kpi(*, table: str | None, form: Form | None, limit: int | None, columns: str | None) -> None:
    """Show a published table; without TABLE, list the KPI tables.

    On a terminal the first 30 rows are drawn, values in their units, with the most telling columns that fit. A pipe,
    JSON and CSV get all rows, all columns and the values as they stand.
    """
    settings = current_settings()
    language = spoken(settings.language, form)
    snapshot, _ = published_snapshot(settings), language.gettext
    if table is None:
        if columns is not None:
            raise click.UsageError("--columns needs a table: crm kpi TABLE --columns A,B,C")
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
    is_drawn = form is None and console().is_terminal
    found = _published(snapshot, declared, limit=30 if limit is None and is_drawn else limit)
    if columns is not None:
        found = found.select(_chosen(declared, found.column_names, columns))
    time = f"{snapshot.as_of:%Y-%m-%d %H:%M}"
    title = _("{table} as of {time} UTC", table=declared.full_name(), time=time)
    if is_drawn:
        _draw(declared, found, language, title=title, is_chosen=columns is not None)
        rows = snapshot.tables[declared.full_name()]
        if limit is None and found.num_rows < rows:
            click.echo(_("{shown} of {rows} rows; --limit N shows more", shown=found.num_rows, rows=rows), err=True)
        return
    raw = zip(*(column.to_pylist() for column in found.columns), strict=True)
    write_rows(found.column_names, raw, form=form or "table", title=title)
