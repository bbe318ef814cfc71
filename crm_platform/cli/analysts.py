"""`crm export`, `crm notebook`: published figures to take along, and a place to look at them closely.

What belongs here: arguments, and what is said before and after. What does not: how a file is written
(publish/export.py), what the notebook shows (docs/notebooks/).
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import click

from crm_platform.cli.looking import find_table
from crm_platform.cli.words import size
from crm_platform.errors import FixConfiguration
from crm_platform.publish import Snapshot, current
from crm_platform.publish.export import FORMATS, Format, format_of
from crm_platform.publish.export import export as write_export
from crm_platform.schemas import KpiTable, Table
from crm_platform.settings import Settings, current_settings


def _snapshot(settings: Settings) -> Snapshot:
    snapshot = current(settings)
    if snapshot is None:
        raise FixConfiguration(f"nothing is published in {settings.published_dir} yet: run `crm refresh` first")
    return snapshot


def _chosen(names: tuple[str, ...], snapshot: Snapshot) -> list[type[Table]]:
    """The tables named, each once; all KPI tables when none is."""
    from crm_platform.publish import published_tables

    if not names:
        return [table for table in published_tables() if issubclass(table, KpiTable)]
    chosen = list(dict.fromkeys(map(find_table, names)))
    for table in chosen:
        if table.full_name() not in snapshot.tables:
            raise click.UsageError(f"{table.full_name()} is not published; docs/data-dictionary.md lists what is")
    return chosen


@click.command()
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@click.option("--format", "form", type=click.Choice(FORMATS), help="Default: what PATH ends in.")
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    required=True,
    metavar="PATH",
    help="A file, or a folder for one file a table.",
)
@click.option("--force", is_flag=True, help="Replace what is there.")
def export(*, tables: tuple[str, ...], form: Format | None, to: Path, force: bool) -> None:
    """Write published tables to files: all KPI tables, or those named, such as `core.response_waits`.

    \b
    crm export --to kpis.xlsx                           a sheet a table, and what they mean
    crm export --to figures --format csv                a file a table
    crm export response_times_daily --to waits.parquet

    Each export is a line of audit.jsonl in the data folder.
    """  # noqa: D301 - \b is click's word for "leave these lines as they are"
    settings = current_settings()
    snapshot = _snapshot(settings)
    chosen = _chosen(tables, snapshot)
    form = form or format_of(to)
    if form is None:
        raise click.UsageError(
            f"say --format {', '.join(FORMATS)}, or name a file that ends in .csv, .parquet or .xlsx"
        )
    written = write_export(settings, snapshot, chosen, form=form, to=to, who=f"cli:{_user()}", force=force)
    for file in written.files:
        click.echo(f"{file} ({size(file.stat().st_size)})")
    tables_told = f"{len(chosen)} tables" if len(chosen) > 1 else chosen[0].full_name()
    click.echo(f"{tables_told}, {written.rows:,} rows, as of {snapshot.as_of:%Y-%m-%d %H:%M} UTC", err=True)


def _user() -> str:
    """Who runs this process, by the system and not by a variable that anybody may set."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # containers may run as a number without a name
        return str(os.getuid())
