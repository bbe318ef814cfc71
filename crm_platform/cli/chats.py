"""`crm chats`: the CRM's operations on chats from a shell.

What belongs here: arguments, and the words of each question. What does not: what the commands share (operations.py).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crm_platform.api import SORTS
from crm_platform.api.arguments import checked_email
from crm_platform.cli.operations import Paging, Write, operation, paged, show_pages, writes
from crm_platform.cli.options import File, OneOf
from crm_platform.cli.words import one_line, write_rows
from crm_platform.errors import InvalidRequest, quoted
from crm_platform.settings import current_settings

if TYPE_CHECKING:
    from crm_platform.bulk.assignments import AssignmentPlan, Chosen, Waiting, Way
    from crm_platform.settings import Settings
    from crm_platform.warehouse import Session


@click.group()
def chats() -> None:
    """Read a chat's messages, assign one or many, mark one as done."""


@chats.command("messages")
@click.argument("chat_id", metavar="CHAT")
@click.option("--sort", type=OneOf(SORTS), default="newest", show_default=True, help="Which end comes first.")
@paged
def chats_messages(chat_id: str, *, sort: str, paging: Paging) -> None:
    """Show a chat's messages."""
    show_pages(
        lambda client: client.message_pages(chat_id, limit=paging.limit, sort=sort, first=paging.page),
        ("timestamp", "direction", "type", "status", "sender", "content"),
        paging,
    )


@chats.command("assign")
@click.argument("chat_id", metavar="[CHAT]", required=False)
@click.argument("operator_email", metavar="[OPERATOR]", required=False)
@click.option("--waiting", is_flag=True, help="Every chat that waits for a reply, the longest first.")
@click.option("--segment", metavar="FIELD=VALUE", help="Every chat of a contact with this value of a custom field.")
@click.option("--file", type=File(), help="Every chat of a CSV file with a column chat_id or whatsapp_number.")
@click.option("--to", "operators", multiple=True, metavar="EMAIL[,EMAIL…]", help="Who gets the chats; may be repeated.")
@click.option(
    "--by",
    "way",
    type=OneOf(("round-robin", "least-loaded")),
    default="round-robin",
    show_default=True,
    help="In turn, or each to who has fewest chats waiting.",
)
@click.option("--reassign", is_flag=True, help="Also the chats that are one's of them already.")
@click.option("--pause-automation/--keep-automation", default=None, help="Whether bots stop answering in this chat.")
@writes
def chats_assign(
    chat_id: str | None,
    operator_email: str | None,
    *,
    waiting: bool,
    segment: str | None,
    file: Path | None,
    operators: tuple[str, ...],
    way: Way,
    reassign: bool,
    pause_automation: bool | None,
    write: Write,
) -> None:
    """Assign one chat to an operator (an e-mail address), or many chats to several operators.

    Of many chats, as with `--waiting --to a@example.com,b@example.com`, the plan is shown first: who gets how many.
    Chats that are one's of them already are passed over. What was interrupted is run again: the rest goes to whom it
    was planned for.
    """
    ways = [waiting, segment is not None, file is not None]
    to = tuple(dict.fromkeys(email.strip() for one in operators for email in one.split(",") if email.strip()))
    if not any(ways) and chat_id and operator_email and not to:
        _assign_one(chat_id, operator_email, pause_automation=pause_automation, write=write)
    elif sum(ways) == 1 and chat_id is None and to:
        _check_operators(to)
        _assign_many(
            lambda session, found: _chosen(session, found, segment, file),
            to,
            way=way,
            needs_waiting=waiting or way == "least-loaded",
            reassign=reassign,
            pause_automation=pause_automation,
            write=write,
        )
    else:
        raise click.UsageError(
            "name CHAT and OPERATOR, or choose the chats by one of --waiting, --segment and --file and the operators by"
            " --to"
        )


def _assign_one(chat_id: str, operator_email: str, *, pause_automation: bool | None, write: Write) -> None:
    assignment = write.send(
        lambda client: client.assign_chat(chat_id, operator_email, pause_automation=pause_automation),
        what=f"assign chat {chat_id} to {operator_email}",
        look="the chat in the CRM's inbox (the API does not tell); assigning the same operator twice does no harm",
        record=operation("assigned", chat_id, operator_email=operator_email),
    )
    if assignment is not None:
        told = assignment.assigned_to
        write.say(f"chat {chat_id} is assigned to {told}", chat_id=chat_id, assigned_to=told)


def _check_operators(emails: Sequence[str]) -> None:
    for email in emails:
        try:
            checked_email("--to", email)
        except InvalidRequest:
            raise click.BadParameter(f"{quoted(email)} is no e-mail address", param_hint="--to") from None


