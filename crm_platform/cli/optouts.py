"""`crm optouts`: by which words contacts opted out, and taking a false one back.

What belongs here: the command line. What does not: which text is an opt-out (ingest/), what follows from it (core/).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from crm_platform.cli.words import by_hand, spoken, write_rows
from crm_platform.settings import current_settings

if TYPE_CHECKING:
    from crm_platform.cli.words import Form

_COLUMNS: Final = ("word", "messages", "contacts", "rejected_messages", "last_at", "is_rejected")


@click.group(invoke_without_command=True)
@click.option("--json", "form", flag_value="json", help="One JSON document a line.")
@click.option("--csv", "form", flag_value="csv", help="CSV with a header.")
@click.pass_context
def optouts(ctx: click.Context, *, form: Form | None) -> None:
    """List the words by which contacts opted out (CRM_OPT_OUT_WORDS), the most frequent first."""
    if ctx.invoked_subcommand is not None:
        return
    from crm_platform.ingest import open_warehouse
    from crm_platform.models.corrections import opt_out_words

    settings = current_settings()
    _ = spoken(settings.language, form).gettext
    with open_warehouse(settings).reading() as session:
        found = opt_out_words(session)
    rows = ([getattr(one, name) for name in _COLUMNS] for one in found)
    write_rows(_COLUMNS, rows, form=form or "table", title=_("Opt-outs by word (UTC)"))


@optouts.command()
@click.argument("what", metavar="WORD|ID")
def reject(*, what: str) -> None:
    """Say that a word, or one message by its id, is no opt-out. Its messages are questions like others then."""
    _decide(what, is_rejected=True)


@optouts.command()
@click.argument("what", metavar="WORD|ID")
def accept(*, what: str) -> None:
    """Take a rejection back: the word, or the message, is an opt-out after all."""
    _decide(what, is_rejected=False)


def _decide(what: str, *, is_rejected: bool) -> None:
    from crm_platform.ingest import open_warehouse
    from crm_platform.models.corrections import reject_opt_out

    settings = current_settings()
    language = spoken(settings.language)
    _kind, count = reject_opt_out(open_warehouse(settings), what, is_rejected=is_rejected, **by_hand())
    if is_rejected:
        words = language.ngettext(
            "1 message is no opt-out from now on; the next build shows it",
            "{n} messages are no opt-outs from now on; the next build shows it",
            count,
        )
    else:
        words = language.ngettext(
            "1 message is an opt-out again; the next build shows it",
            "{n} messages are opt-outs again; the next build shows it",
            count,
        )
    click.echo(f"{what}: {words}")
