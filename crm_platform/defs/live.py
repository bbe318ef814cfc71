"""Live figures: one process that crawls, computes what changed and publishes, for as long as it runs.

What belongs here: that loop, and telling Dagster what it did. What does not: the crawl (ingest/), a build and its
publication (publish/figures.py), noticing that the process is gone (sensors.py).

Dagster's schedules look at the same leases: while this crawls no ingest starts, and when it is gone they go on as if it
had never been. The nightly build in full stays Dagster's, with every check.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import dagster as dg

from crm_platform.defs.assets import SNAPSHOT
from crm_platform.defs.dagster_home import opened_instance, prepare_dagster_home
from crm_platform.defs.metadata import asset_key
from crm_platform.errors import Busy, CrmPlatformError, RetryLater
from crm_platform.ingest import crawl, open_warehouse
from crm_platform.models.checks import count
from crm_platform.publish.figures import renew
from crm_platform.schemas import raw
from crm_platform.serving.turned import tell_turned
from crm_platform.tables import TABLES
from crm_platform.warehouse import leases_of, models_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from crm_platform.ingest import Progress
    from crm_platform.ingest.planner import CrawlPlanner
    from crm_platform.publish import Snapshot
    from crm_platform.settings import Settings
    from crm_platform.warehouse import Models, Warehouse

_AGAIN_AFTER: Final = 15.0  # seconds after a turn that could not be made
_CALM: Final = 25.0  # seconds between turns for what is no message or event: a message should find nothing under way
_TELL_DAGSTER_EVERY: Final = 60.0  # seconds: an event log of a turn each few seconds would be read by nobody

_log = logging.getLogger(__name__)


def expected_file(settings: Settings) -> Path:
    """A file that is there while a live process should be: it takes the file away when it ends in order."""
    return settings.lock_dir / "live.expected"


def run_live(
    settings: Settings,
    *,
    progress: Callable[[Progress], None] = lambda _: None,
    on_turn: Callable[[Snapshot, float], None] = lambda _snapshot, _seconds: None,
    on_trouble: Callable[[str], None] = lambda _: None,
    wait_seconds: float = 0.0,
    on_wait: Callable[[str], None] | None = None,
) -> None:
    """Crawl, compute and publish until interrupted.

    `on_turn` hears of each snapshot and how many seconds it took from what was stored; `on_trouble` why figures could
    not be renewed, which the next news tries again. Raises Busy when another live process, or another crawl after
    `wait_seconds`, is at work, and what a crawl raises that no waiting mends.
    """
    prepare_dagster_home(settings)
    with (
        leases_of(settings).take("live", purpose="crm live", wait=1),
        _expected(settings),
        opened_instance(settings, keeps_connections=True) as instance,
    ):
        live = open_warehouse(settings)
        turns = _Turns(settings, live, instance, on_turn=on_turn, on_trouble=on_trouble)
        turns.turn()
        outcomes = crawl(
            settings,
            live,
            forever=True,
            progress=turns.heard(progress),
            on_stored=turns.stored,
            wait_seconds=wait_seconds,
            on_wait=on_wait,
        )
        for _ in outcomes:  # there is none: it goes on until it is interrupted, or cannot
            pass


@contextlib.contextmanager
def _expected(settings: Settings) -> Iterator[None]:
    """Leave a note that somebody should notice if this process is killed; Ctrl-C is no reason."""
    note = expected_file(settings)
    note.write_text(f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M:%S} UTC\n", encoding="utf-8")
    try:
        yield
    except (KeyboardInterrupt, Busy):
        note.unlink(missing_ok=True)
        raise


@dataclass(slots=True)
class _Turns:
    """Renews figures when something came, and when time alone has made them old."""

    settings: Settings
    live: Warehouse
    instance: dg.DagsterInstance
    on_turn: Callable[[Snapshot, float], None]
    on_trouble: Callable[[str], None]
    store: Models = field(init=False)
    _turned_at: float = field(init=False, default=float("-inf"))
    _told_at: float = field(init=False, default=float("-inf"))
    _is_due: bool = field(init=False, default=False)  # the last turn could not be made, or was put off

    def __post_init__(self) -> None:
        self.store = models_store(self.settings)

    def stored(self, is_new: bool, planner: CrawlPlanner | None = None) -> None:
        """Renew figures at once for new messages and events; for the rest, such as who has read what, by and by."""
        if is_new or time.monotonic() - self._turned_at >= _CALM:
            self.turn(planner)
        else:
            self._is_due = True

    def turn(self, planner: CrawlPlanner | None = None) -> None:
        """Compute what is stored, publish it, and tell; any trouble leaves the last figures, and the crawl goes on.

        `planner`: the one whose state is stored. In the middle of a tick it has learnt more than that.
        """
        began = time.monotonic()
        self._turned_at = began
        try:
            # A build of Dagster's that is at work publishes as much; what comes after it is the next turn's.
            with leases_of(self.settings).take("build", purpose="crm live", wait=1):
                snapshot = renew(
                    self.store, self.live, settings=self.settings, now=dt.datetime.now(dt.UTC), planner=planner
                )
        except RetryLater as problem:
            _log.info("figures are not renewed now: %s", problem)
            self._is_due = True
            return
        except (CrmPlatformError, OSError) as problem:
            self.on_trouble(str(problem))
            self._is_due = True
            return
        self._is_due = False
        tell_turned(self.settings)
        self.on_turn(snapshot, time.monotonic() - began)
        if began - self._told_at >= _TELL_DAGSTER_EVERY:
            self._told_at = began
            try:
                _tell(self.instance, snapshot, self.live)
            except Exception:  # noqa: BLE001 - its storage may be locked or full: it is told again in a minute
                _log.exception("Dagster was not told")

    def heard(self, progress: Callable[[Progress], None]) -> Callable[[Progress], None]:
        """Pass on how the crawl goes; where nothing comes, time alone renews the figures."""

        def hear(told: Progress) -> None:
            progress(told)
            pause = _AGAIN_AFTER if self._is_due else self.settings.refresh_every.total_seconds()
            if time.monotonic() - self._turned_at >= pause:
                self.turn()

        return hear


def _tell(instance: dg.DagsterInstance, snapshot: Snapshot, live: Warehouse) -> None:
    """Report what stands now as materialisations without a run."""
    rows = dict(snapshot.tables)
    with live.reading() as session:
        for table in (*raw.FETCHED, *raw.UNASKED):
            rows[table.full_name()] = count(session, table.full_name())
    for name, stored in rows.items():
        if name in TABLES:
            instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    asset_key(TABLES[name]), description="By crm live.", metadata={"dagster/row_count": stored}
                )
            )
    instance.report_runless_asset_event(
        dg.AssetMaterialization(SNAPSHOT, description="By crm live.", metadata={"snapshot": snapshot.id})
    )
