"""`crm doctor`: everything that would stop the next run, and what else a person should know.

What belongs here: one small function for each examination, and running all of them within a set time. What does not:
repairing anything, and rules: those stand where they are used, and are asked.

Nothing is reported as ok that was not examined. An exception in an examination becomes its finding, never a traceback.
An examination that hangs is left behind, so a server, a name server or a disk that does not answer delays nobody else.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from crm_platform.doctor import connection, events, figures, files, redis_server, reports, settings_in_force, work
from crm_platform.doctor.finding import Finding, State
from crm_platform.errors import CrmPlatformError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from crm_platform.settings import Settings

    Examine = Callable[[Settings, dt.datetime], Iterable[Finding]]

__all__ = ["Examination", "Finding", "State", "examine"]

SECONDS: Final = 7.0  # for all of them together; Python takes as long again to start where everything is busy
_FOLDER_SECONDS: Final = 3.0  # of these for the data folder, on which most of the others depend


@dataclass(frozen=True, slots=True)
class Examination:
    """`about`: what it looks at. `if_it_hangs`: what is said when nothing comes back, and how bad that is."""

    about: str
    ask: Examine
    if_it_hangs: str = "its file system does not answer"
    hanging: State = "BAD"


_FOLDER: Final = Examination("data folder", files.folder)
_EXAMINATIONS: Final = (
    Examination("CRM", connection.crm, "it hangs: the server, a proxy, a name server, or whoever holds gate.sqlite"),
    Examination("Redis", redis_server.redis, "it hangs: the server, or what stands before it"),
    Examination("warehouse", files.warehouse),
    Examination("models", files.models),
    Examination("senders", figures.senders, "too many messages to look at now", "note"),
    Examination("left out", figures.left_out),
    Examination("teams", figures.teams, "too many messages to look at now", "note"),
    Examination("snapshot", files.snapshots),
    Examination("costs", figures.campaign_costs, "too many campaigns to look at now", "note"),
    Examination("checks", figures.checks),
    Examination("events", events.events, "too many messages to look at now", "note"),
    Examination("Postgres", work.postgres, "the server does not answer"),
    Examination("Dagster", work.dagster, "its storage takes too long to open", "note"),
    Examination("at work", work.leases),
    Examination("alerts", settings_in_force.alerts),
    Examination("reports", reports.reports),
    Examination("secrets", settings_in_force.secrets),
    Examination("pages", settings_in_force.pages),
    Examination("clock", settings_in_force.clock),
)


@dataclass(slots=True)
class _Asked:
    """An examination under way in a thread of its own."""

    examination: Examination
    thread: threading.Thread = field(init=False)
    findings: list[Finding] = field(default_factory=list)

    def begin(self, settings: Settings, now: dt.datetime) -> None:
        # A daemon: the process ends without it when it hangs.
        self.thread = threading.Thread(target=self._ask, args=(settings, now), daemon=True)
        self.thread.start()

    def _ask(self, settings: Settings, now: dt.datetime) -> None:
        try:
            for finding in self.examination.ask(settings, now):
                self.findings.append(finding)
        except CrmPlatformError as problem:
            self.findings.append(Finding(self.examination.about, "BAD", str(problem)))
        except OSError as problem:
            words = f"{problem.filename or 'a file'}: {problem.strerror or type(problem).__name__}"
            self.findings.append(Finding(self.examination.about, "BAD", words))
        except Exception as problem:  # noqa: BLE001 - whatever it is, it is what was found; its text may hold anything
            self.findings.append(
                Finding(self.examination.about, "BAD", f"cannot be examined ({type(problem).__name__}): not verified")
            )

    def end(self, *, until: float) -> list[Finding]:
        self.thread.join(max(0.0, until - time.monotonic()))
        if not self.thread.is_alive():
            return self.findings
        one = self.examination
        return [*self.findings, Finding(one.about, one.hanging, f"not verified in time: {one.if_it_hangs}")]


def examine(
    settings: Settings,
    *,
    now: dt.datetime,
    seconds: float = SECONDS,
    examinations: Sequence[Examination] = _EXAMINATIONS,
) -> list[Finding]:
    """Ask all of them at once, and give what was found, in their order. Takes `seconds` at most."""
    began = time.monotonic()
    folder = _Asked(_FOLDER)
    folder.begin(settings, now)
    found = folder.end(until=began + min(seconds, _FOLDER_SECONDS))
    if any(finding.state == "BAD" for finding in found):
        # Nothing in it can be examined then. The CRM cannot be asked either: requests are counted in this folder.
        return [*found, Finding("CRM", "note", "not asked: requests are counted in the data folder")]
    asked = [_Asked(examination) for examination in examinations]
    for one in asked:
        one.begin(settings, now)
    for one in asked:
        found += one.end(until=began + seconds)
    return found
