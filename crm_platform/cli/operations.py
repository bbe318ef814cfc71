"""`crm contacts`, `fields`, `chats`, `campaigns`: the CRM's 16 operations from a shell.

What belongs here: arguments, questions, tables. What does not: what an operation means (api/), what becomes of its
record (ingest/operations.py).

Lists are a table on a terminal, tab-separated lines with a header in a pipe, and one JSON document a line with
`--json`, which alone has every field; a single answer is one JSON document. Whatever writes shows what it would do and
asks first: `--dry-run` only shows, `--yes` does not ask.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import click

from crm_platform.api import (
    LARGEST_PAGE,
    SEARCH_CONDITIONS,
    SEARCH_FIELDS,
    SORTS,
    Answer,
    CrmClient,
    Fetch,
    Page,
    Receiver,
)
from crm_platform.api.rehearsal import Rehearsed, rehearse
from crm_platform.cli.options import COUNT, File, Instant, Whole
from crm_platform.cli.words import one_line, write_rows
from crm_platform.errors import CrmPlatformError, RetryLater, ServerUnavailable, WriteUncertain, quoted
from crm_platform.settings import Settings, current_settings

T = TypeVar("T")
Command: TypeAlias = Callable[..., None]

_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "contacts": ("chat_id", "whatsapp_number", "name", "email", "status", "created_at"),
    "fields": ("custom_field_id", "name", "type", "required"),
    "values": ("field_id", "field_name", "field_type", "value"),
    "messages": ("timestamp", "direction", "type", "status", "sender", "content"),
    "campaigns": ("campaign_id", "name", "status", "created_at", "scheduled_at", "total_recipients"),
}


# Options that commands share.


def _as_json(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="JSON for programs; a list is one document a line.")(
        command
    )


def _paged(command: Command) -> Command:
    for option in (
        click.option("--all", "everything", is_flag=True, help="Every page from --page on: one request each."),
        click.option(
            "--limit", type=Whole(1, LARGEST_PAGE), default=LARGEST_PAGE, show_default=True, help="Page size."
        ),
        click.option("--page", type=COUNT, default=1, show_default=True, help="Page, counted from 1."),
    ):
        command = option(command)
    return _as_json(command)


def _writes(command: Command) -> Command:
    command = click.option("--yes", is_flag=True, help="Do not ask; for scripts.")(command)
    command = click.option("--dry-run", is_flag=True, help="Only show the request that would be sent.")(command)
    return _as_json(command)


def _received(command: Command) -> Command:
    command = click.option(
        "--receivers",
        "file",
        type=File(),
        help="CSV file with a header: whatsapp_number, then the template's variables as 1, 2, …",
    )(command)
    return click.option(
        "--to",
        multiple=True,
        metavar="NUMBER[,VALUE…]",
        help="A receiver, and the template's variables in order; may be repeated.",
    )(command)


# The connection.


@contextmanager
def _connected(fetches: list[Fetch]) -> Iterator[tuple[Settings, CrmClient]]:
    """Open the CRM, and explain on the way out what a person can do about an error."""
    from crm_platform.ingest.connect import open_client

    settings = current_settings()

    def note(fetch: Fetch) -> None:
        fetches.append(fetch)
        if fetch.outcome != "ok" and sys.stderr.isatty():
            click.echo(f"{fetch.operation}, try {fetch.attempt}: {fetch.outcome}", err=True)

    try:
        with open_client(settings, on_fetch=note) as client:
            yield settings, client
    except ServerUnavailable as problem:
        if fetches and fetches[-1].http_status is None and settings.is_sandbox:
            hint = "start it with `crm sandbox` in another terminal, or set CRM_BASE_URL and CRM_API_KEY"
            raise ServerUnavailable(f"{problem}\n  this is the sandbox's address: {hint}") from None
        raise


def _record(settings: Settings, fetches: Sequence[Fetch]) -> None:
    """Put the requests into ops.fetches; somebody else's lock is no reason to fail what is already shown."""
    from crm_platform.ingest.operations import record_requests

    if not fetches:
        return
    try:
        record_requests(settings, fetches)
    except RetryLater as problem:
        click.echo(f"crm: the requests are not in ops.fetches: {problem}", err=True)


def _read(work: Callable[[CrmClient], None]) -> None:
    fetches: list[Fetch] = []
    with _connected(fetches) as (settings, client):
        try:
            work(client)
        finally:
            _record(settings, fetches)


