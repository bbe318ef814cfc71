"""`crm notes`: what happened on a day, for those who look at its figures.

What belongs here: the command line. What does not: keeping notes (ingest/notes.py), showing them (serving/).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from crm_platform.cli.options import Day, Whole
from crm_platform.cli.words import by_hand, spoken, write_rows
from crm_platform.settings import current_settings

if TYPE_CHECKING:
    import datetime as dt

    from crm_platform.cli.words import Form

_COLUMNS: Final = ("note_id", "day", "text", "at", "who")


@click.group(invoke_without_command=True)
@click.option("--json", "form", flag_value="json", help="One JSON document a line.")
@click.option("--csv", "form", flag_value="csv", help="CSV with a header.")
@click.pass_context
def notes(ctx: click.Context, *, form: Form | None) -> None:
    """List the notes on days, the newest day first. Charts show them beside what they may explain."""
    if ctx.invoked_subcommand is not None:
        return
    from crm_platform.ingest import open_warehouse
    from crm_platform.ingest.notes import notes as standing

    settings = current_settings()
    _ = spoken(settings.language, form).gettext
    with open_warehouse(settings).reading() as session:
        found = standing(session)
    rows = ([note[name] for name in _COLUMNS] for note in found)
    write_rows(_COLUMNS, rows, form=form or "table", title=_("Notes (UTC)"))


@notes.command()
@click.argument("day", metavar="DAY", type=Day())
@click.argument("text", metavar="TEXT")
def add(*, day: dt.date, text: str) -> None:
    """Write down what happened on DAY, a local day such as 2026-11-20: an outage, a promotion. Everybody reads it."""
    from crm_platform.ingest import open_warehouse
    from crm_platform.ingest.notes import add_note

    settings = current_settings()
    _ = spoken(settings.language).gettext
    note_id = add_note(open_warehouse(settings), day, text, **by_hand())
    click.echo(_("note {n} is written; the next build shows it", n=note_id))


@notes.command()
@click.argument("note_id", metavar="ID", type=Whole(1, 2**63 - 1))
def remove(*, note_id: int) -> None:
    """Take a note away. `crm notes` says the ID."""
    from crm_platform.ingest import open_warehouse
    from crm_platform.ingest.notes import remove_note

    settings = current_settings()
    _ = spoken(settings.language).gettext
    remove_note(open_warehouse(settings), note_id, **by_hand())
    click.echo(_("note {n} is taken away; the next build shows it", n=note_id))
