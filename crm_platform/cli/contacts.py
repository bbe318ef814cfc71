"""`crm contacts`: the CRM's operations on contacts from a shell.

What belongs here: arguments, and the words of each question. What does not: what the commands share (operations.py).
"""

from __future__ import annotations

import click

from crm_platform.api import SEARCH_CONDITIONS, SEARCH_FIELDS
from crm_platform.cli.operations import Paging, Write, as_json, operation, paged, show_page, show_pages, writes

_COLUMNS = ("chat_id", "whatsapp_number", "name", "email", "status", "created_at")


@click.group()
def contacts() -> None:
    """List, search, create and delete contacts."""


@contacts.command("list")
@paged
def contacts_list(*, paging: Paging) -> None:
    """List contacts."""
    show_pages(lambda client: client.contact_pages(limit=paging.limit, first=paging.page), _COLUMNS, paging)


@contacts.command("search")
@click.argument("value")
@click.option("--field", type=click.Choice(SEARCH_FIELDS), default="name", show_default=True, help="Where to look.")
@click.option("--condition", type=click.Choice(SEARCH_CONDITIONS), default="contains", show_default=True, help="How.")
@as_json
def contacts_search(value: str, *, field: str, condition: str, as_json: bool) -> None:
    """Find contacts by name, number or e-mail address."""
    show_page(lambda client: client.search_contacts(field, value, condition), _COLUMNS, as_json=as_json)


@contacts.command("create")
@click.argument("whatsapp_number")
@click.option("--name", help="Display name.")
@click.option("--email", help="E-mail address.")
@click.option("--field", "fields", multiple=True, metavar="NAME=VALUE", help="A custom field; may be repeated.")
@writes
def contacts_create(
    whatsapp_number: str, *, name: str | None, email: str | None, fields: tuple[str, ...], write: Write
) -> None:
    """Create a contact for a number such as +254712345678."""
    values = {}
    for field in fields:
        key, equals, value = field.partition("=")
        if not equals or not key.strip():
            raise click.BadParameter(f"{field!r} is not NAME=VALUE", param_hint="--field")
        values[key.strip()] = value
    write.create(
        lambda client: client.create_contact(whatsapp_number, name=name, email=email, custom_fields=values),
        what="create a contact in the CRM",
        look=f"crm contacts search --field whatsapp_number {whatsapp_number}",
    )


@contacts.command("delete")
@click.argument("chat_id")
@writes
def contacts_delete(chat_id: str, *, write: Write) -> None:
    """Delete a contact and its chat from the CRM."""
    write.send(
        lambda client: client.delete_contact(chat_id),
        what=f"delete contact {chat_id} and its chat from the CRM, for good",
        look=f"crm fields of {chat_id}",
        record=operation("contact_deleted", chat_id),
    )
    write.say(f"contact {chat_id} is deleted", chat_id=chat_id, status="deleted")
