"""What is due, what is not, and who is told of a failure."""

from __future__ import annotations

import datetime as dt

import dagster as dg
import pytest
from pydantic import SecretStr

from crm_platform import core
from crm_platform.alerts import Alerter
from crm_platform.defs.activity import SHELL_TAG, at_work
from crm_platform.defs.failed_runs import problem_key
from crm_platform.defs.graph import build_defs
from crm_platform.defs.housekeeping import forget_old_runs
from crm_platform.defs.live import expected_file
from crm_platform.defs.resources import SystemClock, WarehouseResource
from crm_platform.errors import Breach, GiveUp, RetryLater
from crm_platform.ingest import open_warehouse
from crm_platform.metrics.backlog_daily.table import BacklogDaily
from crm_platform.metrics.backlog_now.table import BacklogNow
from crm_platform.metrics.response_times_daily.table import ResponseTimesDaily
from crm_platform.models.checks import CheckResult
from crm_platform.models.due import last_change
from crm_platform.models.noted import note_contracts, note_results
from crm_platform.models.raw_checks import RAW_CHECKS
from crm_platform.schemas import ops, raw
from crm_platform.settings import load_settings
from crm_platform.warehouse import DuckDbWarehouse, leases_of
from crm_platform_tests.alerts import published
from crm_platform_tests.receipts.weeks import altered

NOON = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
QUARTER = dt.timedelta(minutes=15)


class StoppedClock(SystemClock):
    def __init__(self, now: dt.datetime = NOON) -> None:
        self.time = now

    def now(self) -> dt.datetime:
        return self.time


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture(scope="module")
def repository() -> dg.RepositoryDefinition:
    return build_defs(load_settings()).get_repository_def()


@pytest.fixture
def evaluate(repository, settings, instance, clock):
    """Evaluate a schedule or sensor by name; gives what it yields, and keeps the cursor from tick to tick."""
    lock_dir = str(settings.lock_dir)
    resources = {
        "settings": settings,
        "clock": clock,
        "live": WarehouseResource(settings=settings, database=str(settings.warehouse_path), lock_dir=lock_dir),
        "models": WarehouseResource(settings=settings, database=str(settings.models_path), lock_dir=lock_dir),
    }
    cursors: dict[str, str | None] = {}

    def evaluated(name: str) -> dg.RunRequest | dg.SkipReason:
        if repository.has_schedule_def(name):
            needed = {"settings": settings}
            with dg.build_schedule_context(
                instance=instance, scheduled_execution_time=NOON, resources=needed
            ) as context:
                return repository.get_schedule_def(name)(context)
        sensor = repository.get_sensor_def(name)
        needed = {key: resources[key] for key in sensor.required_resource_keys}
        with dg.build_sensor_context(instance=instance, cursor=cursors.get(name), resources=needed) as context:
            answer = sensor(context)
            cursors[name] = context.cursor
            return answer

    return evaluated


def started(instance, job_name: str, **tags: str) -> dg.DagsterRun:
    return instance.create_run_for_job(_doing_nothing(job_name), status=dg.DagsterRunStatus.STARTED, tags=tags)


def _doing_nothing(name: str) -> dg.JobDefinition:
    @dg.op
    def work() -> None:
        pass

    @dg.job(name=name)
    def job() -> None:
        work()

    return job


def fetch_contact(settings, *, at: dt.datetime) -> None:
    row = {name: None for name, column in raw.Contacts.columns.items() if column.nullable}
    row |= {"chat_id": f"c{at:%H%M}", "created_at_was_naive": False, "first_fetch_id": 1, "fetch_id": 1}
    row |= {"first_fetched_at": at, "fetched_at": at}
    with open_warehouse(settings).writing() as session:
        session.merge(raw.Contacts, raw.Contacts.rows([row]))


def build_began(settings, *, at: dt.datetime) -> None:
    models = DuckDbWarehouse(settings.models_path, lock_dir=settings.lock_dir)
    models.prepare([ops.Builds])
    with models.writing() as session:
        session.append(
            ops.Builds, ops.Builds.rows([{"as_of": at, "started_at": at, "settings": "{}", "is_sandbox": True}])
        )


SCHEDULES = {
    "ingest_every_15_minutes": ("ingest", "refresh_all"),
    "kpis_nightly": ("kpis", "refresh_all"),
    "housekeeping_daily": ("housekeeping",),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_asks_for_its_run_when_nobody_is_at_work(evaluate, name):
    assert isinstance(evaluate(name), dg.RunRequest)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "job"), [(name, job) for name, jobs in SCHEDULES.items() for job in jobs])
