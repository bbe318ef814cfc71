"""Dagster's storage in Postgres: the same as in SQLite, over few connections, its password in its file alone."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test
from dagster._serdes import serialize_value
from pydantic import SecretStr
from sqlalchemy import text

from crm_platform.defs import activity
from crm_platform.defs.activity import BUILDERS, at_work
from crm_platform.defs.dagster_home import config_for, opened_instance, packaged_config, prepare_dagster_home
from crm_platform.defs.failed_runs import standing_failures
from crm_platform.defs.graph import build_defs, build_resources
from crm_platform.defs.housekeeping import RUNS_KEPT, forget_old_runs
from crm_platform.defs.shell import refresh_in_process
from crm_platform.doctor import work
from crm_platform.errors import RetryLater
from crm_platform.settings import Settings, load_settings
from crm_platform_tests.defs.conftest import Listener
from crm_platform_tests.postgres.server import PostgresServer
from crm_platform_tests.sandbox.running import RunningSandbox, running_sandbox

pytestmark = pytest.mark.services

_MOST_CONNECTIONS = 30  # of a refresh over a database that is there; Dagster's own storage opens 890


@pytest.fixture(scope="module")
def crm() -> Iterator[RunningSandbox]:
    with running_sandbox(contacts=12, days=30, clock="manual") as sandbox:
        yield sandbox


@pytest.fixture
def stored_in(crm, tmp_path, monkeypatch) -> Callable[[SecretStr | None], Settings]:
    """Give a new platform whose runs are stored in a database, or in SQLite: Dagster reads the environment."""

    def made(url: SecretStr | None) -> Settings:
        folder = tmp_path / ("postgres" if url else "sqlite")
        folder.mkdir(exist_ok=True)
        monkeypatch.delenv("CRM_DAGSTER_POSTGRES_URL_FILE", raising=False)
        if url is not None:
            (folder / "secret").write_text(f"{url.get_secret_value()}\n", encoding="utf-8")
            monkeypatch.setenv("CRM_DAGSTER_POSTGRES_URL_FILE", str(folder / "secret"))
        settings = load_settings(data_dir=folder / "data", base_url=crm.url, api_key=SecretStr(crm.key))
        prepare_dagster_home(settings)
        return settings

    return made


def _refresh(settings: Settings, listener: Listener | None = None) -> str:
    listener = listener or Listener()
    return refresh_in_process(settings, reporter=listener, full_refresh=False, as_of=None, verbose=False)


def _told(settings: Settings, run_id: str) -> dict[str, object]:
    """What a run left: its events by kind, the rows of every asset, the result of every check."""
    with opened_instance(settings) as instance:
        events = [entry.dagster_event for entry in instance.all_logs(run_id) if entry.dagster_event]
        assets = {}
        for key in instance.all_asset_keys():
            stored = instance.get_latest_materialization_event(key)
            if stored is not None:
                rows = stored.asset_materialization.metadata.get("dagster/row_count")
                assets[key.to_user_string()] = None if rows is None else rows.value
        checks = {
            (event.asset_check_evaluation_data.asset_key, event.asset_check_evaluation_data.check_name): (
                event.asset_check_evaluation_data.passed
            )
            for event in events
            if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
        }
        return {
            "status": instance.get_run_by_id(run_id).status,
            "events": sorted(event.event_type_value for event in events),
            "assets": assets,
            "checks": checks,
        }


def test_a_refresh_tells_the_same_as_on_sqlite_over_few_connections(stored_in, server, database):
    ours = stored_in(database)
    first = _told(ours, _refresh(ours))
    name = database.get_secret_value().rpartition("/")[2]
    before = server.connections(name)
    again = _refresh(ours)
    assert server.connections(name) - before <= _MOST_CONNECTIONS
    second = _told(ours, again)
    theirs = stored_in(None)
    assert first == _told(theirs, _refresh(theirs))
    assert second == _told(theirs, _refresh(theirs))
    assert first["status"] == dg.DagsterRunStatus.SUCCESS
    assert len(first["assets"]) > 40


def test_the_password_is_in_its_file_alone(stored_in, server, database):
    settings = stored_in(database)
    _refresh(settings)
    secrets = (server.password, database.get_secret_value().split("@")[0].rpartition(":")[2])
    with opened_instance(settings) as instance:
        handed_on = serialize_value(instance.get_ref())  # what `ps` shows of the daemon
    name = database.get_secret_value().rpartition("/")[2]
    tables = [
        table for (table,) in server.query("select tablename from pg_tables where schemaname = 'public'", database=name)
    ]
    stored = [str(server.query(f"select * from {table}", database=name)) for table in tables]
    files = [path.read_bytes().decode("latin-1") for path in settings.root.rglob("*") if path.is_file()]
    for secret in secrets:
        for told in (handed_on, *stored, *files, repr(settings), config_for(settings)):
            assert secret not in told
    assert "event_logs" in tables


def test_dagster_yaml_follows_the_settings(stored_in, database, monkeypatch):
    settings = stored_in(database)
    installed = settings.dagster_home / "dagster.yaml"
    assert installed.read_text(encoding="utf-8") == config_for(settings)
    assert "env: CRM_DAGSTER_POSTGRES_URL_FILE" in config_for(settings)
    monkeypatch.delenv("CRM_DAGSTER_POSTGRES_URL_FILE")
    monkeypatch.setenv("CRM_DAGSTER_POSTGRES_URL", database.get_secret_value())
    settings = load_settings(data_dir=settings.data_dir)
    prepare_dagster_home(settings)
    assert installed.read_text(encoding="utf-8").endswith("env: CRM_DAGSTER_POSTGRES_URL\n")
    with opened_instance(settings) as instance:
        assert instance.get_runs() == []
        assert instance.run_monitoring_enabled, "the rest of it stands"
    monkeypatch.delenv("CRM_DAGSTER_POSTGRES_URL")
    prepare_dagster_home(load_settings(data_dir=settings.data_dir))
    assert installed.read_text(encoding="utf-8") == packaged_config()


def test_what_is_old_is_forgotten(stored_in, database):
    settings = stored_in(database)
    _refresh(settings)
    with opened_instance(settings) as instance:
        assert forget_old_runs(instance, now=dt.datetime.now(dt.UTC)) == 0
        assert forget_old_runs(instance, now=dt.datetime.now(dt.UTC) + 2 * RUNS_KEPT) == 1
        assert instance.get_runs() == []


def test_a_pooler_may_stand_before_it(stored_in, server, database):
    with server.pooled(database) as url:
        settings = stored_in(url)
        for _ in range(2):
            run_id = _refresh(settings)
        with opened_instance(settings) as instance:
            assert instance.get_run_by_id(run_id).is_success


# When it is killed.


@dataclasses.dataclass
class Killing(Listener):
    """Kills the server when some tables are built, and may start it again."""

    server: PostgresServer
    comes_back: bool

    def __post_init__(self) -> None:
        super().__init__()

    def built(self, table, *, seconds) -> None:
        super().built(table, seconds=seconds)
        if len(self.heard.built) == 5:
            self.server.kill()
            if self.comes_back:
                self.server.start()


def test_a_run_goes_on_where_it_is_back_within_seconds(stored_in, server, database):
    settings = stored_in(database)
    run_id = _refresh(settings, Killing(server, comes_back=True))
    with opened_instance(settings) as instance:
        assert instance.get_run_by_id(run_id).is_success


@pytest.mark.slow
def test_a_run_fails_where_it_stays_away_and_holds_nobody_back(stored_in, server, database, monkeypatch):
    monkeypatch.setattr("crm_platform.defs.postgres_storage._PATIENCE", 1.0)
    settings = stored_in(database)
    with pytest.raises(RetryLater, match=r"Dagster's Postgres at 127.0.0.1:.* went away"):
        _refresh(settings, Killing(server, comes_back=False))
    with pytest.raises(RetryLater, match=r"does not answer .Connection refused.: start it, or correct CRM_DAGSTER"):
        _refresh(settings)
    server.start()
    with opened_instance(settings) as instance:
        assert at_work(instance, settings, BUILDERS) is None
        (run,) = instance.get_runs()
        assert run.is_failure
    (failure,) = standing_failures(settings)
    assert failure.run_id == run.run_id, "it is told"
    _refresh(settings)
    assert standing_failures(settings) == []


def test_a_build_that_lost_the_storage_is_asked_for_again_at_once(stored_in, database, monkeypatch):
    """It failed by a step, which Dagster does not start again; and no sensor asks for a build twice in 15 minutes."""
    from dagster_postgres.event_log import PostgresEventLogStorage

    settings = stored_in(database)
    _refresh(settings)
    store = PostgresEventLogStorage.store_event

    def breaks(self, event) -> None:
        if event.dagster_event and event.dagster_event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
            with self._connect() as connection:
                connection.execute(text("select pg_terminate_backend(pg_backend_pid())"))
        store(self, event)

    defs = build_defs(settings)
    sensor = defs.get_repository_def().get_sensor_def("kpis_follow_raw")
    with opened_instance(settings) as instance:
        resources = build_resources(settings)
        needed = {name: resources[name] for name in sensor.required_resource_keys}
        for is_lost in (False, True, False):
            with monkeypatch.context() as patch:
                if is_lost:
                    patch.setattr(PostgresEventLogStorage, "store_event", breaks)
                run = defs.resolve_job_def("kpis").execute_in_process(instance=instance, raise_on_error=False)
            assert run.success is not is_lost
            with dg.build_sensor_context(instance=instance, resources=needed) as context:
                assert isinstance(sensor(context), dg.RunRequest) is is_lost


def test_an_instance_that_is_open_outlives_it(stored_in, server, database):
    """Dagster's own web server answers the next two requests with an error: its connections are stale."""
    settings = stored_in(database)
    with opened_instance(settings) as instance:
        instance.optimize_for_webserver(statement_timeout=5000, pool_recycle=3600, max_overflow=20)
        for _ in range(2):
            assert instance.get_runs() == []
            server.kill()
            server.start()
        assert instance.get_runs() == []
        assert instance.all_asset_keys() == []