def _chosen(session: Session, found: Waiting | None, segment: str | None, file: Path | None) -> Chosen:
    from crm_platform.bulk.assignments import Chosen, chats_of_file, chats_of_segment

    if segment is not None:
        name, equals, value = (part.strip() for part in segment.partition("="))
        if not equals or not name or not value:
            raise click.BadParameter(f"{quoted(segment)} is not FIELD=VALUE", param_hint="--segment")
        return chats_of_segment(session, name, value)
    if file is not None:
        return chats_of_file(session, file)
    assert found is not None
    return Chosen("waiting", found.chats)


def _assign_many(
    choose: Callable[[Session, Waiting | None], Chosen],
    operators: Sequence[str],
    *,
    way: Way,
    needs_waiting: bool,
    reassign: bool,
    pause_automation: bool | None,
    write: Write,
) -> None:
    from crm_platform.bulk.assignments import Assigned, assign, plan_assignment, waiting_chats
    from crm_platform.cli.bulk import AGAIN, connection, counted, progress, told_when_it_ends_early
    from crm_platform.ingest import open_warehouse
    from crm_platform.warehouse import leases_of

    settings = current_settings()
    store = open_warehouse(settings)
    now = dt.datetime.now(dt.UTC)
    with leases_of(settings).take("assign", purpose="crm chats assign", wait=1):
        waiting = waiting_chats(settings, store, now=now) if needs_waiting else None
        with store.reading() as session:
            plan = plan_assignment(
                session,
                choose(session, waiting),
                operators,
                way=way,
                waiting=waiting,
                reassign=reassign,
                pause_automation=pause_automation,
                now=now,
            )
        _show_plan(plan, waiting, settings, write)
        if write.is_dry or not plan.assignments:
            return
        write.ask(f"assign {counted(len(plan.assignments), 'chat')} in the CRM")
        result = Assigned()
        with (
            told_when_it_ends_early(lambda: f"{counted(result.assigned, 'chat')} assigned so far"),
            progress("assigning chats", total=len(plan.assignments)) as show,
        ):
            assign(
                plan,
                store=store,
                connect=connection(settings),
                now=lambda: dt.datetime.now(dt.UTC),
                into=result,
                pause_automation=pause_automation,
                on_progress=show,
            )
    if write.as_json:
        refused = [{"chat_id": chat, "reason": reason} for chat, reason in result.refused]
        told = {"assigned": result.assigned, "skipped": plan.skipped, "refused": refused, "unclear": result.unclear}
        click.echo(json.dumps(told, ensure_ascii=False))
    else:
        click.echo(f"assigned {result.assigned:,}, refused {len(result.refused):,}")
        for chat, reason in result.refused:
            click.echo(one_line(f"chat {chat} is refused: {reason}"), err=True)
    if result.unclear:
        click.echo(f"no clear answer came for {counted(len(result.unclear), 'chat')}: {AGAIN}", err=True)
        raise click.exceptions.Exit(75)
    if result.refused:
        raise click.exceptions.Exit(1)


def _show_plan(plan: AssignmentPlan, waiting: Waiting | None, settings: Settings, write: Write) -> None:
    """Say who gets how many; for programs only where nothing else is said: each chat and its operator."""
    from crm_platform.cli.bulk import cost, counted

    if write.as_json:
        if write.is_dry:
            for chat, operator in plan.assignments:
                click.echo(json.dumps({"chat_id": chat, "operator_email": operator}))
        return
    if waiting is not None:
        click.echo(f"who waits is as of {waiting.as_of:%Y-%m-%d %H:%M} UTC, when figures were last published")
    if plan.is_resumed:
        later = f"; {counted(plan.later, 'chat')} more come with the next run" if plan.later else ""
        click.echo(f"this goes on with what an interrupted run has left{later}")
    click.echo(f"chosen: {counted(plan.chosen, 'chat')}")
    if plan.skipped:
        click.echo(f"passed over: {plan.skipped:,}, which are one's of them already")
    for operator in plan.unseen:
        click.echo(f"{operator} has done nothing here so far: is it spelt as in the CRM?")
    rows = []
    for operator in plan.operators:
        share = plan.share(operator)
        rows.append([operator, *([plan.load[operator]] if plan.load else []), share])
    names = ("operator", *(["waiting"] if plan.load else []), "gets")
    write_rows(names, rows, form="table", whole=True)
    click.echo(cost(settings, len(plan.assignments)) if plan.assignments else "nothing is to be done")


@chats.command("resolve")
@click.argument("chat_id", metavar="CHAT")
@click.option("--notes", help="What was done about it.")
@click.option("--operator", "operator_email", help="Who resolved it; KPIs credit them.")
@writes
def chats_resolve(chat_id: str, *, notes: str | None, operator_email: str | None, write: Write) -> None:
    """Mark a chat as done."""
    write.send(
        lambda client: client.mark_as_done(chat_id, resolution_notes=notes),
        what=f"mark chat {chat_id} as done",
        look="the chat in the CRM's inbox (the API does not tell); marking it twice does no harm",
        record=operation("done", chat_id, operator_email=operator_email, note=notes),
    )
    write.say(f"chat {chat_id} is marked as done", chat_id=chat_id, status="done")
