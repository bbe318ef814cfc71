"""What the commands of the CRM's operations share: options, the connection, the question before a write, the answer.

What belongs here: all of this for `crm contacts`, `fields`, `chats` and `campaigns`, each of which is a module of its
name. What does not: what an operation means (api/), what becomes of its record (ingest/operations.py).

Lists are a table on a terminal, tab-separated lines with a header in a pipe, and one JSON document a line with
`--json`, which alone has every field; a single answer is one JSON document. Whatever writes shows what it would do and
asks first: `--dry-run` only shows, `--yes` does not ask.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import click

from crm_platform.api import LARGEST_PAGE, Answer, CrmClient, Fetch, Page
from crm_platform.api.rehearsal import rehearse
from crm_platform.cli.options import COUNT, Whole
from crm_platform.cli.words import one_line, write_rows
from crm_platform.errors import CrmPlatformError, RetryLater, ServerUnavailable, WriteUncertain
from crm_platform.settings import Settings, current_settings

T = TypeVar("T")
Command: TypeAlias = Callable[..., None]
Record: TypeAlias = Callable[[Settings, Sequence[Fetch]], None]


# Options that commands share.


def as_json(command: Command) -> Command:
    """Give a command `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="JSON for programs; a list is one document a line.")(
        command
    )


def paged(command: Command) -> Command:
    """Give a command the options of a list of pages; it gets them as `paging`."""

    @functools.wraps(command)
    def with_paging(*, page: int, limit: int, everything: bool, as_json: bool, **others: object) -> None:
        command(paging=Paging(page, limit, everything=everything, as_json=as_json), **others)

    for option in (
        click.option("--all", "everything", is_flag=True, help="Every page from --page on: one request each."),
        click.option(
            "--limit", type=Whole(1, LARGEST_PAGE), default=LARGEST_PAGE, show_default=True, help="Page size."
        ),
        click.option("--page", type=COUNT, default=1, show_default=True, help="Page, counted from 1."),
        as_json,
    ):
        option(with_paging)
    return with_paging


def writes(command: Command) -> Command:
    """Give a command the options of a write; it gets them as `write`."""

    @functools.wraps(command)
    def with_write(*, dry_run: bool, yes: bool, as_json: bool, **others: object) -> None:
        command(write=Write(is_dry=dry_run, is_sure=yes, as_json=as_json), **others)

    for option in (
        click.option("--yes", is_flag=True, help="Do not ask; for scripts."),
        click.option("--dry-run", is_flag=True, help="Only show the request that would be sent."),
        as_json,
    ):
        option(with_write)
    return with_write


# The connection.


@contextmanager
def connected(settings: Settings, on_fetch: Callable[[Fetch], None], *, reserve: int = 0) -> Iterator[CrmClient]:
    """Open the CRM, and explain on the way out what a person can do about an error."""
    from crm_platform.ingest.connect import open_client

    last: list[Fetch] = []

    def note(fetch: Fetch) -> None:
        last[:] = [fetch]
        on_fetch(fetch)
        if fetch.outcome != "ok" and sys.stderr.isatty():
            click.echo(f"{fetch.operation}, try {fetch.attempt}: {fetch.outcome}", err=True)

    try:
        with open_client(settings, on_fetch=note, reserve=reserve) as client:
            yield client
    except ServerUnavailable as problem:
        if last and last[0].http_status is None and settings.is_sandbox:
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


def read(work: Callable[[CrmClient], None]) -> None:
    """Ask the CRM and show its answer; the requests are recorded."""
    fetches: list[Fetch] = []
    settings = current_settings()
    with connected(settings, fetches.append) as client:
        try:
            work(client)
        finally:
            _record(settings, fetches)


def operation(kind: str, chat_id: str, **details: str | None) -> Record:
    """What the platform must remember of a write: KPIs count assignments, marks and deletions."""

    def record(settings: Settings, fetches: Sequence[Fetch]) -> None:
        from crm_platform.ingest.operations import record_operation

        try:
            record_operation(settings, kind=kind, chat_id=chat_id, fetches=fetches, **details)  # type: ignore[arg-type]
        except CrmPlatformError:
            click.echo("crm: the CRM has done it, but it could not be recorded here; KPIs will not count it", err=True)
            raise

    return record


@dataclass(frozen=True, slots=True)
class Write:
    """How to write: `is_dry` only shows it, `is_sure` does not ask."""

    is_dry: bool
    is_sure: bool
    as_json: bool

    def send(
        self, act: Callable[[CrmClient], Answer[T]], *, what: str, look: str, record: Record = _record
    ) -> T | None:
        """Show, ask, do, record; None when it was only shown. `look`: the command that tells whether it was done."""
        planned = rehearse(act)
        if self.is_dry:
            click.echo(f"{planned.method} {planned.path}")
            if planned.body is not None:
                click.echo(json.dumps(planned.body, ensure_ascii=False, indent=2))
            return None
        self.ask(what)
        fetches: list[Fetch] = []
        settings = current_settings()
        with connected(settings, fetches.append) as client:
            try:
                answer = act(client)
            except CrmPlatformError as problem:
                _record(settings, fetches)
                if isinstance(problem, WriteUncertain):
                    raise WriteUncertain(f"{problem}\n  look before doing it again: {look}") from None
                raise
            record(settings, fetches)
            return answer.value

    def ask(self, what: str) -> None:
        """Ask before it is done. Raises a usage error where there is nobody to ask."""
        if self.is_sure:
            return
        if not sys.stdin.isatty():
            raise click.UsageError(f"this would {what}; add --yes to do it without being asked, or --dry-run to see it")
        click.confirm(f"{what[0].upper()}{what[1:]}?", abort=True, err=True)

    def create(self, act: Callable[[CrmClient], Answer[T]], *, what: str, look: str) -> None:
        """Send it, and show what it made."""
        record = self.send(act, what=what, look=look)
        if record is not None:
            show_one(record, as_json=self.as_json, said="created")

    def say(self, said: str, **result: str) -> None:
        """Say that it is done."""
        if not self.is_dry:
            click.echo(json.dumps(result, ensure_ascii=False) if self.as_json else said)


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


def _json(record: object) -> str:
    """One line of JSON; datetimes in ISO 8601, UTC."""

    def other(value: object) -> object:
        if isinstance(value, dt.datetime):
            return value.isoformat().replace("+00:00", "Z")
        raise TypeError(type(value).__name__)

    return json.dumps(_fields(record), ensure_ascii=False, default=other)


def _fields(record: object) -> dict[str, Any]:
    assert dataclasses.is_dataclass(record)
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


@dataclass(frozen=True, slots=True)
class Paging:
    """Which pages of a list to show."""

    page: int = 1
    limit: int = LARGEST_PAGE
    everything: bool = True
    as_json: bool = False


def show_pages(pages: Callable[[CrmClient], Iterable[Page[Any]]], columns: tuple[str, ...], paging: Paging) -> None:
    """Show records as they come, a page at a time, so that `--all | head` costs what it shows."""
    read(lambda client: _show_pages(pages(client), columns, paging))


def show_page(page: Callable[[CrmClient], Page[Any]], columns: tuple[str, ...], *, as_json: bool) -> None:
    """Show the records of a list that is one page."""
    read(lambda client: _show_pages([page(client)], columns, Paging(as_json=as_json)))


def _show_pages(pages: Iterable[Page[Any]], columns: tuple[str, ...], paging: Paging) -> None:
    shown = 0
    page = None
    for number, page in enumerate(pages):
        if paging.as_json:
            for record in page.records:
                click.echo(_json(record))
        else:
            rows = [[_plain(getattr(record, column)) for column in columns] for record in page.records]
            write_rows(columns, rows, form="table", whole=True, header=number == 0)
        shown += len(page.records)
        if page.rejected:
            click.echo(f"crm: left out {len(page.rejected)} that cannot be read ({page.rejected[0].reason})", err=True)
        if not paging.everything:
            break
    if page is not None and not paging.as_json and sys.stdout.isatty() and page.total is not None:
        more = "" if paging.everything or shown >= page.total else "; --page, --all"
        click.echo(f"{shown:,} of {page.total:,}{more}")


def show_one(record: object, *, as_json: bool, said: str = "") -> None:
    """Show one answer; `said`: the sentence for people where the fields say little."""
    if as_json:
        click.echo(_json(record))
        return
    if said:
        click.echo(said)
    told = {name: value for name, value in _fields(record).items() if value not in (None, {}, "", False)}
    write_rows(("field", "value"), [(name, _plain(value)) for name, value in told.items()], form="table", whole=True)
