"""Figures while a long ingest is under way: builds between the requests of one `crm refresh`.

What belongs here: when such a build is worth its time. What does not: the build (it is the job `kpis`, a run of its
own), and schedules, whose KPIs follow raw data by a sensor (sensors.py).

A build stops the crawl for its seconds, so the best moment is one at which the CRM's limit lets nothing through anyway.
What is computed from half of the messages says so: it is provisional by its coverage, as any figure is.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from crm_platform.defs.resources import Reporter
from crm_platform.schemas import raw

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crm_platform.errors import Breach, CrmPlatformError
    from crm_platform.ingest import Outcome, Progress

PATIENCE_WITH_REPORTS: Final = 15.0  # seconds after the campaign list; a lull before that is taken
PATIENCE_WITHOUT_CAMPAIGNS: Final = 90.0  # seconds after the contacts: without a limit, campaigns come last
FIRST_PAUSE: Final = 120.0  # seconds between two builds, at first
LONGEST_PAUSE: Final = 600.0
PAUSE_GROWS: Final = 1.5
LEAST_SHARE: Final = 5.0  # a pause is at least so many times as long as the build before it
PATIENCE_WITH_LULLS: Final = 45.0  # seconds that a build which is due waits for a lull
_REPORTS: Final = "campaign reports"  # the stage, as ingest calls it


class EarlyFigures(Reporter):
    """Passes all that it hears on, and calls `build` when figures are due; at the latest when nothing forbids it.

    `build` computes and publishes what is stored; it returns at once where another build is at work.
    """

    def __init__(
        self, inner: Reporter, *, build: Callable[[], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._inner = inner
        self._build = build
        self._monotonic = monotonic
        self._due_at: float | None = None  # None: nothing worth a figure has come yet
        self._patience = 0.0  # seconds beyond that, for a lull
        self._pause = FIRST_PAUSE
        self._has_campaigns = False
        self._has_built = False
        self.retries = inner.retries
        self.wait_seconds = inner.wait_seconds

    def waiting(self, holder: str) -> None:
        """Pass it on."""
        self._inner.waiting(holder)

    def progress(self, progress: Progress) -> None:
        """Build when it is due, rather in a lull."""
        self._inner.progress(progress)
        if progress.stage == _REPORTS:  # under a day's limit the first of them belong to the campaigns' stage
            self._campaigns_are_known()
        if self._due_at is None:
            return
        late = self._monotonic() - self._due_at
        if late >= (0.0 if progress.is_waiting else self._patience):
            self._build_now()

    def fetched(self, outcome: Outcome) -> None:
        """Figures are worth a build once the contacts are known, more so with the campaigns."""
        self._inner.fetched(outcome)
        if self._has_built:
            return
        if outcome.table is raw.ContactSweeps:
            self._due_at, self._patience = self._monotonic() + PATIENCE_WITHOUT_CAMPAIGNS, 0.0
        elif outcome.table is raw.Campaigns:
            self._campaigns_are_known()

    def checked(self, breaches: Sequence[Breach]) -> None:
        """Pass it on."""
        self._inner.checked(breaches)

    def built(self, table: str, *, seconds: float) -> None:
        """Pass it on."""
        self._inner.built(table, seconds=seconds)

    def failed(self, problem: CrmPlatformError) -> None:
        """Pass it on."""
        self._inner.failed(problem)

    def _campaigns_are_known(self) -> None:
        if self._due_at is None or self._has_campaigns:
            return
        self._has_campaigns = True
        if not self._has_built:
            self._due_at, self._patience = self._monotonic(), PATIENCE_WITH_REPORTS

    def _build_now(self) -> None:
        began = self._monotonic()
        self._build()
        ended = self._monotonic()
        self._has_built = True
        self._due_at = ended + max(self._pause, LEAST_SHARE * (ended - began))
        self._patience = PATIENCE_WITH_LULLS
        self._pause = min(LONGEST_PAUSE, PAUSE_GROWS * self._pause)