def _write(
    act: Callable[[CrmClient], Answer[T]],
    *,
    what: str,
    look: str,
    dry_run: bool,
    yes: bool,
    record: Callable[[Settings, Sequence[Fetch]], None] = _record,
) -> T | None:
    """Show, ask, do, record; None when it was only shown. `look`: the command that tells whether it was done."""
    planned = rehearse(act)
    if dry_run:
        _show_request(planned)
        return None
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError(f"this would {what}; add --yes to do it without being asked, or --dry-run to see it")
        click.confirm(f"{what[0].upper()}{what[1:]}?", abort=True, err=True)
    fetches: list[Fetch] = []
    with _connected(fetches) as (settings, client):
        try:
            answer = act(client)
        except CrmPlatformError as problem:
            _record(settings, fetches)
            if isinstance(problem, WriteUncertain):
                raise WriteUncertain(f"{problem}\n  look before doing it again: {look}") from None
            raise
        record(settings, fetches)
        return answer.value


def _show_request(planned: Rehearsed) -> None:
    click.echo(f"{planned.method} {planned.path}")
    if planned.body is not None:
        click.echo(json.dumps(planned.body, ensure_ascii=False, indent=2))


def _operation(kind: str, chat_id: str, **details: str | None) -> Callable[[Settings, Sequence[Fetch]], None]:
    """What the platform must remember of a write: KPIs count assignments, marks and deletions."""

    def record(settings: Settings, fetches: Sequence[Fetch]) -> None:
        from crm_platform.ingest.operations import record_operation

        try:
            record_operation(settings, kind=kind, chat_id=chat_id, fetches=fetches, **details)  # type: ignore[arg-type]
        except CrmPlatformError:
            click.echo("crm: the CRM has done it, but it could not be recorded here; KPIs will not count it", err=True)
            raise

    return record


# What is shown.


def _plain(value: object) -> str:
    """Say a value on one line."""
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{_plain(name)}={_plain(one)}" for name, one in value.items())
    return one_line(str(value))


def _json(value: object) -> str:
    """One line of JSON; datetimes in ISO 8601, UTC."""

    def other(value: object) -> object:
        if isinstance(value, dt.datetime):
            return value.isoformat().replace("+00:00", "Z")
        raise TypeError(type(value).__name__)

    return json.dumps(_fields(value), ensure_ascii=False, default=other)


def _fields(record: object) -> dict[str, Any]:
    assert dataclasses.is_dataclass(record)
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


def _show_pages(pages: Iterable[Page[Any]], columns: tuple[str, ...], *, as_json: bool, everything: bool) -> None:
    """Show records as they come, a page at a time, so that `--all | head` costs what it shows."""
    shown = 0
    page = None
    for number, page in enumerate(pages):
        if as_json:
            for record in page.records:
                click.echo(_json(record))
        else:
            rows = [[_plain(getattr(record, column)) for column in columns] for record in page.records]
            write_rows(columns, rows, form="table", whole=True, header=number == 0)
        shown += len(page.records)
        if page.rejected:
            click.echo(f"crm: left out {len(page.rejected)} that cannot be read ({page.rejected[0].reason})", err=True)
        if not everything:
            break
    if page is not None and not as_json and sys.stdout.isatty() and page.total is not None:
        click.echo(f"{shown:,} of {page.total:,}" + ("" if everything or shown >= page.total else "; --page, --all"))


def _show_one(record: object, *, as_json: bool, said: str = "") -> None:
    """Show one answer; `said`: the sentence for people where the fields say little."""
    if as_json:
        click.echo(_json(record))
        return
    if said:
        click.echo(said)
    told = {name: value for name, value in _fields(record).items() if value not in (None, {}, "", False)}
    rows = [(name, _plain(value)) for name, value in told.items()]
    write_rows(("field", "value"), rows, form="table", whole=True)


def _done(said: str, result: dict[str, str], *, as_json: bool) -> None:
    click.echo(json.dumps(result, ensure_ascii=False) if as_json else said)


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


# crm contacts


@click.group()
def contacts() -> None:
    """List, search, create and delete contacts."""


@contacts.command("list")
@_paged
def contacts_list(*, page: int, limit: int, everything: bool, as_json: bool) -> None:
    """List contacts."""
    _read(
        lambda client: _show_pages(
            client.contact_pages(limit=limit, first=page),
            _COLUMNS["contacts"],
            as_json=as_json,
            everything=everything,
        )
    )


@contacts.command("search")
@click.argument("value")
@click.option("--field", type=click.Choice(SEARCH_FIELDS), default="name", show_default=True, help="Where to look.")
@click.option("--condition", type=click.Choice(SEARCH_CONDITIONS), default="contains", show_default=True, help="How.")
@_as_json
def contacts_search(value: str, *, field: str, condition: str, as_json: bool) -> None:
    """Find contacts by name, number or e-mail address."""
    _read(
        lambda client: _show_pages(
            [client.search_contacts(field, value, condition)], _COLUMNS["contacts"], as_json=as_json, everything=True
        )
    )


