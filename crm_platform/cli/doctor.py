"""`crm doctor`: everything that would stop the next run, on one page.

What belongs here: showing it, and the exit code. What does not: looking (doctor/).
"""

from __future__ import annotations

import datetime as dt
import sys
import time
from typing import TYPE_CHECKING, Final

import click

from crm_platform.cli import EXIT_FAILED
from crm_platform.errors import FixConfiguration
from crm_platform.settings import load_settings

if TYPE_CHECKING:
    from crm_platform.cli.words import Form
    from crm_platform.doctor import Finding

_LEAST: Final = 4.0  # seconds for the examinations, however long Python took to start on a busy machine


@click.command()
@click.option("--json", "form", flag_value="json", help="One JSON document a line.")
@click.option("--csv", "form", flag_value="csv", help="CSV with a header.")
def doctor(*, form: Form | None) -> None:
    """Check settings, CRM, key, files, locks, checks, runs and alerts; say what to do about each.

    Takes 15 seconds at most. `BAD` would stop the next run, or has stopped the last: the exit code is 1. `note` is for
    a person to know.
    """
    findings = _findings(time.monotonic())
    from crm_platform.cli.words import write_labelled, write_rows

    if form is None:
        for finding in findings:
            write_labelled(f"{finding.state:<5}{finding.about:<14}", finding.words)
    else:
        write_rows(("about", "state", "found"), [(one.about, one.state, one.words) for one in findings], form=form)
    if any(finding.state == "BAD" for finding in findings):
        sys.exit(EXIT_FAILED)


def _findings(began: float) -> list[Finding]:
    """Examine; the time that the imports take is the examinations', so that the whole stays under 15 seconds."""
    from crm_platform.doctor import SECONDS, Finding, examine

    try:
        settings = load_settings()
    except FixConfiguration as problem:
        return [Finding("configuration", "BAD", str(problem))]
    whose = "no CRM_BASE_URL: the sandbox" if settings.is_sandbox else f"CRM at {settings.crm_url}"
    left = max(_LEAST, SECONDS - (time.monotonic() - began))
    return [Finding("configuration", "ok", whose), *examine(settings, now=dt.datetime.now(dt.UTC), seconds=left)]