def test_a_schedule_skips_while_its_like_is_at_work(evaluate, instance, name, job):
    started(instance, job)
    answer = evaluate(name)
    assert isinstance(answer, dg.SkipReason)
    assert f"{job} is started" in answer.skip_message


def test_at_night_every_chat_is_computed_anew_and_by_day_those_that_changed(evaluate, settings, clock):
    assert evaluate("kpis_nightly").run_config == {"ops": {"build": {"config": {"full": True}}}}
    fetch_contact(settings, at=clock.now())
    assert evaluate("kpis_follow_raw").run_config == {}


def test_a_schedule_does_not_mind_other_jobs(evaluate, instance):
    started(instance, "kpis")
    assert isinstance(evaluate("ingest_every_15_minutes"), dg.RunRequest)


def test_scheduled_ingest_ends_before_the_next_one(evaluate):
    minutes = evaluate("ingest_every_15_minutes").run_config["ops"]["raw"]["config"]["minutes"]
    assert 10 < minutes < 15


def test_ingest_gives_way_to_a_crawl_that_dagster_knows_nothing_of(evaluate, settings):
    with leases_of(settings).take("crawl", purpose="crm crawl"):
        answer = evaluate("ingest_every_15_minutes")
    assert "crm crawl (process" in answer.skip_message
    assert isinstance(evaluate("ingest_every_15_minutes"), dg.RunRequest)


def test_a_killed_refresh_does_not_stop_the_schedules_for_ever(evaluate, instance, settings):
    run = started(instance, "refresh_all", **{SHELL_TAG: "4711"})
    with leases_of(settings).take("refresh", purpose="crm refresh"):
        assert isinstance(evaluate("kpis_nightly"), dg.SkipReason), "it is alive"
    assert isinstance(evaluate("kpis_nightly"), dg.RunRequest)
    assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE
    assert at_work(instance, settings, ["refresh_all"]) is None


def test_kpis_follow_raw_data_that_changed(evaluate, settings, clock, instance):
    assert evaluate("kpis_follow_raw").skip_message == "nothing has been fetched yet"
    fetch_contact(settings, at=NOON - QUARTER)
    assert isinstance(evaluate("kpis_follow_raw"), dg.RunRequest), "data, and no build yet"
    assert "less than 15 minutes" in evaluate("kpis_follow_raw").skip_message, "asked for once, not every minute"
    clock.time += QUARTER
    assert isinstance(evaluate("kpis_follow_raw"), dg.RunRequest), "that build never came"

    build_began(settings, at=clock.time)
    clock.time += QUARTER
    assert "nothing has changed" in evaluate("kpis_follow_raw").skip_message
    fetch_contact(settings, at=clock.time)
    assert isinstance(evaluate("kpis_follow_raw"), dg.RunRequest)


@pytest.mark.slow
def test_waits_grow_older_on_a_quiet_day_too(evaluate, settings, clock):
    fetch_contact(settings, at=NOON - QUARTER)
    build_began(settings, at=NOON)
    clock.time = NOON + QUARTER
    assert "nothing has changed" in evaluate("kpis_follow_raw").skip_message
    clock.time = NOON + dt.timedelta(minutes=25)
    assert isinstance(evaluate("kpis_follow_raw"), dg.RunRequest)
    assert "less than 15 minutes" in evaluate("kpis_follow_raw").skip_message, "asked for once, not every minute"


@pytest.mark.slow
def test_kpis_wait_15_minutes_after_any_build(evaluate, settings, clock):
    build_began(settings, at=NOON)
    clock.time = NOON + dt.timedelta(minutes=5)
    fetch_contact(settings, at=clock.time)
    assert "less than 15 minutes" in evaluate("kpis_follow_raw").skip_message
    clock.time = NOON + QUARTER
    assert isinstance(evaluate("kpis_follow_raw"), dg.RunRequest)


@pytest.mark.slow
def test_a_build_under_a_clock_ahead_holds_up_none_once_it_is_right(evaluate, settings, clock):
    """Field case 65: the build and the sensor's cursor lie a month ahead."""
    clock.time = NOON + dt.timedelta(days=30)
    fetch_contact(settings, at=clock.time)
    assert isinstance(evaluate("kpis_follow_raw"), dg.RunRequest)
    build_began(settings, at=clock.time)
    clock.time = NOON
    assert isinstance(evaluate("kpis_follow_raw"), dg.RunRequest)
    assert isinstance(evaluate("kpis_follow_raw"), dg.SkipReason), "asked for once, not every minute"