@contacts.command("create")
@click.argument("whatsapp_number")
@click.option("--name", help="Display name.")
@click.option("--email", help="E-mail address.")
@click.option("--field", "fields", multiple=True, metavar="NAME=VALUE", help="A custom field; may be repeated.")
@_writes
def contacts_create(
    whatsapp_number: str,
    *,
    name: str | None,
    email: str | None,
    fields: tuple[str, ...],
    as_json: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Create a contact for a number such as +254712345678."""
    values = {}
    for field in fields:
        key, equals, value = field.partition("=")
        if not equals or not key.strip():
            raise click.BadParameter(f"{field!r} is not NAME=VALUE", param_hint="--field")
        values[key.strip()] = value
    contact = _write(
        lambda client: client.create_contact(whatsapp_number, name=name, email=email, custom_fields=values),
        what="create a contact in the CRM",
        look=f"crm contacts search --field whatsapp_number {whatsapp_number}",
        dry_run=dry_run,
        yes=yes,
    )
    if contact is not None:
        _show_one(contact, as_json=as_json, said="created")


@contacts.command("delete")
@click.argument("chat_id")
@_writes
def contacts_delete(chat_id: str, *, as_json: bool, dry_run: bool, yes: bool) -> None:
    """Delete a contact and its chat from the CRM."""
    _write(
        lambda client: client.delete_contact(chat_id),
        what=f"delete contact {chat_id} and its chat from the CRM, for good",
        look=f"crm fields of {chat_id}",
        dry_run=dry_run,
        yes=yes,
        record=_operation("contact_deleted", chat_id),
    )
    if not dry_run:
        _done(f"contact {chat_id} is deleted", {"chat_id": chat_id, "status": "deleted"}, as_json=as_json)


# crm fields


@click.group()
def fields() -> None:
    """List, create and delete custom fields."""


@fields.command("list")
@_as_json
def fields_list(*, as_json: bool) -> None:
    """List the custom fields of the tenant."""
    _read(
        lambda client: _show_pages([client.list_custom_fields()], _COLUMNS["fields"], as_json=as_json, everything=True)
    )


@fields.command("of")
@click.argument("chat_id", metavar="CHAT")
@_as_json
def fields_of(chat_id: str, *, as_json: bool) -> None:
    """Show a chat's custom field values."""
    _read(
        lambda client: _show_pages(
            [client.contact_custom_fields(chat_id)], _COLUMNS["values"], as_json=as_json, everything=True
        )
    )


@fields.command("create")
@click.argument("name")
@click.option("--type", "kind", default="text", show_default=True, help="The field's type.")
@click.option("--required", is_flag=True, default=None, help="Contacts must have it.")
@click.option("--default", "default_value", help="Value of contacts that have none.")
@_writes
def fields_create(
    name: str,
    *,
    kind: str,
    required: bool | None,
    default_value: str | None,
    as_json: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Create a custom field."""
    field = _write(
        lambda client: client.create_custom_field(name, kind, required=required, default_value=default_value),
        what=f"create the custom field {name!r} for every contact",
        look="crm fields list",
        dry_run=dry_run,
        yes=yes,
    )
    if field is not None:
        _show_one(field, as_json=as_json, said="created")


@fields.command("delete")
@click.argument("custom_field_id")
@_writes
def fields_delete(custom_field_id: str, *, as_json: bool, dry_run: bool, yes: bool) -> None:
    """Delete a custom field, and with it every contact's value."""
    _write(
        lambda client: client.delete_custom_field(custom_field_id),
        what=f"delete the custom field {custom_field_id} and every contact's value of it, for good",
        look="crm fields list",
        dry_run=dry_run,
        yes=yes,
    )
    if not dry_run:
        result = {"custom_field_id": custom_field_id, "status": "deleted"}
        _done(f"custom field {custom_field_id} is deleted", result, as_json=as_json)


# crm chats


@click.group()
def chats() -> None:
    """Read a chat's messages, assign it, mark it as done."""


@chats.command("messages")
@click.argument("chat_id", metavar="CHAT")
@click.option("--sort", type=click.Choice(SORTS), default="newest", show_default=True, help="Which end comes first.")
@_paged
def chats_messages(chat_id: str, *, sort: str, page: int, limit: int, everything: bool, as_json: bool) -> None:
    """Show a chat's messages."""
    _read(
        lambda client: _show_pages(
            client.message_pages(chat_id, limit=limit, sort=sort, first=page),
            _COLUMNS["messages"],
            as_json=as_json,
            everything=everything,
        )
    )


@chats.command("assign")
@click.argument("chat_id", metavar="CHAT")
@click.argument("operator_email", metavar="OPERATOR")
@click.option("--pause-automation/--keep-automation", default=None, help="Whether bots stop answering in this chat.")
@_writes
def chats_assign(
    chat_id: str, operator_email: str, *, pause_automation: bool | None, as_json: bool, dry_run: bool, yes: bool
) -> None:
    """Assign a chat to an operator, by e-mail address."""
    assignment = _write(
        lambda client: client.assign_chat(chat_id, operator_email, pause_automation=pause_automation),
        what=f"assign chat {chat_id} to {operator_email}",
        look="the chat in the CRM's inbox (the API does not tell); assigning the same operator twice does no harm",
        dry_run=dry_run,
        yes=yes,
        record=_operation("assigned", chat_id, operator_email=operator_email),
    )
    if assignment is not None:
        result = {"chat_id": chat_id, "assigned_to": assignment.assigned_to}
        _done(f"chat {chat_id} is assigned to {assignment.assigned_to}", result, as_json=as_json)


@chats.command("resolve")
@click.argument("chat_id", metavar="CHAT")
@click.option("--notes", help="What was done about it.")
@click.option("--operator", "operator_email", help="Who resolved it; KPIs credit them.")
@_writes
def chats_resolve(
    chat_id: str, *, notes: str | None, operator_email: str | None, as_json: bool, dry_run: bool, yes: bool
) -> None:
    """Mark a chat as done."""
    _write(
        lambda client: client.mark_as_done(chat_id, resolution_notes=notes),
        what=f"mark chat {chat_id} as done",
        look="the chat in the CRM's inbox (the API does not tell); marking it twice does no harm",
        dry_run=dry_run,
        yes=yes,
        record=_operation("done", chat_id, operator_email=operator_email, note=notes),
    )
    if not dry_run:
        _done(f"chat {chat_id} is marked as done", {"chat_id": chat_id, "status": "done"}, as_json=as_json)


# crm campaigns


@click.group()
def campaigns() -> None:
    """List, report on, create, clone and trigger campaigns."""


@campaigns.command("list")
@_paged
def campaigns_list(*, page: int, limit: int, everything: bool, as_json: bool) -> None:
    """List campaigns."""
    _read(
        lambda client: _show_pages(
            client.campaign_pages(limit=limit, first=page),
            _COLUMNS["campaigns"],
            as_json=as_json,
            everything=everything,
        )
    )


@campaigns.command("report")
@click.argument("campaign_id", metavar="CAMPAIGN")
@_as_json
def campaigns_report(campaign_id: str, *, as_json: bool) -> None:
    """Show a campaign's figures as the CRM reports them."""
    _read(lambda client: _show_one(client.campaign_report(campaign_id).value, as_json=as_json))


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
@_writes
def campaigns_create(
    name: str,
    *,
    template_name: str,
    template_language: str | None,
    scheduled_at: dt.datetime | None,
    to: tuple[str, ...],
    file: Path | None,
    as_json: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Create a campaign. With --at the CRM sends it then, without it waits for `crm campaigns trigger`."""
    receivers = _receivers(to, file)
    sends = f", sent at {scheduled_at.isoformat(timespec='minutes')}" if scheduled_at else ""
    campaign = _write(
        lambda client: client.create_campaign(
            name,
            template_name=template_name,
            template_language=template_language,
            receivers=receivers,
            scheduled_at=scheduled_at,
        ),
        what=f"create the campaign {name!r} for {_people(receivers)}{sends}",
        look="crm campaigns list",
        dry_run=dry_run,
        yes=yes,
    )
    if campaign is not None:
        _show_one(campaign, as_json=as_json, said="created")


@campaigns.command("clone")
@click.argument("source_campaign_id", metavar="CAMPAIGN")
@click.argument("new_name")
@_received
@_writes
def campaigns_clone(
    source_campaign_id: str,
    new_name: str,
    *,
    to: tuple[str, ...],
    file: Path | None,
    as_json: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Copy a campaign, as a draft, for other receivers."""
    receivers = _receivers(to, file)
    campaign = _write(
        lambda client: client.clone_campaign(source_campaign_id, new_name=new_name, receivers=receivers),
        what=f"copy campaign {source_campaign_id} to {new_name!r} for {_people(receivers)}",
        look="crm campaigns list",
        dry_run=dry_run,
        yes=yes,
    )
    if campaign is not None:
        _show_one(campaign, as_json=as_json, said="created")


@campaigns.command("trigger")
@click.argument("campaign_id", metavar="CAMPAIGN")
@_writes
def campaigns_trigger(campaign_id: str, *, as_json: bool, dry_run: bool, yes: bool) -> None:
    """Start a campaign: its messages go out."""
    trigger = _write(
        lambda client: client.trigger_campaign(campaign_id),
        what=f"send campaign {campaign_id} to its receivers now",
        look="crm campaigns list",
        dry_run=dry_run,
        yes=yes,
    )
    if trigger is not None:
        result = {"campaign_id": campaign_id, "status": trigger.status or ""}
        _done(f"campaign {campaign_id} is on its way ({trigger.status or 'no status given'})", result, as_json=as_json)
