"""`crm chats`: the CRM's operations on chats from a shell.

What belongs here: arguments, and the words of each question. What does not: what the commands share (operations.py).
"""

from __future__ import annotations

import click

from crm_platform.api import SORTS
from crm_platform.cli.operations import Paging, Write, operation, paged, show_pages, writes


@click.group()
def chats() -> None:
    """Read a chat's messages, assign it, mark it as done."""


@chats.command("messages")
@click.argument("chat_id", metavar="CHAT")
@click.option("--sort", type=click.Choice(SORTS), default="newest", show_default=True, help="Which end comes first.")
@paged
def chats_messages(chat_id: str, *, sort: str, paging: Paging) -> None:
    """Show a chat's messages."""
    show_pages(
        lambda client: client.message_pages(chat_id, limit=paging.limit, sort=sort, first=paging.page),
        ("timestamp", "direction", "type", "status", "sender", "content"),
        paging,
    )


@chats.command("assign")
@click.argument("chat_id", metavar="CHAT")
@click.argument("operator_email", metavar="OPERATOR")
@click.option("--pause-automation/--keep-automation", default=None, help="Whether bots stop answering in this chat.")
@writes
def chats_assign(chat_id: str, operator_email: str, *, pause_automation: bool | None, write: Write) -> None:
    """Assign a chat to an operator, by e-mail address."""
    assignment = write.send(
        lambda client: client.assign_chat(chat_id, operator_email, pause_automation=pause_automation),
        what=f"assign chat {chat_id} to {operator_email}",
        look="the chat in the CRM's inbox (the API does not tell); assigning the same operator twice does no harm",
        record=operation("assigned", chat_id, operator_email=operator_email),
    )
    if assignment is not None:
        told = assignment.assigned_to
        write.say(f"chat {chat_id} is assigned to {told}", chat_id=chat_id, assigned_to=told)


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
