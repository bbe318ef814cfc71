"""`crm export`, `crm notebook`: published figures to take along, and a place to look at them closely.

What belongs here: arguments, and what is said before and after. What does not: how a file is written
(publish/export.py), what the notebook shows (docs/notebooks/).
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import sys
from pathlib import Path
from typing import Final

import click

from crm_platform.cli.kpi import find_table, published_snapshot, require_published
from crm_platform.cli.options import PORT, OneOf, Place, kpi_tables
from crm_platform.cli.words import size
from crm_platform.errors import FixConfiguration
from crm_platform.publish import Snapshot
from crm_platform.publish.export import FORMATS, Format, format_of
from crm_platform.publish.export import export as write_export
from crm_platform.schemas import KpiTable, Table
from crm_platform.settings import Settings, current_settings, environment_with

NOTEBOOK: Final = Path(__file__).parents[2] / "docs" / "notebooks" / "first-look.py"


def _chosen(names: tuple[str, ...], snapshot: Snapshot) -> list[type[Table]]:
    """The tables named, each once; all KPI tables that the snapshot holds when none is."""
    from crm_platform.publish import published_tables

    if not names:
        kpis = [table for table in published_tables() if issubclass(table, KpiTable)]
        if missing := [table.table for table in kpis if table.full_name() not in snapshot.tables]:
            click.echo(f"not in this snapshot yet, `crm build` adds them: {', '.join(missing)}", err=True)
        return [table for table in kpis if table.full_name() in snapshot.tables]
    chosen = list(dict.fromkeys(map(find_table, names)))
    for table in chosen:
        require_published(snapshot, table)
    return chosen


@click.command()
@click.argument("tables", nargs=-1, metavar="[TABLE]...", shell_complete=kpi_tables)
@click.option("--format", "form", type=OneOf(FORMATS), help="Default: what PATH ends in.")
@click.option(
    "--to",
    type=Place(),
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

    Each export is a line of the audit log, in audit/ of the data folder.
    """  # noqa: D301 - \b is click's word for "leave these lines as they are"
    settings = current_settings()
    snapshot = published_snapshot(settings)
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


@click.command()
@click.option("--port", type=PORT, default=2718, show_default=True, help="Port of the notebook on this machine.")
@click.option("--run", is_flag=True, help="Run it at once and show its results without the code.")
@click.option("--browser/--no-browser", default=True, show_default=True, help="Open it in the browser.")
def notebook(*, port: int, run: bool, browser: bool) -> None:
    """Open a first look at the published figures in marimo, on a copy that is yours to change.

    The copy is notebooks/first-look.py in the data folder; it stays as you leave it. Delete it for a new one. marimo
    runs no cell by itself: press the yellow button at the bottom, or Ctrl-Shift-R, to run all of them. Only who has the
    address with its token gets in. Ends on Ctrl-C.
    """
    from crm_platform.cli.ports import require_free

    missing = [name for name in ("marimo", "altair") if importlib.util.find_spec(name) is None]
    if missing:
        raise FixConfiguration(
            f"the notebook needs {' and '.join(missing)}: {sys.executable} -m pip install {' '.join(missing)}"
        )
    settings = current_settings()
    published_snapshot(settings)
    require_free(port, what="the notebook", remedy=f"stop what uses it, or run: crm notebook --port {port + 1}")
    mine = _own_copy(settings)
    click.echo(f"{mine} on the figures in {settings.published_dir}; Ctrl-C ends it")
    sys.stdout.flush()
    command = [
        sys.executable,
        "-m",
        "marimo",
        "--yes",
        *(["run"] if run else ["edit", "--skip-update-check"]),
        str(mine),
    ]
    command += ["--token", "--host", "127.0.0.1", "--port", str(port), *([] if browser else ["--headless"])]
    # The notebook reads the settings itself, wherever it is run: the data folder is named in full.
    environment = environment_with() | {"CRM_DATA_DIR": str(settings.root)}
    os.execve(sys.executable, command, environment)  # noqa: S606 - our own command


def _own_copy(settings: Settings) -> Path:
    """The notebook in the data folder, put there if it is not."""
    mine = settings.root / "notebooks" / NOTEBOOK.name
    if not mine.exists():
        if not NOTEBOOK.exists():
            raise FixConfiguration(f"{NOTEBOOK} is not there: run crm from a checkout of the project")
        mine.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(NOTEBOOK, mine)
    return mine


def _user() -> str:
    """Who runs this process, by the system and not by a variable that anybody may set."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # containers may run as a number without a name
        return str(os.getuid())