@pytest.mark.slow
@pytest.mark.parametrize("job", ["kpis", "refresh_all"])
def test_kpis_do_not_follow_while_their_like_is_at_work(evaluate, settings, instance, job):
    fetch_contact(settings, at=NOON)
    started(instance, job)
    assert isinstance(evaluate("kpis_follow_raw"), dg.SkipReason)


@pytest.mark.slow
def test_a_sensor_does_not_wait_for_a_writer(evaluate, settings, monkeypatch):
    fetch_contact(settings, at=NOON)
    monkeypatch.setattr("crm_platform.defs.resources.SENSOR_PATIENCE", 0.05)
    with open_warehouse(settings).writing():
        answer = evaluate("kpis_follow_raw")
    assert "busy" in answer.skip_message


def campaign(settings, status: str, *, at: dt.datetime, is_change: bool) -> None:
    row = {"campaign_id": "k1", "observed_at": at, "status": status, "is_change": is_change, "fetch_id": 1}
    with open_warehouse(settings).writing() as session:
        session.merge(raw.CampaignStatuses, raw.CampaignStatuses.rows([row]))


def reported(settings, *, at: dt.datetime) -> None:
    row = {name: None for name, column in raw.CampaignReports.columns.items() if column.nullable}
    row |= {"campaign_id": "k1", "first_fetched_at": at, "last_fetched_at": at, "content_hash": "x"}
    row |= {"first_fetch_id": 1, "fetch_id": 1}
    with open_warehouse(settings).writing() as session:
        session.append(raw.CampaignReports, raw.CampaignReports.rows([row]))


@pytest.mark.slow
def test_a_campaign_that_finishes_gets_its_report_at_once(evaluate, settings, clock):
    name = "report_of_finished_campaign"
    assert "no campaign has finished" in evaluate(name).skip_message, "nothing fetched at all"
    campaign(settings, "in_progress", at=NOON - 2 * QUARTER, is_change=False)
    assert "no campaign has finished" in evaluate(name).skip_message
    campaign(settings, "completed", at=NOON - QUARTER, is_change=True)
    request = evaluate(name)
    assert request.asset_selection == [dg.AssetKey(["raw", "campaign_reports"])]
    assert isinstance(evaluate(name), dg.SkipReason), "a report that cannot be had does not cost a run a minute"
    clock.time += QUARTER
    assert isinstance(evaluate(name), dg.RunRequest)
    reported(settings, at=clock.time)
    assert "no campaign has finished" in evaluate(name).skip_message


def test_a_campaign_that_was_over_when_first_seen_is_no_news(evaluate, settings):
    campaign(settings, "completed", at=NOON, is_change=False)
    assert isinstance(evaluate("report_of_finished_campaign"), dg.SkipReason)


# Failed runs.


def failing_job(problem: Exception) -> dg.JobDefinition:
    @dg.op
    def break_down() -> None:
        raise problem

    @dg.job(name="ingest")
    def ingest() -> None:
        break_down()

    return ingest


def evaluate_failure(repository, settings, instance, problem: Exception) -> None:
    result = failing_job(problem).execute_in_process(instance=instance, raise_on_error=False)
    context = dg.build_run_status_sensor_context(
        sensor_name="failed_runs",
        dagster_event=result.get_run_failure_event(),
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        resources={"settings": settings},
    ).for_run_failure()
    repository.get_sensor_def("failed_runs")(context)


def test_a_run_that_was_ended_is_no_failure(repository, settings, instance):
    """Whoever ends the demo by Ctrl-C in the middle of a run needs no alert when it starts again."""
    evaluate_failure(repository, settings, instance, dg.DagsterExecutionInterruptedError())
    assert Alerter(settings).open_problems() == {}


@pytest.mark.slow
def test_a_failed_run_is_told_and_its_success_is_the_all_clear(repository, settings, instance, caplog):
    failure = dg.Failure(description="the CRM refuses the key", allow_retries=False)
    evaluate_failure(repository, settings, instance, failure)
    assert Alerter(settings).open_problems() == {problem_key("ingest"): "ingest failed"}
    assert "break_down: the CRM refuses the key" in caplog.text
    evaluate_failure(repository, settings, instance, dg.DagsterExecutionInterruptedError())
    assert len(Alerter(settings).open_problems()) == 1, "being ended makes nothing good"

    result = _doing_nothing("ingest").execute_in_process(instance=instance)
    context = dg.build_run_status_sensor_context(
        sensor_name="recovered_runs",
        dagster_event=result.get_run_success_event(),
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        resources={"settings": settings},
    )
    repository.get_sensor_def("recovered_runs")(context)
    assert Alerter(settings).open_problems() == {}


