"""`crm contacts`: the CRM's operations on contacts from a shell.

What belongs here: arguments, and the words of each question. What does not: what the commands share (operations.py).
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crm_platform.api import SEARCH_CONDITIONS, SEARCH_FIELDS
from crm_platform.cli.operations import Paging, Write, as_json, operation, paged, show_page, show_pages, writes
from crm_platform.cli.options import File, OneOf
from crm_platform.cli.words import one_line
from crm_platform.errors import quoted
from crm_platform.settings import current_settings

if TYPE_CHECKING:
    from crm_platform.bulk.contacts import Imported, ImportPlan
    from crm_platform.settings import Settings
    from crm_platform.warehouse import Warehouse

_COLUMNS = ("chat_id", "whatsapp_number", "name", "email", "status", "created_at")


@click.group()
def contacts() -> None:
    """List, search, create, import and delete contacts."""


@contacts.command("list")
@paged
def contacts_list(*, paging: Paging) -> None:
    """List contacts."""
    show_pages(lambda client: client.contact_pages(limit=paging.limit, first=paging.page), _COLUMNS, paging)


@contacts.command("search")
@click.argument("value")
@click.option("--field", type=OneOf(SEARCH_FIELDS), default="name", show_default=True, help="Where to look.")
@click.option("--condition", type=OneOf(SEARCH_CONDITIONS), default="contains", show_default=True, help="How.")
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
            raise click.BadParameter(f"{quoted(field)} is not NAME=VALUE", param_hint="--field")
        values[key.strip()] = value
    write.create(
        lambda client: client.create_contact(whatsapp_number, name=name, email=email, custom_fields=values),
        what="create a contact in the CRM",
        look=f"crm contacts search --field whatsapp_number {whatsapp_number}",
    )


@contacts.command("import")
@click.argument("file", type=File())
@click.option(
    "--search-first",
    is_flag=True,
    help="Look each number up in the CRM before it is created: twice the requests.",
)
@writes
def contacts_import(file: Path, *, search_first: bool, write: Write) -> None:
    """Create a contact for each line of a CSV file with a header.

    Columns: whatsapp_number, name, email, and the names of custom fields. Whoever is a contact already is passed over:
    nothing is overwritten. The whole file is checked and the plan is shown before anything is sent. What was
    interrupted is run again: nobody is created twice. What the CRM refuses is written to a file, to be mended.
    """
    from crm_platform.bulk.contacts import Imported, custom_fields, plan_import, read_people
    from crm_platform.cli.bulk import AGAIN, counted
    from crm_platform.ingest import open_warehouse
    from crm_platform.warehouse import leases_of

    settings = current_settings()
    store = open_warehouse(settings)
    with leases_of(settings).take("import", purpose="crm contacts import", wait=1):
        with store.reading() as session:
            people = read_people(file, known_fields=custom_fields(session))
            plan = plan_import(session, people, look_up_all=search_first)
        _show_plan(plan, write)
        if write.is_dry:
            return
        if plan.to_do:
            write.ask(f"create {counted(plan.to_do, 'contact')} in the CRM")
        result = Imported()
        try:
            if plan.to_do:
                _create(settings, store, plan, result)
        finally:
            refused_file = _write_refused(plan, result)
    _show_result(plan, result, refused_file, write)
    if result.unclear:
        click.echo(f"no clear answer came for {counted(len(result.unclear), 'line')}: {AGAIN}", err=True)
        raise click.exceptions.Exit(75)
    if plan.refused or result.refused:
        raise click.exceptions.Exit(1)


def _create(settings: Settings, store: Warehouse, plan: ImportPlan, result: Imported) -> None:
    """Create the contacts of a plan, and show how far it is."""
    from crm_platform.bulk.contacts import import_contacts
    from crm_platform.cli.bulk import connection, counted, progress, told_when_it_ends_early

    with (
        told_when_it_ends_early(lambda: f"{counted(result.created, 'contact')} created so far"),
        progress("creating contacts", total=plan.to_do) as show,
    ):
        import_contacts(
            plan,
            store=store,
            connect=connection(settings),
            now=lambda: dt.datetime.now(dt.UTC),
            into=result,
            on_progress=show,
        )


def _show_plan(plan: ImportPlan, write: Write) -> None:
    """Say what is to be done; for programs only where nothing else is said."""
    from crm_platform.cli.bulk import cost, counted

    if write.as_json:
        if write.is_dry:
            told = {"lines": len(plan.people.lines), "create": len(plan.create), "look_up": len(plan.look_up)}
            told |= {"known": plan.known, "done": plan.done, "refused": len(plan.refused), "requests": plan.requests}
            click.echo(json.dumps(told))
        return
    say = click.echo
    say(f"{plan.people.path}: {counted(len(plan.people.lines), 'line')}")
    say(f"  to create          {plan.to_do:,}")
    if plan.look_up:
        why = "" if plan.known_as_of else ": no contact list has been read here yet (crm refresh)"
        say(f"    looked up first  {len(plan.look_up):,}{why}")
    as_of = f"  (contacts as of {plan.known_as_of:%Y-%m-%d %H:%M} UTC)" if plan.known_as_of else ""
    say(f"  contacts already   {plan.known:,}{as_of}")
    if plan.done:
        say(f"  done by a run before  {plan.done:,}")
    if plan.refused:
        say(f"  refused before     {len(plan.refused):,}")
    for field in plan.people.unknown_fields:
        say(f"  the custom field {quoted(field)} was not there at the last `crm refresh`; the CRM may refuse it")
    if plan.to_do:
        say(cost(current_settings(), plan.requests))
    else:
        say("nothing is to be done")


def _write_refused(plan: ImportPlan, result: Imported) -> Path:
    """Write the refused lines beside the file, unless that was done and none has come since.

    Never over a file that is there: somebody may be mending it.
    """
    from crm_platform.bulk.contacts import write_refused

    stem = plan.people.path.stem
    names = itertools.chain([f"{stem}.refused.csv"], (f"{stem}.refused-{n}.csv" for n in itertools.count(2)))
    last, path = None, plan.people.path.with_name(next(names))
    while path.exists():
        last, path = path, plan.people.path.with_name(next(names))
    if not result.refused and (last is not None or not plan.refused):
        return last or path
    write_refused(path, plan.people, [*plan.refused, *result.refused])
    return path


def _show_result(plan: ImportPlan, result: Imported, refused_file: Path, write: Write) -> None:
    refused = sorted([*plan.refused, *result.refused], key=lambda one: one.line.line)
    if write.as_json:
        told: dict[str, object] = {"created": result.created, "found": result.found, "known": plan.known}
        told |= {"done_before": plan.done, "unclear": [line.line for line in result.unclear]}
        told |= {"refused": [{"line": one.line.line, "reason": one.reason} for one in refused]}
        click.echo(json.dumps(told, ensure_ascii=False))
        return
    if plan.to_do:
        found = f", {result.found:,} were there already" if result.found else ""
        click.echo(f"created {result.created:,}{found}, refused {len(result.refused):,}")
    for one in refused:
        click.echo(f"line {one.line.line} is refused: {one_line(one.reason)}", err=True)
    if refused:
        click.echo(f"{refused_file} holds them: mend them there, then import that file", err=True)


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