def test_a_run_that_was_never_queued_holds_the_next_build_back_for_a_minute_and_is_told(
    stored_in, database, monkeypatch
):
    settings = stored_in(database)
    with opened_instance(settings) as instance:
        run = create_run_for_test(instance, job_name="kpis", status=dg.DagsterRunStatus.NOT_STARTED)
        assert at_work(instance, settings, BUILDERS) == f"kpis is not_started (run {run.run_id[:8]})"
        monkeypatch.setattr(activity, "_QUEUED_WITHIN", dt.timedelta())
        assert at_work(instance, settings, BUILDERS) is None
        assert instance.get_run_by_id(run.run_id).is_failure
    assert [failure.job for failure in standing_failures(settings)] == ["kpis"]


# What doctor says.


def test_doctor_says_whether_it_answers(stored_in, server, database, monkeypatch):
    stored_in(database)
    monkeypatch.setenv("CRM_COORDINATION_URL", database.get_secret_value())
    settings = load_settings()
    found = list(work.postgres(settings, dt.datetime.now(dt.UTC)))
    assert [finding.state for finding in found] == ["ok", "ok"]
    assert found[0].words.startswith("CRM_DAGSTER_POSTGRES_URL: 127.0.0.1:")
    assert found[1].words.startswith("CRM_COORDINATION_URL: 127.0.0.1:")
    server.kill()
    found = list(work.postgres(settings, dt.datetime.now(dt.UTC)))
    server.start()
    assert [finding.state for finding in found] == ["BAD", "BAD"]
    for finding in found:
        assert "does not answer (Connection refused): start it, or correct CRM_" in finding.words
        assert server.password not in finding.words


def test_doctor_says_nothing_of_a_postgres_that_nobody_named():
    assert list(work.postgres(load_settings(), dt.datetime.now(dt.UTC))) == []
