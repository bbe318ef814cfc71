"""`crm sweeps`: what each pass over the contact list saw and missed, and what it counts for.

What belongs here: the command line. What does not: what is suspicious, and what settles it (ingest/presence.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from crm_platform.cli.options import COUNT, Whole
from crm_platform.cli.words import by_hand, console, write_rows
from crm_platform.settings import current_settings

if TYPE_CHECKING:
    from crm_platform.cli.words import Form

_COLUMNS: Final = {
    "sweep": "sweep_id",
    "started_at": "started_at",
    "seen": "seen_contacts",
    "total": "reported_total",
    "missing": "missing_contacts",
    "complete": "is_complete",
    "suspicious": "is_suspicious",
    "counted_since": "counted_at",
}
_ON_A_TERMINAL: Final = 30


@click.group(invoke_without_command=True)
@click.option("--json", "form", flag_value="json", help="One JSON document a line.")
@click.option("--csv", "form", flag_value="csv", help="CSV with a header.")
@click.option("--limit", type=COUNT, help="The newest so many.")
@click.pass_context
def sweeps(ctx: click.Context, *, form: Form | None, limit: int | None) -> None:
    """List the sweeps of the contact list, newest first, and what each counts for.

    A sweep that misses many contacts at once is suspicious: they count as there until another full sweep, at least an
    hour later, misses the same ones, or until somebody accepts it. An empty list has to be accepted.
    """
    if ctx.invoked_subcommand is not None:
        return
    from crm_platform.ingest import judged_sweeps, open_warehouse

    if limit is None and form is None and console().is_terminal:
        limit = _ON_A_TERMINAL
    with open_warehouse(current_settings()).reading() as session:
        found = judged_sweeps(session, most=limit)
    rows = [[*(one.row[name] for name in _COLUMNS.values()), one.words] for one in found]
    names: tuple[str, ...] = (*_COLUMNS, "standing")
    if form is None and console().is_terminal:
        # What each counts for comes first: a narrow terminal leaves out the last columns.
        names, rows = (names[0], names[-1], *names[1:-1]), [[row[0], row[-1], *row[1:-1]] for row in rows]
    write_rows(names, rows, form=form or "table", title="Sweeps of the contact list (UTC)")


@sweeps.command()
@click.argument("sweep_id", metavar="ID", type=Whole(1, 2**63 - 1))
def accept(*, sweep_id: int) -> None:
    """Let a suspicious sweep count: everybody whom it missed is gone since then. `crm sweeps` says the ID."""
    from crm_platform.ingest import accept_sweep, open_warehouse

    gone = accept_sweep(open_warehouse(current_settings()), sweep_id, **by_hand())
    click.echo(f"sweep {sweep_id} counts: {gone:,} contacts are gone since then; the next build shows it")
