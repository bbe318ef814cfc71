"""Checks that warn are told to people: once, and once more when they pass again.

What belongs here: turning the notes of checks into alerts, and into lines of other messages. What does not: asking the
checks and keeping what they said (models/), telling (alerter.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from crm_platform.alerts.alerter import Alert
from crm_platform.alerts.notification import scrubbed
from crm_platform.alerts.watches import REMIND_AFTER
from crm_platform.models.noted import failing, noted

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from crm_platform.alerts.alerter import Alerter
    from crm_platform.models.noted import Note
    from crm_platform.settings import Settings

PREFIX: Final = "check:"


def tell_checks(settings: Settings, alerter: Alerter) -> None:
    """Report the checks that warn, call over those that pass or are no longer asked.

    What was told of the same answer is not told again: call it as often as you like. A check that holds back the
    snapshot fails its run, and is told with that.
    """
    language = settings.language
    standing = {one.key: one for one in alerter.standing() if one.key.startswith(PREFIX)}
    warned = {f"{PREFIX}{note.key}": note for note in failing(settings) if not note.is_blocking}
    for key, note in warned.items():
        asked = f"{note.at:%Y-%m-%d %H:%M} UTC"
        text = f"{note.words}.\n" + language.gettext("Asked {time}; `crm doctor` says how it stands.", time=asked)
        if key not in standing or standing[key].text != scrubbed(text, settings):
            title = language.gettext("{table}: {rule} warns", table=note.table, rule=note.rule)
            alerter.report(Alert(key, title, text, remind_after=REMIND_AFTER))
    passed = {f"{PREFIX}{note.key}": note for note in noted(settings) if note.passed}
    for key in standing.keys() - warned.keys():
        gone = language.gettext("This check is no longer asked.")
        alerter.resolve(key, text=f"{passed[key].words}." if key in passed else gone)


def breach_lines(settings: Settings, *, since: dt.datetime) -> Iterator[str]:
    """What was found broken since a run began, and held the snapshot back: a line a table."""
    yield from (one_line(note) for note in failing(settings) if note.is_blocking and note.at >= since)


def one_line(note: Note) -> str:
    """Write table, rule and what was found: `kpi.backlog_now, contract: open_waits < 0 (1 rows)`."""
    return f"{note.table}, {note.rule}: {note.words}"
