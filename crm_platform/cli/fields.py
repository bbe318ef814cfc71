"""`crm fields`: the CRM's operations on custom fields from a shell.

What belongs here: arguments, and the words of each question. What does not: what the commands share (operations.py).
"""

from __future__ import annotations

import click

from crm_platform.cli.operations import Write, as_json, show_page, writes


@click.group()
def fields() -> None:
    """List, create and delete custom fields."""


@fields.command("list")
@as_json
def fields_list(*, as_json: bool) -> None:
    """List the custom fields of the tenant."""
    columns = ("custom_field_id", "name", "type", "required")
    show_page(lambda client: client.list_custom_fields(), columns, as_json=as_json)


@fields.command("of")
@click.argument("chat_id", metavar="CHAT")
@as_json
def fields_of(chat_id: str, *, as_json: bool) -> None:
    """Show a chat's custom field values."""
    columns = ("field_id", "field_name", "field_type", "value")
    show_page(lambda client: client.contact_custom_fields(chat_id), columns, as_json=as_json)


@fields.command("create")
@click.argument("name")
@click.option("--type", "kind", default="text", show_default=True, help="The field's type.")
@click.option("--required", is_flag=True, default=None, help="Contacts must have it.")
@click.option("--default", "default_value", help="Value of contacts that have none.")
@writes
def fields_create(name: str, *, kind: str, required: bool | None, default_value: str | None, write: Write) -> None:
    """Create a custom field."""
    write.create(
        lambda client: client.create_custom_field(name, kind, required=required, default_value=default_value),
        what=f"create the custom field {name!r} for every contact",
        look="crm fields list",
    )


@fields.command("delete")
@click.argument("custom_field_id")
@writes
def fields_delete(custom_field_id: str, *, write: Write) -> None:
    """Delete a custom field, and with it every contact's value."""
    write.send(
        lambda client: client.delete_custom_field(custom_field_id),
        what=f"delete the custom field {custom_field_id} and every contact's value of it, for good",
        look="crm fields list",
    )
    write.say(f"custom field {custom_field_id} is deleted", custom_field_id=custom_field_id, status="deleted")
