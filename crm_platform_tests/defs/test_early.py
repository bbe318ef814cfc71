"""When a long ingest stops for figures: soon, then every few minutes, rather when it has to wait anyway."""

from __future__ import annotations

from types import SimpleNamespace

import dagster as dg
import pytest
from pydantic import SecretStr

from crm_platform.defs.activity import SHELL_TAG
from crm_platform.defs.dagster_home import prepare_dagster_home
from crm_platform.defs.early import FIRST_PAUSE, LONGEST_PAUSE, PATIENCE_WITH_LULLS, EarlyFigures
from crm_platform.defs.resources import Reporter
from crm_platform.defs.shell import ShellReporter, refresh_in_process
from crm_platform.errors import Busy, ContractBreach
from crm_platform.ingest import Progress
from crm_platform.metrics.backlog_now.table import BacklogNow
from crm_platform.publish import current
from crm_platform.schemas import raw
from crm_platform.warehouse import DuckDbWarehouse, leases_of
from crm_platform_tests.defs.conftest import settings_for
from crm_platform_tests.sandbox.running import running_sandbox


class Run:
    """An ingest on a clock that tests set; `builds`: when figures were published."""

    def __init__(self, *, seconds_a_build: float = 8.0) -> None:
        self.at = 0.0
        self.builds: list[float] = []
        self.seconds_a_build = seconds_a_build
        self.early = EarlyFigures(Reporter(), build=self._build, monotonic=lambda: self.at)

    def _build(self) -> None:
        self.at += self.seconds_a_build
        self.builds.append(self.at)

    def fetched(self, table, *, at: float) -> None:
        self.at = max(self.at, at)
        self.early.fetched(SimpleNamespace(table=table))

    def tells(self, *, at: float, lull: bool = False, stage: str = "messages") -> None:
        self.at = max(self.at, at)
        self.early.progress(Progress(stage, 1, 2, 1, 0, is_waiting=lull))


def begun(**options) -> Run:
    run = Run(**options)
    run.tells(at=5, stage="contacts")
    run.fetched(raw.Contacts, at=66)
    run.fetched(raw.ContactSweeps, at=66)
    run.fetched(raw.CustomFields, at=67)
    run.fetched(raw.Campaigns, at=68)
    return run


def test_nothing_is_published_before_the_contacts_are_known():
    run = Run()
    for at in range(0, 400, 10):
        run.tells(at=at, stage="contacts", lull=True)
    assert run.builds == []


def test_the_first_figures_come_in_the_first_lull_after_the_campaigns():
    """Kind 15: on 8,500 contacts at 60 a minute, the sweep ends after 66 s and the limit is reached at once again."""
    run = begun()
    run.tells(at=69, stage="campaign reports")
    assert run.builds == []
    run.tells(at=71, stage="campaign reports", lull=True)
    assert run.builds == [79]
    assert run.builds[0] < 120


def test_a_lull_within_the_first_reports_is_taken():
    """Under a day's limit the campaigns' stage ends with up to a fifth of the day in reports: minutes of them."""
    run = Run()
    run.fetched(raw.ContactSweeps, at=20)
    run.fetched(raw.CustomFields, at=21)
    run.tells(at=22, stage="campaigns")
    run.tells(at=25, stage="campaigns", lull=True)
    assert run.builds == []
    run.tells(at=26, stage="campaign reports")
    run.tells(at=30, stage="campaign reports", lull=True)
    assert run.builds == [38]
    run.fetched(raw.Campaigns, at=90)
    run.tells(at=91, lull=True)
    assert run.builds == [38], "the next is due after a pause"


def test_reports_that_keep_coming_do_not_put_them_off():
    run = begun()
    for at in range(69, 100):
        run.tells(at=at, stage="campaign reports")
    assert run.builds == [91]


def test_then_they_come_every_few_minutes():
    run = begun()
    for at in range(70, 4000):
        run.tells(at=at, lull=at % 60 > 10)
    pauses = [later - earlier for earlier, later in zip(run.builds, run.builds[1:], strict=False)]
    assert pauses[0] <= FIRST_PAUSE + run.seconds_a_build + PATIENCE_WITH_LULLS
    assert pauses == sorted(pauses)
    assert pauses[-1] <= LONGEST_PAUSE + run.seconds_a_build + PATIENCE_WITH_LULLS


def test_without_a_lull_they_come_a_little_later():
    run = begun()
    for at in range(70, 400):
        run.tells(at=at)
    assert len(run.builds) == 2


