"""What each check said when it was last asked, kept in `checks.json` beside the stores.

What belongs here: the note of a check, writing it after a run or a build, reading it. What does not: the checks
(raw_checks.py, model_checks.py, `validate`), and what is made of a note (defs/ for Dagster, cli/ for the shell, alerts/
for people).

A note outlives the build that was held back for it, and is there for whoever has no Dagster. Nothing here raises: a
note that cannot be written must not fail the work that it is about.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from typing import TYPE_CHECKING, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError

from crm_platform.errors import Busy
from crm_platform.warehouse.locks import file_lock

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from crm_platform.errors import Breach
    from crm_platform.models.checks import CheckResult, DataCheck
    from crm_platform.schemas import Table
    from crm_platform.settings import Settings
    from crm_platform.warehouse import Models, Warehouse

_log = logging.getLogger(__name__)

CONTRACT: Final = "contract"
_LOCK_SECONDS: Final = 10.0


class Note(BaseModel):
    """A check's last answer. `words` name rule and count, never a value of a person; `is_blocking`: it holds back."""

    model_config = ConfigDict(frozen=True)

    table: str
    rule: str
    passed: bool
    is_blocking: bool
    words: str
    at: AwareDatetime

    @property
    def key(self) -> str:
        """Names the check: `raw.messages:reconciliation`."""
        return f"{self.table}:{self.rule}"


_NOTES: Final = TypeAdapter(list[Note])


def notes_path(settings: Settings) -> Path:
    """Where the notes are kept."""
    return settings.root / "checks.json"


def noted(settings: Settings) -> list[Note]:
    """The last answer of every check, by table and rule; none before the first, or from a file that is damaged."""
    try:
        return _NOTES.validate_json(notes_path(settings).read_bytes())
    except FileNotFoundError:
        return []
    except (OSError, ValidationError) as problem:
        _log.warning("what the checks said is forgotten: checks.json cannot be read (%s)", type(problem).__name__)
        return []


def failing(settings: Settings) -> list[Note]:
    """The checks that did not pass when they were last asked: those that hold back first."""
    return sorted((note for note in noted(settings) if not note.passed), key=lambda note: not note.is_blocking)


def run_and_note(
    settings: Settings, store: Models | Warehouse, checks: Iterable[DataCheck], *, now: dt.datetime
) -> list[tuple[DataCheck, CheckResult]]:
    """Run checks on a store, and keep what they found."""
    with store.reading() as session:
        found = [(check, check.run(session, settings, now)) for check in checks]
    note_results(settings, found, at=now)
    return found


def note_results(settings: Settings, found: Iterable[tuple[DataCheck, CheckResult]], *, at: dt.datetime) -> None:
    """Keep what checks found."""
    _keep(
        settings,
        [
            Note(
                table=check.table.full_name(),
                rule=check.name,
                passed=result.passed,
                is_blocking=check.is_blocking,
                words=result.summary,
                at=at,
            )
            for check, result in found
        ],
    )


def note_contracts(
    settings: Settings, tables: Iterable[type[Table]], breaches: Iterable[Breach], *, at: dt.datetime
) -> None:
    """Keep whether the tables of a build keep their contracts, and which rules they break how often."""
    broken: dict[str, list[str]] = {}
    for breach in breaches:
        broken.setdefault(breach.table, []).append(
            f"{f'{breach.column}: ' if breach.column else ''}{breach.rule} ({breach.count} rows)"
        )
    _keep(
        settings,
        [
            Note(
                table=name,
                rule=CONTRACT,
                passed=name not in broken,
                is_blocking=True,
                words="; ".join(broken.get(name, ["kept"])),
                at=at,
            )
            for name in (table.full_name() for table in tables)
        ],
    )


def _keep(settings: Settings, fresh: list[Note]) -> None:
    path = notes_path(settings)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(file_lock(settings.lock_dir / "checks.lock", exclusive=True, timeout=_LOCK_SECONDS))
            known = {note.key: note for note in noted(settings)} | {note.key: note for note in fresh}
            draft = path.with_suffix(".draft")
            draft.write_bytes(_NOTES.dump_json([known[key] for key in sorted(known)], indent=1))
            draft.replace(path)
        except (OSError, Busy) as problem:
            _log.warning("what the checks said cannot be kept: %s", type(problem).__name__)
