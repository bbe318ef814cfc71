"""A small snapshot of all declared tables, made without a crawl, and an app that serves it.

What belongs here: rows that tests of the API, of access and of health look at. What does not: figures that are right;
models/ and end_to_end/ have those.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path

import httpx
from starlette.applications import Starlette

from crm_platform.metrics.backlog_now.table import BacklogNow
from crm_platform.metrics.campaign_performance.table import CampaignPerformance
from crm_platform.metrics.engagement_monthly.table import EngagementMonthly
from crm_platform.metrics.executive_summary.table import ExecutiveSummary
from crm_platform.metrics.message_volume_hourly.table import MessageVolumeHourly
from crm_platform.metrics.response_times_daily.table import ResponseTimesDaily
from crm_platform.publish import Snapshot, publish, published_tables
from crm_platform.schemas.base import Table
from crm_platform.schemas.ops import Builds
from crm_platform.serving import create_app
from crm_platform.settings import Settings, load_settings
from crm_platform.warehouse import DuckDbWarehouse

AS_OF = dt.datetime(2026, 11, 22, 8, 0, tzinfo=dt.UTC)
NOW = dt.datetime(2026, 11, 22, 8, 5, tzinfo=dt.UTC)
TODAY = dt.date(2026, 11, 22)
DAYS = 40
SECRETS = {
    "viewer_secret": "viewer-secret-for-tests",
    "analyst_secret": "analyst-secret-for-tests",
    "admin_secret": "admin-secret-for-tests",
}
# Names that somebody may give a campaign.
NAMES = ["Karibu, “wateja”", "=HYPERLINK(1)", "+254 offer", "-20 %", "@all", 'quoted "so"', "two\nlines", None]


def row(table: type[Table], **values: object) -> dict[str, object]:
    """A row with the least that its columns allow, but for what is given."""
    least = {"text": "x", "integer": 1, "float": 0.5, "boolean": False, "timestamp": AS_OF, "date": TODAY, "json": "{}"}
    row: dict[str, object] = {
        name: None if column.nullable else least[column.type.value] for name, column in table.columns.items()
    }
    return {**row, "as_of": AS_OF, "coverage": 0.99, "is_provisional": False, "definition_version": 1, **values}


def rows() -> dict[type[Table], list[dict[str, object]]]:
    days = [TODAY - dt.timedelta(days=back) for back in range(DAYS)]
    return {
        ResponseTimesDaily: [
            row(
                ResponseTimesDaily,
                day=day,
                waits=10 + back,
                response_seconds_median=60.5 + back,
                coverage=None if back == 39 else 1 - back / 100,
                is_provisional=back == 0 or back > 5,
            )
            for back, day in enumerate(days)
        ],
        CampaignPerformance: [
            row(CampaignPerformance, campaign_id=f"c{number}", name=name, sent_at=AS_OF - dt.timedelta(days=number))
            for number, name in enumerate(NAMES)
        ],
        MessageVolumeHourly: [
            row(MessageVolumeHourly, weekday=weekday, hour=hour, inbound=weekday * hour)
            for weekday in range(7)
            for hour in range(24)
        ],
        EngagementMonthly: [row(EngagementMonthly, month=dt.date(2026, month, 1)) for month in (9, 10, 11)],
        BacklogNow: [row(BacklogNow, open_waits=3)],
        ExecutiveSummary: [row(ExecutiveSummary, total_contacts=2000, open_waits=3, answer_rate_7d=0.75)],
    }


def publish_rows(
    settings: Settings, *, now: dt.datetime = NOW, other: dict[type[Table], list[dict[str, object]]] | None = None
) -> Snapshot:
    """Publish the rows above, of some tables `other` ones; every other table is there and empty."""
    models = DuckDbWarehouse(settings.models_path, lock_dir=settings.lock_dir)
    with models.writing() as session:
        for table in [*published_tables(), Builds]:
            session.create(table)
        session.execute(f"delete from {Builds.full_name()}")
        session.append(
            Builds, Builds.rows([{"as_of": AS_OF, "started_at": AS_OF, "settings": "{}", "is_sandbox": True}])
        )
        for table, some in {**rows(), **(other or {})}.items():
            session.execute(f"delete from {table.full_name()}")
            session.append(table, table.rows(some))
    return publish(models, settings=settings, now=now, validate=lambda *_: [])


@dataclass
class Time:
    """Time that tests move."""

    now: dt.datetime = NOW

    def __call__(self) -> dt.datetime:
        return self.now


class InProcess(httpx.BaseTransport):
    """httpx's way to an ASGI app: no sockets. A bug in the app is answered as a server would, and kept in `bugs`."""

    def __init__(self, app: Starlette) -> None:
        self.app = app
        self.bugs: list[Exception] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": request.method,
            "scheme": request.url.scheme,
            "path": request.url.path,
            "raw_path": request.url.raw_path.partition(b"?")[0],
            "query_string": request.url.query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "client": (request.extensions.get("address", "127.0.0.1"), 50_000),
            "server": (request.url.host, request.url.port or 80),
            "state": {},
        }
        body = request.read()
        sent: list[dict] = []
        requests = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict:
            # Whoever listens on hears nothing more: the client stays.
            return requests.pop() if requests else await asyncio.Future()

        async def send(message: dict) -> None:
            sent.append(message)

        try:
            asyncio.run(self.app(scope, receive, send))
        except Exception as bug:
            if not sent:
                raise
            self.bugs.append(bug)
        content = b"".join(message.get("body", b"") for message in sent[1:])
        return httpx.Response(sent[0]["status"], headers=sent[0]["headers"], stream=httpx.ByteStream(content))


def audit_lines(root: Path) -> list[dict]:
    """What was written down, a file a month; that of the last line, whatever its month, comes last."""
    files = sorted((root / "audit").glob("*"), key=lambda path: path.stat().st_mtime_ns)
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def client_of(
    root: Path, *, host: str = "127.0.0.1", base_url: str = "http://127.0.0.1", now: Time | None = None, **options
) -> httpx.Client:
    """A browser that asks a server on `host` over `root`; `options`: settings."""
    app = create_app(load_settings(data_dir=root, **options), host=host, now=now or Time())
    return httpx.Client(transport=InProcess(app), base_url=base_url)