def test_a_slow_build_is_made_more_rarely():
    run = begun(seconds_a_build=100)
    for at in range(70, 3000):
        run.tells(at=at, lull=True)
    pauses = [later - earlier for earlier, later in zip(run.builds, run.builds[1:], strict=False)]
    assert min(pauses) >= 500, "five sixths of the time are the crawl's"


def test_a_crm_without_a_limit_that_is_slow_shows_its_contacts():
    """Campaigns come after the messages there."""
    run = Run()
    run.fetched(raw.ContactSweeps, at=5)
    for at in range(6, 94):
        run.tells(at=at)
    assert run.builds == [], "most are loaded by then, and build once"
    run.tells(at=95)
    assert len(run.builds) == 1


def test_a_campaign_list_without_contacts_is_no_figure():
    run = Run()
    run.fetched(raw.Campaigns, at=5)
    run.tells(at=500, lull=True)
    assert run.builds == []


@pytest.mark.parametrize("word", ["waiting", "fetched", "checked", "built", "failed", "progress"])
def test_whoever_watches_hears_all_of_it(word):
    heard = []

    class Listener(Reporter):
        retries = False
        wait_seconds = 7.0

    def hears(*arguments, **named) -> None:
        heard.append(word)

    setattr(Listener, word, hears)
    early = EarlyFigures(Listener(), build=lambda: None)
    assert (early.retries, early.wait_seconds) == (False, 7.0)
    early.waiting("x")
    early.fetched(SimpleNamespace(table=raw.Messages))
    early.checked([])
    early.built("x", seconds=1)
    early.failed(None)
    early.progress(Progress("contacts", 1, 2, 1, 0))
    assert heard == [word]


class Teller(ShellReporter):
    """Remembers the order in which stages ended and figures came."""

    def __init__(self) -> None:
        super().__init__(wait_seconds=0)
        self.told: list[str] = []

    def fetched(self, outcome) -> None:
        self.told.append(outcome.table.full_name())

    def published_so_far(self, problem: str) -> None:
        self.told.append(problem or "published")


@pytest.fixture
def limited(tmp_path, monkeypatch):
    """A platform under a limit that nothing reaches, whose first figures are due at once."""
    monkeypatch.setattr("crm_platform.defs.early.PATIENCE_WITH_REPORTS", 0.0)
    with running_sandbox(contacts=12, days=30) as crm:
        yield settings_for(tmp_path, base_url=crm.url, api_key=SecretStr(crm.key), requests_per_minute=100_000)


def refreshed(settings) -> tuple[Teller, list[dg.DagsterRun]]:
    teller = Teller()
    refresh_in_process(settings, reporter=teller, full_refresh=False, as_of=None, verbose=False)
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(settings))) as instance:
        return teller, instance.get_runs()


@pytest.mark.slow
def test_figures_so_far_are_a_run_of_their_own_before_the_messages(limited):
    teller, runs = refreshed(limited)
    assert teller.told.index("published") < teller.told.index("raw.messages")
    assert {run.job_name for run in runs} == {"kpis", "refresh_all"}
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
    assert all(SHELL_TAG in run.tags for run in runs)
    kept = [one for one in limited.published_dir.iterdir() if one.is_dir() and not one.is_symlink()]
    assert len(kept) == 2


@pytest.mark.slow
def test_under_a_days_limit_they_do_not_wait_for_the_first_reports(limited):
    teller, _ = refreshed(limited.model_copy(update={"requests_per_day": 100_000}))
    assert teller.told.index("published") < teller.told.index("raw.campaigns") < teller.told.index("raw.messages")


@pytest.mark.slow
def test_figures_so_far_that_break_a_rule_hold_nobody_up_but_themselves(limited, monkeypatch):
    monkeypatch.setattr(BacklogNow, "rules", ("open_waits < 0",))
    teller = Teller()
    with pytest.raises(ContractBreach, match="open_waits < 0") as breach:
        refresh_in_process(limited, reporter=teller, full_refresh=False, as_of=None, verbose=False)
    assert len(breach.value.breaches) == 1, "told once, by the run's own build"
    assert teller.told.index("kpi.backlog_now: open_waits < 0 (1 rows)") < teller.told.index("raw.messages")
    assert current(limited) is None


@pytest.mark.slow
def test_where_another_builds_the_crawl_does_not_wait(limited):
    with leases_of(limited).take("build", purpose="crm build"), pytest.raises(Busy):
        refreshed(limited)
    with DuckDbWarehouse(limited.warehouse_path, lock_dir=limited.lock_dir).reading() as session:
        assert session.query("select count(*) as n from raw.messages")["n"][0].as_py() > 0, "all was fetched"