def test_a_broken_contract_is_told_with_table_rule_and_count(repository, settings, instance, caplog):
    """Dagster says of a failed blocking check that one failed, and no more."""
    breach = Breach("kpi.backlog_now", "", "open_waits < 0", 3)
    note_contracts(settings, [BacklogDaily], [Breach("kpi.backlog_daily", "", "yesterday's", 1)], at=NOON)

    class Blocked(Exception):
        def __init__(self) -> None:
            note_contracts(settings, [BacklogNow], [breach], at=dt.datetime.now(dt.UTC))

    evaluate_failure(repository, settings, instance, Blocked)
    (problem,) = Alerter(settings).standing()
    assert "kpi.backlog_now, contract: open_waits < 0 (3 rows)" in problem.text
    assert "yesterday's" not in problem.text


def test_a_check_that_warns_is_told_by_the_sensor_once(evaluate, settings, caplog):
    drift = next(check for check in RAW_CHECKS if check.name == "drift")
    note_results(settings, [(drift, CheckResult(passed=False, summary="new in the last 7 days: mood"))], at=NOON)
    for _ in range(3):
        assert evaluate("kpi_watches").skip_message == "nothing is published yet"
    assert list(Alerter(settings).open_problems().values()) == [f"{drift.table.full_name()}: drift warns"]
    assert [record.levelname for record in caplog.records].count("ERROR") == 1


def test_an_unforeseen_error_is_told_by_its_class_alone(repository, settings, instance, caplog):
    evaluate_failure(repository, settings, instance, ValueError("row of Wanjiku, +254712345678"))
    assert "break_down: ValueError" in caplog.text
    assert "Wanjiku" not in caplog.text.split("ingest failed", 1)[1]


# Watched KPIs and the digest.


def break_the_target(settings, *, minute: int) -> None:
    """Publish a Friday whose median first response is 20 minutes, and the Saturday that holds the cut."""
    usual = {"waits": 100, "first_answered_waits": 45, "first_response_seconds_median": 1200.0}
    days = [
        published.row(ResponseTimesDaily, day=dt.date(2026, 11, day), is_provisional=day == 21, **usual)
        for day in (20, 21)
    ]
    as_of = dt.datetime(2026, 11, 21, 9, minute, tzinfo=dt.UTC)
    published.publish(settings, as_of=as_of, tables={ResponseTimesDaily: days})


def test_watches_follow_each_published_snapshot_once(evaluate, settings, caplog):
    assert evaluate("kpi_watches").skip_message == "nothing is published yet"
    break_the_target(settings, minute=0)
    assert "1 broken" in evaluate("kpi_watches").skip_message
    assert "has been judged" in evaluate("kpi_watches").skip_message
    break_the_target(settings, minute=15)
    assert "1 broken" in evaluate("kpi_watches").skip_message
    assert list(Alerter(settings).open_problems().values()) == ["The median first response is above its target"]
    assert [record.levelname for record in caplog.records].count("ERROR") == 1


def publish_week(settings, *, coverage: float, at: dt.datetime) -> None:
    """The week that ended on Sunday the 15th, and nobody who waits."""
    week = [dt.date(2026, 11, day) for day in range(9, 16)]
    days = [published.row(ResponseTimesDaily, day=day, first_waits=10, coverage=coverage) for day in week]
    tables = {ResponseTimesDaily: days, core.ResponseWaits: [], core.Contacts: []}
    published.publish(settings, as_of=at, tables=tables, built_with={})


def test_reports_follow_a_snapshot_once_and_only_when_its_figures_stand(evaluate, settings):
    assert evaluate("reports_follow_snapshots").skip_message == "nothing is published yet"
    publish_week(settings, coverage=0.9, at=NOON - 3 * QUARTER)
    assert evaluate("reports_follow_snapshots").skip_message == "no report is due"
    (settings.root / "reports.csv").write_text("to,every\nmailto:lead@example.com,week\n")
    assert "has been looked at" in evaluate("reports_follow_snapshots").skip_message
    publish_week(settings, coverage=0.9, at=NOON - 2 * QUARTER)
    held = evaluate("reports_follow_snapshots").skip_message
    assert held.startswith("2026-W46 is held: not known yet: 9 Nov 2026 (90.0")
    publish_week(settings, coverage=0.99, at=NOON - QUARTER)
    assert isinstance(evaluate("reports_follow_snapshots"), dg.RunRequest)
    assert "has been looked at" in evaluate("reports_follow_snapshots").skip_message
    (settings.root / "reports.csv").write_text("to,every\nlead,week\n")
    publish_week(settings, coverage=0.99, at=NOON)
    assert evaluate("reports_follow_snapshots").skip_message.startswith("reports.csv, line 2: to is neither")


