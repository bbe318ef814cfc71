"""`crm agents`: who of the staff is who, and correcting it by hand.

What belongs here: the command line. What does not: which identifiers are one agent's (models/staff.py).
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import click

from crm_platform.cli.words import by_hand, spoken, write_rows
from crm_platform.settings import current_settings

if TYPE_CHECKING:
    from crm_platform.cli.words import Form


@click.group(invoke_without_command=True)
@click.option("--json", "form", flag_value="json", help="One JSON document a line.")
@click.option("--csv", "form", flag_value="csv", help="CSV with a header.")
@click.pass_context
def agents(ctx: click.Context, *, form: Form | None) -> None:
    """List the agents: the identifier that stands for each, its newest spelling, the others, messages, last seen.

    E-mail addresses and agent ids that a message carried together are one agent's; one that two agents share joins
    nobody. Where that is wrong, `merge` and `split` correct it.
    """
    if ctx.invoked_subcommand is not None:
        return
    from crm_platform.ingest import open_warehouse
    from crm_platform.models.staff import staff

    settings = current_settings()
    _ = spoken(settings.language, form).gettext
    with open_warehouse(settings).reading() as session:
        known = staff(session, cut=dt.datetime.now(dt.UTC))
    rows = ([one.key, one.name, ", ".join(one.aliases), one.messages, one.last_seen] for one in known.people)
    write_rows(
        ("agent", "name", "aliases", "messages", "last_seen"), rows, form=form or "table", title=_("Agents (UTC)")
    )


@agents.command()
@click.argument("alias", metavar="ALIAS")
@click.argument("agent", metavar="AGENT")
def merge(*, alias: str, agent: str) -> None:
    """Say that ALIAS is AGENT's, too: whoever goes by it is that agent in every figure."""
    from crm_platform.ingest import open_warehouse
    from crm_platform.models.corrections import merge_agents

    settings = current_settings()
    _ = spoken(settings.language).gettext
    name = merge_agents(open_warehouse(settings), alias, agent, **by_hand())
    click.echo(_("{alias} is {agent} from now on; the next build shows it", alias=alias, agent=name))


@agents.command()
@click.argument("alias", metavar="ALIAS")
def split(*, alias: str) -> None:
    """Say that ALIAS is nobody else's: it joins no other identifiers."""
    from crm_platform.ingest import open_warehouse
    from crm_platform.models.corrections import split_agent

    settings = current_settings()
    _ = spoken(settings.language).gettext
    split_agent(open_warehouse(settings), alias, **by_hand())
    click.echo(_("{alias} stands for itself from now on; the next build shows it", alias=alias))
