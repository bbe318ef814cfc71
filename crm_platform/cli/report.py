"""`crm report`: reports over a finished week or month, made into a folder or sent to who gets them.

What belongs here: the command line. What does not: what a report is, who gets it and what holds it back (reports/).
"""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crm_platform.cli import EXIT_FAILED
from crm_platform.cli.options import OneOf, Place
from crm_platform.cli.words import by_hand, size, spoken, write_labelled, write_rows
from crm_platform.errors import FixConfiguration, GiveUp, InvalidRequest
from crm_platform.languages import languages
from crm_platform.settings import current_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from crm_platform.cli.words import Form
    from crm_platform.languages import Language
    from crm_platform.reports.sending import Standing


def _read(reader: Callable[[str], object]) -> click.ParamType[object]:
    """A type of option that a function reads, which raises ValueError with what to write."""

    class Read(click.ParamType[object]):
        name = "text"

        def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
            try:
                return reader(value) if isinstance(value, str) else value
            except ValueError as problem:
                self.fail(str(problem), param, ctx)

    return Read()


@click.group()
def report() -> None:
    """Reports that go out, weekly or monthly: make one, send what is due, list who gets what."""


def _week(text: str) -> object:
    from crm_platform.reports.spans import read_span

    return read_span("week", text)


def _month(text: str) -> object:
    from crm_platform.reports.spans import read_span

    return read_span("month", text)


def _pages(text: str) -> object:
    from crm_platform.reports.recipients import read_pages

    return read_pages(text)


def _forms(text: str) -> object:
    from crm_platform.reports.recipients import read_forms

    return read_forms(text)


@report.command()
@click.option("--week", type=_read(_week), metavar="WEEK", help="Such as 2026-W47. Default: the last that is over.")
@click.option("--month", type=_read(_month), metavar="MONTH", help="Such as 2026-11, in the place of a week.")
@click.option("--language", type=OneOf(list(languages())), help="Default: CRM_LANGUAGE.")
@click.option("--pages", type=_read(_pages), default="", help="With blanks between several. Default: all.")
@click.option("--format", "forms", type=_read(_forms), default="", help="Of pdf, html, xlsx. Default: pdf xlsx.")
@click.option("--to", type=Place(), required=True, metavar="FOLDER", help="Where the files go.")
@click.option("--even-provisional", is_flag=True, help="Also while its figures may move; it is marked so.")
@click.option("--force", is_flag=True, help="Replace what is there.")
def make(
    *,
    week: object,
    month: object,
    language: str | None,
    pages: object,
    forms: object,
    to: Path,
    even_provisional: bool,
    force: bool,
) -> None:
    """Write a report to files, whoever gets one.

    \b
    crm report make --week 2026-W47 --language sw --to reports
    crm report make --month 2026-11 --pages "support audience" --format xlsx --to reports

    Each report made is a line of the audit log, in audit/ of the data folder.
    """  # noqa: D301 - \b is click's word for "leave these lines as they are"
    from crm_platform.publish.audit import Audit
    from crm_platform.reports.holding import held_by
    from crm_platform.reports.making import make as made_report
    from crm_platform.reports.making import opened
    from crm_platform.reports.spans import Span, finished

    if week is not None and month is not None:
        raise click.UsageError("say --week or --month, not both")
    settings, now = current_settings(), dt.datetime.now(dt.UTC)
    chosen = languages()[language] if language else settings.language
    with opened(settings) as published:
        if published is None:
            raise FixConfiguration(f"nothing is published in {settings.published_dir} yet: run `crm refresh` first")
        span = week or month or finished("week", published.today, most=1)[0]
        assert isinstance(span, Span)
        assert isinstance(pages, tuple)
        assert isinstance(forms, tuple)
        if span.start > published.today:
            raise InvalidRequest(f"{span.name} has not begun in the published figures: name an earlier one")
        why = held_by(published, span, chosen)
        if why and not even_provisional:
            raise GiveUp(
                f"{span.name} is provisional: {held_by(published, span, settings.language)}; wait, or say"
                " --even-provisional"
            )
        made = made_report(
            published, span, settings=settings, language=chosen, pages=pages, forms=forms, now=now, why=why
        )
    Audit(settings.audit_dir).write(
        "report",
        who=str(by_hand()["by"]),
        what=f"{span.name} of snapshot {made.snapshot} to files: {', '.join(pages)}",
        format=" ".join(forms),
    )
    for file in made.files:
        _write(to / file.name, file.content, force=force)
        click.echo(f"{to / file.name} ({size(len(file.content))})")
    click.echo(f"{made.title}; {' · '.join(made.standing)}", err=True)


def _write(path: Path, content: bytes, *, force: bool) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if force:
            path.unlink(missing_ok=True)
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise InvalidRequest(f"{path} is in the way: name another folder, or replace it with --force") from None
    except OSError as problem:
        raise InvalidRequest(f"cannot write {problem.filename or path}: {problem.strerror}") from problem


@report.command()
@click.option("--even-provisional", is_flag=True, help="Also what is held back; it is marked so, and counts as sent.")
def send(*, even_provisional: bool) -> None:
    """Send what is due, once to each recipient. Exit code 1 when one could not be reached."""
    from crm_platform.reports.sending import send_due

    settings = current_settings()
    found = send_due(
        settings, now=dt.datetime.now(dt.UTC), even_provisional=even_provisional, language=settings.language
    )
    for one in found:
        write_labelled(f"{one.span.name:<9} {one.recipient.name}: ", _state(one, settings.language))
    if not found:
        click.echo(settings.language.gettext("nothing is due"))
    if any(one.state == "failed" for one in found):
        sys.exit(EXIT_FAILED)


@report.command("list")
@click.option("--json", "form", flag_value="json", help="One JSON document a line.")
def list_recipients(*, form: Form | None) -> None:
    """List who gets reports, what each had last, and what holds the next one back.

    Of a webhook's address, which is a secret, only the host is shown.
    """
    from crm_platform.reports.memory import read_memory
    from crm_platform.reports.recipients import FILE, read_recipients
    from crm_platform.reports.sending import standing

    settings = current_settings()
    recipients, memory, language = read_recipients(settings), read_memory(settings), spoken(settings.language, form)
    _ = language.gettext
    if not recipients and form is None:
        click.echo(_("nobody gets a report: {file} in the data folder says who does", file=FILE))
        return
    owed = standing(settings, now=dt.datetime.now(dt.UTC), language=language)
    rows = []
    for one in recipients:
        last, known = memory.last(one), memory.known.get(one.id)
        words = [f"{of.span.name}: {_state(of, language)}" for of in owed if of.recipient.id == one.id]
        if known and known.failure:
            words.append(_("the last try failed: {why}", why=known.failure.reason))
        sent = f"{last[0]}, {last[1].at:%Y-%m-%d %H:%M} UTC" if last else None
        choice = (one.every, one.language.code, " ".join(one.pages), " ".join(one.forms))
        rows.append((one.name, *choice, sent, "; ".join(words) or None))
    write_rows(("to", "every", "language", "pages", "format", "last", "next"), rows, form=form or "table", whole=True)


def _state(one: Standing, language: Language) -> str:
    """Say how a report stands."""
    _ = language.gettext
    if one.state == "held":
        return _("held, {why}", why=one.why)
    if one.state == "failed":
        return _("fails, {why}", why=one.why)
    return _("sent") if one.state == "sent" else _("due")
