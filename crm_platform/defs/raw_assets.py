"""Raw assets: one op over `ingest`: until everything is current, or for some minutes of a schedule.

What belongs here: the assets, their configuration, what is told of them. What does not: fetching (ingest/).
"""

import functools
import time
from collections.abc import Callable, Iterator
from typing import Final

import dagster as dg
from pydantic import Field

from crm_platform.api import utc_now
from crm_platform.defs.allowance import requests_known_left
from crm_platform.defs.failures import in_dagsters_words
from crm_platform.defs.metadata import OWNERS, asset_key, counts, definition_metadata
from crm_platform.defs.resources import Reporter, WarehouseResource
from crm_platform.errors import GiveUp
from crm_platform.ingest import Outcome, Progress, crawl, refresh, upgrade
from crm_platform.models.checks import count
from crm_platform.publish import lost_warehouse
from crm_platform.schemas import RawTable, raw
from crm_platform.settings import Settings
from crm_platform.warehouse import Warehouse

CRAWL_POOL: Final = "crawl"

# What must be there before a table can be asked for: the arrows between the raw assets.
_NEEDED: Final[dict[type[RawTable], type[RawTable]]] = {
    raw.CampaignReports: raw.Campaigns,
    raw.Messages: raw.Contacts,
}

LOG_EVERY: Final = 10.0  # seconds between two log lines of one stage


class IngestConfig(dg.Config):
    """How to ingest."""

    full_refresh: bool = Field(
        default=False, description="Fetch everything again from the first page, whatever is already stored."
    )
    minutes: float | None = Field(
        default=None,
        gt=0,
        description=(
            "Work so many minutes, spending requests where they are worth most, as the schedule does. Unset: until "
            "everything is current or the day's quota is spent."
        ),
    )


def _spec(table: type[RawTable]) -> dg.AssetSpec:
    return dg.AssetSpec(
        asset_key(table),
        deps=[asset_key(_NEEDED[table])] if table in _NEEDED else [],
        description=table.description(),
        group_name="raw",
        kinds={"http", "duckdb"},
        owners=OWNERS,
        metadata=definition_metadata(table),
    )


def _told(outcome: Outcome, store: Warehouse, settings: Settings) -> dg.MaterializeResult[None]:
    """Say what an outcome brought, also when it is nothing."""
    table = outcome.table
    with store.reading() as session:
        rows = count(session, table.full_name())
        listed = counts(session, table)
    return dg.MaterializeResult(
        asset_key=asset_key(table),
        metadata={
            "dagster/row_count": rows,
            "inserted": outcome.inserted,
            "updated": outcome.updated,
            "unchanged": outcome.unchanged,
            "rejected": outcome.rejected,
            "requests": outcome.requests,
            "seconds_throttled": outcome.seconds_throttled,
            "window_start": dg.MetadataValue.timestamp(outcome.started_at),
            "window_end": dg.MetadataValue.timestamp(outcome.finished_at),
            "remaining": outcome.remaining or "nothing: current",
            "path": dg.MetadataValue.path(store.describe()),
            **{f"requests_left_{span}": count for span, count in requests_known_left(settings).items()},
            **outcome.metrics,
            **({"rows by kind": dg.MetadataValue.md(listed)} if listed else {}),
        },
    )


def _as_it_stands(table: type[RawTable], store: Warehouse) -> dg.AssetMaterialization:
    """What comes by itself is written when it comes: a run can only say how much there is."""
    with store.reading() as session:
        rows = session.query(f"select count(*) as n from {table.full_name()}").column("n")[0].as_py()
    return dg.AssetMaterialization(
        asset_key=asset_key(table),
        description="As it stood at the end of this run.",
        metadata={"dagster/row_count": rows, "path": dg.MetadataValue.path(store.describe())},
    )


class _Narrator:
    """Writes a log line when a stage begins and every few seconds after, so that the UI shows that work goes on."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        reporter: Reporter,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._context = context
        self._reporter = reporter
        self._monotonic = monotonic
        self._stage = ""
        self._due = 0.0

    def __call__(self, progress: Progress) -> None:
        self._reporter.progress(progress)
        now = self._monotonic()
        if progress.stage != self._stage or now >= self._due:
            self._stage, self._due = progress.stage, now + LOG_EVERY
            self._context.log.info(
                "%s: %d of %s, %d requests, %d messages",
                progress.stage,
                progress.done,
                "?" if progress.total is None else progress.total,
                progress.requests,
                progress.messages,
            )


@dg.multi_asset(
    name="raw", specs=[_spec(table) for table in raw.FETCHED], can_subset=True, pool=CRAWL_POOL, group_name=None
)
def raw_tables(
    context: dg.AssetExecutionContext,
    config: IngestConfig,
    live: WarehouseResource,
    settings: dg.ResourceParam[Settings],
    reporter: dg.ResourceParam[Reporter],
) -> Iterator[dg.MaterializeResult[None]]:
    """Fetch what the CRM has and the warehouse has not."""
    with in_dagsters_words(reporter):
        if words := lost_warehouse(settings):
            context.log.warning(words)
        store = live.prepared()
        upgrade(store, settings, now=utc_now())
        tables = [table for table in raw.FETCHED if asset_key(table) in context.selected_asset_keys]
        missing = set(tables)
        narrator = _Narrator(context, reporter)
        run = functools.partial(crawl, minutes=config.minutes)
        if config.minutes is None or config.full_refresh or len(tables) < len(raw.FETCHED):
            run = functools.partial(refresh, tables=tables, full_refresh=config.full_refresh)
        for outcome in run(
            settings, store, progress=narrator, wait_seconds=reporter.wait_seconds, on_wait=reporter.waiting
        ):
            missing.discard(outcome.table)
            reporter.fetched(outcome)
            if outcome.remaining:
                context.log.warning("%s: %s", outcome.table.full_name(), outcome.remaining)
            yield _told(outcome, store, settings)
        for table in raw.UNASKED:
            context.log_event(_as_it_stands(table, store))
        if missing:  # Dagster would skip what comes after without a word, and call the run a success
            raise GiveUp(f"ingest said nothing of {', '.join(sorted(table.full_name() for table in missing))}")


unasked = [
    dg.AssetSpec(
        asset_key(table),
        description=table.description(),
        group_name="raw",
        kinds={"duckdb"},
        owners=OWNERS,
        metadata=definition_metadata(table),
    )
    for table in raw.UNASKED
]
"""Written when something is done through this platform, or an event comes, not by a run: external assets."""
