"""`crm campaigns`: the CRM's operations on campaigns from a shell.

What belongs here: arguments, the receivers, and the words of each question. What does not: what the commands share
(operations.py).
"""

from __future__ import annotations

import csv
import datetime as dt
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from crm_platform.api import Receiver
from crm_platform.cli.operations import (
    Command,
    Paging,
    Write,
    as_json,
    paged,
    read,
    show_one,
    show_pages,
    writes,
)
from crm_platform.cli.options import File, Instant
from crm_platform.errors import quoted
from crm_platform.settings import current_settings

_COLUMNS = ("campaign_id", "name", "status", "created_at", "scheduled_at", "total_recipients")


def _received(command: Command) -> Command:
    """Give a command the options that name receivers; it gets them as `receivers`."""

    @functools.wraps(command)
    def with_receivers(*, to: tuple[str, ...], file: Path | None, **others: object) -> None:
        command(receivers=_receivers(to, file), **others)

    for option in (
        click.option(
            "--receivers",
            "file",
            type=File(),
            help="CSV file with a header: whatsapp_number, then the template's variables as 1, 2, …",
        ),
        click.option(
            "--to",
            multiple=True,
            metavar="NUMBER[,VALUE…]",
            help="A receiver, and the template's variables in order; may be repeated.",
        ),
    ):
        option(with_receivers)
    return with_receivers


def _receivers(to: Sequence[str], file: Path | None) -> list[Receiver]:
    """Read receivers from `--to NUMBER,VALUE…` and a CSV file. Raises a usage error that names line and column."""
    receivers = []
    for given in to:
        try:
            number, *values = (part.strip() for part in next(csv.reader([given])))
        except (ValueError, csv.Error):
            raise click.BadParameter(f"{quoted(given)} is not NUMBER[,VALUE…] in one line", param_hint="--to") from None
        receivers.append(Receiver(number, {str(place): value for place, value in enumerate(values, 1)}))
    if file is not None:
        try:
            receivers += _listed_receivers(file)
        except (UnicodeError, csv.Error) as problem:
            why = "save it as CSV in UTF-8" if isinstance(problem, UnicodeError) else str(problem)
            raise click.BadParameter(f"{file} cannot be read as CSV: {why}", param_hint="--receivers") from None
    if not receivers:
        raise click.UsageError("name the receivers: --to NUMBER, or --receivers FILE")
    return receivers


def _listed_receivers(file: Path) -> Iterator[Receiver]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.DictReader(lines)
        if "whatsapp_number" not in (rows.fieldnames or ()):
            raise click.BadParameter(f"{file}: the first line must name a column whatsapp_number")
        for place, row in enumerate(rows, 2):
            if None in row or None in row.values():
                raise click.BadParameter(f"{file}, line {place}: not as many values as the first line has columns")
            number = row.pop("whatsapp_number").strip()
            yield Receiver(number, {name: value for name, value in row.items() if value})


def _people(receivers: Sequence[Receiver]) -> str:
    return f"{len(receivers):,} receiver{'' if len(receivers) == 1 else 's'}"


@click.group()
def campaigns() -> None:
    """List, report on, create, clone and trigger campaigns."""


@campaigns.command("list")
@paged
def campaigns_list(*, paging: Paging) -> None:
    """List campaigns."""
    show_pages(lambda client: client.campaign_pages(limit=paging.limit, first=paging.page), _COLUMNS, paging)


@campaigns.command("report")
@click.argument("campaign_id", metavar="CAMPAIGN")
@as_json
def campaigns_report(campaign_id: str, *, as_json: bool) -> None:
    """Show a campaign's figures as the CRM reports them."""
    read(lambda client: show_one(client.campaign_report(campaign_id).value, as_json=as_json))


@campaigns.command("create")
@click.argument("name")
@click.option("--template", "template_name", required=True, help="The approved template to send.")
@click.option("--language", "template_language", help="The template's language, such as en.")
@click.option(
    "--at",
    "scheduled_at",
    type=Instant(lambda: current_settings().zone),
    metavar="TIME",
    help="When the CRM sends it, such as 2026-04-03T09:00 (in CRM_TIMEZONE unless a zone is given).",
)
@_received
@writes
def campaigns_create(
    name: str,
    *,
    template_name: str,
    template_language: str | None,
    scheduled_at: dt.datetime | None,
    receivers: list[Receiver],
    write: Write,
) -> None:
    """Create a campaign. With --at the CRM sends it then, without it waits for `crm campaigns trigger`."""
    sends = f", sent at {scheduled_at.isoformat(timespec='minutes')}" if scheduled_at else ""
    write.create(
        lambda client: client.create_campaign(
            name,
            template_name=template_name,
            template_language=template_language,
            receivers=receivers,
            scheduled_at=scheduled_at,
        ),
        what=f"create the campaign {name!r} for {_people(receivers)}{sends}",
        look="crm campaigns list",
    )


@campaigns.command("clone")
@click.argument("source_campaign_id", metavar="CAMPAIGN")
@click.argument("new_name")
@_received
@writes
def campaigns_clone(source_campaign_id: str, new_name: str, *, receivers: list[Receiver], write: Write) -> None:
    """Copy a campaign, as a draft, for other receivers."""
    write.create(
        lambda client: client.clone_campaign(source_campaign_id, new_name=new_name, receivers=receivers),
        what=f"copy campaign {source_campaign_id} to {new_name!r} for {_people(receivers)}",
        look="crm campaigns list",
    )


@campaigns.command("trigger")
@click.argument("campaign_id", metavar="CAMPAIGN")
@writes
def campaigns_trigger(campaign_id: str, *, write: Write) -> None:
    """Start a campaign: its messages go out."""
    trigger = write.send(
        lambda client: client.trigger_campaign(campaign_id),
        what=f"send campaign {campaign_id} to its receivers now",
        look="crm campaigns list",
    )
    if trigger is not None:
        said = f"campaign {campaign_id} is on its way ({trigger.status or 'no status given'})"
        write.say(said, campaign_id=campaign_id, status=trigger.status or "")
