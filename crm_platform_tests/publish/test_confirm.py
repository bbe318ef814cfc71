"""Confirming a snapshot: its manifest alone says another time, and whoever reads it learns so."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from crm_platform.doctor.files import snapshots
from crm_platform.models import standing
from crm_platform.publish import confirm, current, read_manifest
from crm_platform.publish.manifest import MANIFEST

from .conftest import AS_OF, NOW

LATER = NOW + dt.timedelta(minutes=7)


@pytest.fixture
def stands(monkeypatch):
    """Figures stand, and the CRM answered at the cut."""
    monkeypatch.setattr(standing, "standing_cut", lambda *_, **__: AS_OF)
    monkeypatch.setattr(standing, "answered_at", lambda _: AS_OF)


def confirmed(build, *, now: dt.datetime = LATER):
    return confirm(build.models, build.models, settings=build.settings, now=now)


def test_a_confirmed_snapshot_says_when(build, stands):
    before = build.publish()
    snapshot = confirmed(build)
    assert snapshot == current(build.settings)
    assert (snapshot.id, snapshot.as_of, snapshot.tables) == (before.id, before.as_of, before.tables)
    assert (before.stood_at, snapshot.confirmed_at, snapshot.stood_at) == (AS_OF, LATER, LATER)
    assert json.loads((snapshot.path / MANIFEST).read_text())["confirmed_at"] == "2026-11-22T08:12:00Z"
    assert snapshot.id.endswith(read_manifest(snapshot.path).digest()[:12])


def test_nothing_else_of_it_changes(build, stands):
    path = build.publish().path
    files = {file: (file.stat().st_ino, file.stat().st_mtime_ns) for file in path.rglob("*") if file.name != MANIFEST}
    manifest = (path / MANIFEST).stat()
    confirmed(build)
    assert files == {file: (file.stat().st_ino, file.stat().st_mtime_ns) for file in files}
    now = (path / MANIFEST).stat()
    # Whether a file was written to after it was sealed is told by the manifest's time.
    assert (now.st_mtime_ns, now.st_mode) == (manifest.st_mtime_ns, manifest.st_mode)
    assert {one.name for one in build.settings.published_dir.iterdir()} == {path.name, "current"}
    assert [one.state for one in snapshots(build.settings, LATER)] == ["ok"]


def test_what_is_left_by_a_crash_is_in_nobodys_way(build, stands):
    build.publish()
    (build.settings.published_dir / ".confirming").write_text("torn")
    assert confirmed(build).confirmed_at == LATER
    (build.settings.published_dir / ".confirming").write_text("torn")
    build.publish(at=NOW + dt.timedelta(hours=1))
    assert not (build.settings.published_dir / ".confirming").exists()


def test_where_the_crm_was_silent_nothing_is_confirmed(build, stands):
    build.publish()
    silent = AS_OF + build.settings.refresh_every + dt.timedelta(seconds=1)
    assert confirmed(build, now=silent).confirmed_at is None


def test_another_cut_than_the_published_one_is_not_confirmed(build, monkeypatch):
    build.publish()
    monkeypatch.setattr(standing, "standing_cut", lambda *_, **__: NOW)
    assert confirmed(build) is None
    monkeypatch.setattr(standing, "standing_cut", lambda *_, **__: None)
    assert confirmed(build) is None
    assert current(build.settings).confirmed_at is None
