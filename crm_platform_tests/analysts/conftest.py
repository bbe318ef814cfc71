"""A small tenant that has been crawled, built and published once, for all tests that read what analysts read."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_platform import models
from crm_platform.publish import Snapshot, current, publish
from crm_platform.settings import Settings
from crm_platform.warehouse import DuckDbWarehouse
from crm_platform_tests.in_process import world
from crm_platform_tests.publish.conftest import build, tables

__all__ = ["build", "data_folder", "settings", "snapshot", "tables"]  # two of them are publishing's own fixtures


def crawled_and_published(root: Path, **options: int) -> Settings:
    """Crawl, build and publish a sandbox's whole world (see SandboxOptions) into a data folder; its settings."""
    crm = world(root, **options)
    crm.refresh()
    now = crm.time.now
    store = DuckDbWarehouse(crm.settings.models_path, lock_dir=crm.settings.lock_dir)
    models.freeze(store, crm.warehouse, settings=crm.settings, as_of=None, now=now, expected_unseen={})
    for table in models.build_order():
        models.build(store, table, settings=crm.settings)
    publish(store, settings=crm.settings, now=now, validate=lambda *_: [])
    return crm.settings


@pytest.fixture(scope="session")
def settings(tmp_path_factory) -> Settings:
    """Settings of a data folder with a published snapshot of 60 contacts and 45 days."""
    return crawled_and_published(tmp_path_factory.mktemp("analysts") / "data", contacts=60, days=45)


@pytest.fixture(scope="session")
def snapshot(settings: Settings) -> Snapshot:
    found = current(settings)
    assert found is not None
    return found


@pytest.fixture
def data_folder(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A working directory in which `data/` is the published data folder, as in a checkout that was used."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(settings.root)
    return tmp_path
