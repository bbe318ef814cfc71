"""Figures of what is stored now: frozen, computed, held against their contracts, published.

What belongs here: these steps in their order, for whoever does all of them in one process. What does not: the steps
(models/, snapshot.py), leases, how it is told (cli/, defs/).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crm_platform.errors import ContractBreach, Discarded
from crm_platform.ingest import expected_unseen
from crm_platform.models import freeze
from crm_platform.models.build_all import build_all
from crm_platform.models.frozen import require_known
from crm_platform.publish.retention import purge
from crm_platform.publish.snapshot import publish

if TYPE_CHECKING:
    from crm_platform.errors import Breach
    from crm_platform.ingest.planner import CrawlPlanner
    from crm_platform.models import Built, Cut
    from crm_platform.publish.manifest import Snapshot
    from crm_platform.settings import Settings
    from crm_platform.warehouse import Models, Warehouse


@dataclass(frozen=True, slots=True)
class Computed:
    """A build: its cut, and each table with the rules it breaks."""

    cut: Cut
    tables: list[tuple[Built, list[Breach]]]

    @property
    def breaches(self) -> list[Breach]:
        """All of them."""
        return [breach for _, broken in self.tables for breach in broken]


def compute(
    store: Models,
    live: Warehouse,
    *,
    settings: Settings,
    now: dt.datetime,
    as_of: dt.datetime | None = None,
    full: bool = False,
    planner: CrawlPlanner | None = None,
) -> Computed:
    """Freeze what is known by the cut and build every table. The caller has the build lease.

    `planner`: of the crawl that this is done beside.

    Raises FixConfiguration where nothing was known by then, and Discarded when the file it builds in was damaged: once
    more makes it anew.
    """
    unseen = expected_unseen(settings, live, as_of=as_of or now, planner=planner)
    with store.held():
        cut = freeze(store, live, settings=settings, as_of=as_of, now=now, expected_unseen=unseen, full=full)
        require_known(cut, live)
        return Computed(cut, list(build_all(store, settings=settings, now=now)))


def renew(
    store: Models, live: Warehouse, *, settings: Settings, now: dt.datetime, planner: CrawlPlanner | None = None
) -> Snapshot:
    """Compute what is stored and make it the current snapshot. The caller has the build lease.

    `planner`: of the crawl that this is done beside.

    Raises ContractBreach when a table breaks its contract; the snapshot before stays then, and after any other error.
    """
    try:
        snapshot = _renewed(store, live, settings=settings, now=now, planner=planner)
    except Discarded:
        snapshot = _renewed(store, live, settings=settings, now=now, planner=planner)
    purge(settings, now=dt.datetime.now(dt.UTC))
    return snapshot


def _renewed(
    store: Models, live: Warehouse, *, settings: Settings, now: dt.datetime, planner: CrawlPlanner | None
) -> Snapshot:
    with store.held():
        computed = compute(store, live, settings=settings, now=now, planner=planner)
        if computed.breaches:
            raise ContractBreach(computed.breaches)
        return publish(store, settings=settings, now=dt.datetime.now(dt.UTC), validate=lambda _models, _table: [])