def test_a_broken_snapshot_does_not_fail_the_sensor(evaluate, settings):
    break_the_target(settings, minute=0)
    (settings.published_dir / "current" / "manifest.json").write_text("{")
    assert "is broken" in evaluate("kpi_watches").skip_message


@pytest.mark.slow
def test_the_digest_is_asked_for_until_it_is_sent(settings, slower_weeks, instance, clock):
    """At 15:00 in Nairobi, which is the fixture's noon in UTC."""
    settings = settings.model_copy(update={"digest_hour": 15})
    altered(slower_weeks, settings.data_dir)

    def asked() -> dg.RunRequest | dg.SkipReason:
        with dg.build_schedule_context(
            instance=instance, scheduled_execution_time=NOON, resources={"settings": settings}
        ) as context:
            return digest_schedule(context)

    defs = build_defs(settings, resource_overrides={"clock": clock})
    digest_schedule = defs.get_repository_def().get_schedule_def("digest_daily")
    assert isinstance(asked(), dg.RunRequest)
    assert defs.resolve_job_def("digest").execute_in_process(instance=instance).success
    assert asked().skip_message == "today's digest has been sent"


@pytest.mark.slow
def test_a_channel_that_fails_does_not_fail_the_digest_run(settings, slower_weeks, instance, clock):
    settings = settings.model_copy(update={"alert_webhook_url": SecretStr("http://127.0.0.1:1/hook")})
    altered(slower_weeks, settings.data_dir)
    defs = build_defs(settings, resource_overrides={"clock": clock})
    assert defs.resolve_job_def("digest").execute_in_process(instance=instance).success
    assert Alerter(settings).failing_channels()["webhook"].startswith("cannot be reached")


@pytest.mark.slow
def test_old_runs_are_forgotten_and_young_ones_are_not(instance):
    done = failing_job(GiveUp("x")).execute_in_process(instance=instance, raise_on_error=False)
    started(instance, "refresh_all")
    assert forget_old_runs(instance, now=dt.datetime.now(dt.UTC)) == 0
    assert forget_old_runs(instance, now=dt.datetime.now(dt.UTC) + dt.timedelta(days=31)) == 1
    assert instance.get_run_by_id(done.run_id) is None
    assert instance.get_runs_count() == 1, "one that is under way stays"


@pytest.mark.slow
def test_the_newest_change_is_found(settings):
    fetch_contact(settings, at=NOON)
    fetch_contact(settings, at=NOON - QUARTER)
    with open_warehouse(settings).reading() as session:
        assert last_change(session) == NOON


def test_retry_later_is_the_only_kind_that_is_retried():
    from crm_platform.defs.failures import LONGEST_WAIT, translate
    from crm_platform.errors import Busy, ContractBreach, FixConfiguration, NotFound, QuotaSpent

    soon, late = RetryLater("x", retry_after=20), QuotaSpent("x", retry_after=3600)
    assert translate(soon, may_retry=True).seconds_to_wait == 20
    assert translate(Busy("x"), may_retry=True).max_retries == 3
    permanent = [late, FixConfiguration("x"), NotFound("x"), GiveUp("x"), ContractBreach([Breach("t", "c", "r", 1)])]
    for problem in permanent:
        told = translate(problem, may_retry=True)
        assert isinstance(told, dg.Failure), problem
        assert told.allow_retries is False
    assert isinstance(translate(soon, may_retry=False), dg.Failure), "a shell is told at once"
    assert late.retry_after > LONGEST_WAIT


def test_a_live_process_that_is_gone_is_told_of_once_and_its_return_too(settings, evaluate):
    assert evaluate("live_is_there").skip_message == "no live process is expected"
    expected_file(settings).parent.mkdir(parents=True, exist_ok=True)
    expected_file(settings).write_text("2026-11-22 08:00:00 UTC\n", encoding="utf-8")
    assert "schedules go on" in evaluate("live_is_there").skip_message
    (problem,) = Alerter(settings).standing()
    assert (problem.key, problem.title) == ("live", "crm live is gone")
    with leases_of(settings).take("live", purpose="crm live"):
        assert evaluate("live_is_there").skip_message.startswith("live: crm live (process")
    assert Alerter(settings).standing() == []
