"""A platform with figures of a week that a test says how much is known of, and the other ends of a mail and a webhook.

Its cut is on Sunday 22 November 2026; the last week that is over is 2026-W46, from the 9th to the 15th.
"""

from __future__ import annotations

import datetime as dt
import functools
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from crm_platform.metrics.campaign_performance.table import CampaignPerformance
from crm_platform.metrics.response_times_daily.table import ResponseTimesDaily
from crm_platform.reports.sending import Standing, send_due
from crm_platform.schemas import KpiTable, Type
from crm_platform.settings import Settings, load_settings
from crm_platform.tables import TABLES
from crm_platform_tests.alerts.conftest import receiver
from crm_platform_tests.alerts.mailbox import Mailbox, running_mailbox
from crm_platform_tests.serving.published import AS_OF, DAYS, NOW, TODAY, publish_rows, row

__all__ = ["receiver"]

NO_CHROMIUM = Path("/nowhere/chromium")


Publish = Callable[[float | None, Path], None]


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Publish:
    """Publish figures of a coverage into a data folder; made once, which takes a second, and copied."""

    @functools.cache
    def made(coverage: float | None) -> Path:
        days = [TODAY - dt.timedelta(days=back) for back in range(DAYS)]
        settings = load_settings(data_dir=tmp_path_factory.mktemp("published"))
        sent = [(f"c{back}", AS_OF - dt.timedelta(days=back)) for back in range(DAYS)]
        other = {
            table: [row(table, **_counts(table), day=day, coverage=coverage) for day in days]
            for table in TABLES.values()
            if issubclass(table, KpiTable) and table.key == ("day",)
        }
        other |= {
            ResponseTimesDaily: [
                row(ResponseTimesDaily, day=day, waits=20, first_waits=10, coverage=coverage) for day in days
            ],
            CampaignPerformance: [row(CampaignPerformance, campaign_id=one, name=one, sent_at=at) for one, at in sent],
        }
        publish_rows(settings, other=other)
        return settings.published_dir

    def copied(coverage: float | None, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(made(coverage), folder, symlinks=True)

    return copied


def _counts(table: type[KpiTable]) -> dict[str, object]:
    """One of everything that is counted: a day that is there has its counts."""
    return {
        name: 1
        for name, column in table.columns.items()
        if column.type is Type.INTEGER and name != "definition_version"
    }


@dataclass
class Platform:
    """A data folder, and what is done with it."""

    settings: Settings
    box: Mailbox
    published: Publish

    def publish(self, *, coverage: float | None = 0.99) -> None:
        self.published(coverage, self.settings.published_dir)

    def to(self, *lines: str, heading: str = "to,every,language,pages,format") -> None:
        self.settings.root.mkdir(parents=True, exist_ok=True)
        (self.settings.root / "reports.csv").write_text("\n".join([heading, *lines]) + "\n", encoding="utf-8")

    def send(self, **options) -> list[Standing]:
        return send_due(self.settings, now=NOW, **options)


@pytest.fixture
def make_platform(tmp_path: Path, published: Publish) -> Iterator[Callable[..., Platform]]:
    with running_mailbox() as box:

        def made(**options) -> Platform:
            settings = load_settings(
                data_dir=tmp_path / "data",
                smtp_url=f"smtp://127.0.0.1:{box.port}",
                alert_email_to="robot@example.com",
                **{"chromium": NO_CHROMIUM, **options},
            )
            return Platform(settings, box, published)

        yield made


@pytest.fixture
def platform(make_platform: Callable[..., Platform]) -> Platform:
    """One whose week is known, and where nothing can print."""
    made = make_platform()
    made.publish()
    return made
