"""`crm alerts`: open problems, the channels they are told on, the watched figures, the digest.

What belongs here: the command line. What does not: what is watched, and who has been told (alerts/).
"""

from __future__ import annotations

import datetime as dt
import sys
from typing import TYPE_CHECKING

import click

from crm_platform.cli import EXIT_FAILED
from crm_platform.cli.kpi import published_snapshot
from crm_platform.cli.words import console, spoken, write_labelled, write_rows
from crm_platform.settings import current_settings

if TYPE_CHECKING:
    from crm_platform.cli.words import Form

_JSON = click.option("--json", "form", flag_value="json", help="One JSON document a line.")


@click.group()
def alerts() -> None:
    """Problems that are told to people: to the log, and to the webhook and readers that the settings name."""


@alerts.command("list")
@_JSON
def list_problems(*, form: Form | None) -> None:
    """List open problems, and channels that fail.

    Oldest first. With --json, problems only.
    """
    from crm_platform.alerts import Alerter

    settings = current_settings()
    alerter, _ = Alerter(settings), spoken(settings.language, form).gettext
    standing = alerter.standing()
    if standing or form == "json":
        rows = [
            (f"{one.since:%Y-%m-%d %H:%M} UTC", one.title, one.text.partition("\n")[0], ", ".join(one.told))
            for one in standing
        ]
        write_rows(("since", "problem", "about", "told_on"), rows, form=form or "table", title=_("Open problems"))
    else:
        click.echo(_("no open problem"))
    if form is None:
        for name, failure in alerter.failing_channels().items():
            words = _("fails, {why}", why=failure) if failure else _("no failure")
            click.echo(f"{name}: {words}")


@alerts.command()
def test() -> None:
    """Send a test message on every channel, and say whether it arrived. Exit code 1 when one did not."""
    from crm_platform.alerts import Alerter, Notification

    settings = current_settings()
    _ = settings.language.gettext
    title, text = _("A test of crm_platform's alerts"), _("Nothing is wrong: alerts arrive here.")
    message = Notification(title, text, mark="🔔")
    failures = Alerter(settings).say(message)
    for name, failure in failures.items():
        words = _("sent") if failure is None else failure
        write_labelled(f"{'ok ' if failure is None else 'BAD'}  {name:<9}", words)
    if settings.alert_webhook_url is None and settings.smtp_url is None:
        hint = _("only the log hears of problems: set CRM_ALERT_WEBHOOK_URL, or CRM_SMTP_URL and CRM_ALERT_EMAIL_TO")
        click.echo(hint)
    if any(failures.values()):
        sys.exit(EXIT_FAILED)


@alerts.command()
@click.option("--send", is_flag=True, help="Report what is broken and clear what is well, as the sensor does.")
@_JSON
def check(*, send: bool, form: Form | None) -> None:
    """Judge the watched figures of the published snapshot now."""
    from crm_platform.alerts import Alerter, watches

    settings = current_settings()
    snapshot, language = published_snapshot(settings), spoken(settings.language, form)
    results = watches.check(settings.model_copy(update={"language": language}), snapshot)
    rows = [(one.state, language.gettext(one.watch.declared.title), one.rule, one.words()) for one in results]
    if form is None and console().is_terminal:
        for state, title, _, words in rows:
            write_labelled(f"{state:<8}", f"{title}: {words}")
    else:
        write_rows(("state", "figure", "rule", "found"), rows, form=form or "table")
    if send:
        alerter = Alerter(settings)
        alerter.catch_up()
        watches.tell(watches.check(settings, snapshot), alerter, settings=settings)


@alerts.command()
@click.option("--send", is_flag=True, help="Send it, to each channel that has not had today's.")
def digest(*, send: bool) -> None:
    """Show the digest as it would be sent now."""
    from crm_platform.alerts import Alerter
    from crm_platform.alerts.digest import digest as compose
    from crm_platform.alerts.digest import send as send_digest

    settings, now = current_settings(), dt.datetime.now(dt.UTC)
    _ = settings.language.gettext
    alerter = Alerter(settings)
    message = compose(settings, alerter, now=now)
    click.echo(f"{message.headline}\n{message.text}")
    if not send:
        return
    if not send_digest(message, settings, alerter, now=now):
        click.echo(_("a channel has not had it: `crm alerts list` says why"), err=True)
        sys.exit(EXIT_FAILED)
    click.echo(_("every channel has today's digest"))
