"""`/metrics`: the figures, their age and this server's own work, for Prometheus.

What belongs here: what is measured and its names. What does not: alerts, which read a KPI's targets (alerts/).

    crm_snapshot_…            the cut, its age, whether one can be read
    crm_table_…{table}        rows, coverage and provisional rows of each published table
    crm_executive_…           the figures of kpi.executive_summary; one that is NULL is absent
    crm_http_…{route}         requests and the seconds they took
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from starlette.responses import Response
from starlette.routing import Route

from crm_platform.errors import CrmPlatformError
from crm_platform.metrics.executive_summary.table import ExecutiveSummary
from crm_platform.schemas import KpiTable, Type

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from crm_platform.serving.snapshots import OpenSnapshot, Snapshots

# Seconds: the promise is a median under 0.05.
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_FIGURES: Final = [
    name
    for name, column in ExecutiveSummary.columns.items()
    if name not in KpiTable.columns and column.type in (Type.INTEGER, Type.FLOAT) and not name.endswith("_previous")
]


class _SnapshotFigures:
    """Reads the current snapshot whenever Prometheus asks."""

    def __init__(self, snapshots: Snapshots, *, now: Callable[[], dt.datetime]) -> None:
        self._snapshots = snapshots
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """What is to be said of the snapshot; only that there is none, when that is so."""
        try:
            found = self._snapshots.current()
        except CrmPlatformError:
            found = None
        yield _gauge("crm_snapshot_readable", "1 when there is a snapshot to read.", 0 if found is None else 1)
        if found is not None:
            yield from self._about(found)

    def _about(self, found: OpenSnapshot) -> Iterator[Metric]:
        manifest = found.manifest
        yield InfoMetricFamily("crm_snapshot", "The snapshot.", {"id": manifest.id})
        yield _gauge("crm_snapshot_as_of_timestamp_seconds", "The cut.", manifest.as_of.timestamp())
        age = (self._now() - manifest.as_of).total_seconds()
        yield _gauge("crm_snapshot_age_seconds", "Seconds since the cut.", age)
        yield _gauge("crm_snapshot_sandbox", "1 when the data is made up.", manifest.is_sandbox)
        rows = GaugeMetricFamily("crm_table_rows", "Published rows.", labels=["table"])
        coverage = GaugeMetricFamily("crm_table_coverage_ratio", "Smallest coverage of its rows.", labels=["table"])
        provisional = GaugeMetricFamily("crm_table_provisional_rows", "Provisional rows.", labels=["table"])
        for name, entry in manifest.tables.items():
            rows.add_metric([name], entry.rows)
            if entry.coverage is not None:
                coverage.add_metric([name], entry.coverage)
            if entry.provisional_rows is not None:
                provisional.add_metric([name], entry.provisional_rows)
        yield from (rows, coverage, provisional)
        if ExecutiveSummary.full_name() in manifest.tables:
            for row in found.rows(f"select * from {ExecutiveSummary.full_name()}"):
                for name in _FIGURES:
                    # A snapshot from before a column was declared lacks it.
                    if row.get(name) is not None:
                        description = ExecutiveSummary.columns[name].description
                        yield _gauge(f"crm_executive_{name}", description, row[name])


def _gauge(name: str, description: str, value: float) -> Metric:
    return GaugeMetricFamily(name, description, value=float(value))


class AppMetrics:
    """Everything that is measured in one app."""

    def __init__(self, snapshots: Snapshots, *, now: Callable[[], dt.datetime]) -> None:
        # Else each counter has a second series, which nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry(auto_describe=True)
        self.requests = Counter("crm_http_requests", "Answers.", ["route", "method", "status"], registry=self.registry)
        self.seconds = Histogram(
            "crm_http_request_seconds", "Seconds to the last byte.", ["route"], buckets=_BUCKETS, registry=self.registry
        )
        ProcessCollector(registry=self.registry)
        self.registry.register(_SnapshotFigures(snapshots, now=now))


class Measured:
    """Counts and times every request, by the route that answers it."""

    def __init__(self, app: ASGIApp, *, metrics: AppMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and measure it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500  # what is sent when nothing was

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = time.perf_counter()
        try:
            await self._app(scope, receive, watched)
        finally:
            # Paths that no route knows share one name: whoever tries paths must not fill the memory.
            route = getattr(scope.get("route"), "path", "(none)")
            method = scope["method"] if scope["method"] in _METHODS else "(other)"
            self._metrics.requests.labels(route, method, str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - began)


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _metrics(request: Request) -> Response:
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(request.app.state.metrics.registry), headers={"Content-Type": media_type})


def routes() -> list[BaseRoute]:
    """The metrics."""
    return [Route("/metrics", _metrics, methods=["GET"])]
