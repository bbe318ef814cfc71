"""One small platform refreshed once by Dagster, for what a run leaves behind; one without, for what commands read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from crm_platform.cli import crm, platform
from crm_platform.defs.dagster_home import prepare_dagster_home
from crm_platform.defs.shell import ShellReporter, refresh_in_process
from crm_platform.ingest import open_warehouse, refresh
from crm_platform.settings import Settings, load_settings
from crm_platform_tests.sandbox.running import running_sandbox


@dataclass(frozen=True)
class Refreshed:
    settings: Settings
    run_id: str
    reporter: Listener


@dataclass
class Heard:
    stages: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    built: list[str] = field(default_factory=list)


class Listener(ShellReporter):
    """Remembers what it was told."""

    def __init__(self) -> None:
        super().__init__(wait_seconds=0)
        self.heard = Heard()

    def progress(self, progress) -> None:
        self.heard.stages.append(progress.stage)

    def fetched(self, outcome) -> None:
        self.heard.tables.append(outcome.table.full_name())

    def built(self, table, *, seconds) -> None:
        assert seconds >= 0
        self.heard.built.append(table)


def settings_for(folder: Path, **overrides: object) -> Settings:
    return load_settings(
        **{"data_dir": folder, "base_url": "http://127.0.0.1:9", "api_key": SecretStr("sandbox"), **overrides}
    )


@pytest.fixture(scope="session")
def refreshed(tmp_path_factory) -> Iterator[Refreshed]:
    with running_sandbox(contacts=12, days=30) as crm:
        settings = settings_for(tmp_path_factory.mktemp("data"), base_url=crm.url, api_key=SecretStr(crm.key))
        listener = Listener()
        run_id = refresh_in_process(settings, reporter=listener, full_refresh=False, as_of=None, verbose=False)
        yield Refreshed(settings, run_id, listener)


@pytest.fixture(scope="session")
def stocked(tmp_path_factory) -> Iterator[Settings]:
    """Settings of a platform that has been refreshed, built and published without Dagster, which takes a third."""
    with running_sandbox(contacts=12, days=30) as crm_api, pytest.MonkeyPatch.context() as patch:
        settings = settings_for(tmp_path_factory.mktemp("data"), base_url=crm_api.url, api_key=SecretStr(crm_api.key))
        for _ in refresh(settings, open_warehouse(settings)):
            pass
        patch.setattr(platform, "current_settings", lambda: settings)
        built = CliRunner().invoke(crm, ["build"])
        assert built.exit_code == 0, built.output
        yield settings


@pytest.fixture
def settings(tmp_path) -> Settings:
    """A platform that has never run, beside a CRM that nobody answers for."""
    return settings_for(tmp_path)


@pytest.fixture(scope="session")
def storage(tmp_path_factory) -> Iterator[dg.DagsterInstance]:
    home = prepare_dagster_home(settings_for(tmp_path_factory.mktemp("storage")))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


@pytest.fixture
def instance(storage) -> Iterator[dg.DagsterInstance]:
    """An instance without runs; the storage itself is made once, which takes half a second."""
    yield storage
    storage.wipe()


@pytest.fixture
def home(refreshed) -> Iterator[dg.DagsterInstance]:
    """The instance that the refreshed platform's runs are recorded in."""
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(refreshed.settings))) as instance:
        yield instance
