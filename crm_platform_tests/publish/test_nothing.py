"""Field cases 30 and 60: nothing is published from nothing, and a cut in the past does not become current unasked."""

from __future__ import annotations

import datetime as dt
import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from crm_platform.cli import crm, main, platform
from crm_platform.errors import FixConfiguration, GiveUp
from crm_platform.publish import Snapshot, current, kept, publish, purge, read_manifest
from crm_platform.publish.manifest import PAST
from crm_platform.settings import Settings, load_settings
from crm_platform_tests.in_process import START, World, world
from crm_platform_tests.publish.conftest import AS_OF, CHAT, NOW, Build

FIRST_FETCH = START


@pytest.fixture(scope="module")
def tenant(tmp_path_factory) -> World:
    """A tiny CRM that has been read, twice: the second time an hour later."""
    crm_world = world(tmp_path_factory.mktemp("nothing") / "data", contacts=10, days=5)
    crm_world.refresh()
    crm_world.time.sleep(3600)
    crm_world.refresh()
    return crm_world


@pytest.fixture
def build_at(tenant, monkeypatch):
    def called(*arguments: str, settings=tenant.settings) -> Result:
        monkeypatch.setattr(platform, "current_settings", lambda: settings)
        return CliRunner().invoke(crm, ["build", *arguments])

    return called


@pytest.mark.slow
def test_a_past_cut_stands_beside_the_current_snapshot_until_it_is_asked_for(tenant, build_at) -> None:
    """Field case 30."""
    settings = tenant.settings
    before = build_at("--as-of", (FIRST_FETCH - dt.timedelta(days=1)).isoformat())
    assert isinstance(before.exception, FixConfiguration)
    assert "the CRM first answered at 2026-11-20" in str(before.exception)
    assert current(settings) is None

    cut = (FIRST_FETCH + dt.timedelta(minutes=30)).isoformat()
    alone = build_at("--as-of", cut)
    assert alone.exit_code == 0, alone.output
    assert "nothing is current yet" in alone.output
    assert current(settings) is None

    assert build_at().exit_code == 0
    newest = current(settings)
    assert newest is not None
    assert read_manifest(newest.path).crm == settings.crm_name

    beside = build_at("--as-of", cut)
    assert beside.exit_code == 0, beside.output
    assert f"{newest.id} stays current" in beside.output
    assert str(settings.published_dir / PAST) in beside.output
    assert current(settings) == newest
    assert kept(settings) == [newest.path]

    asked = build_at("--as-of", cut, "--current")
    assert asked.exit_code == 0, asked.output
    turned = current(settings)
    assert turned is not None
    assert turned.as_of.isoformat() == cut
    assert turned.path.parent == settings.published_dir
    assert build_at().exit_code == 0
    last = current(settings)
    assert last is not None
    assert last.as_of > newest.as_of


def test_without_a_warehouse_nothing_is_built_and_none_is_made(tmp_path: Path, build_at) -> None:
    """Field case 60."""
    settings = load_settings(data_dir=tmp_path / "data", base_url="http://127.0.0.1:1", api_key="key")
    result = build_at(settings=settings)
    assert isinstance(result.exception, FixConfiguration)
    assert str(settings.warehouse_path) in str(result.exception)
    assert not settings.warehouse_path.exists()
    assert not settings.published_dir.exists()


@pytest.mark.slow
def test_before_the_first_answer_nothing_is_built(tmp_path: Path, build_at) -> None:
    fresh = world(tmp_path / "data")
    result = build_at(settings=fresh.settings)
    assert isinstance(result.exception, FixConfiguration)
    assert "nothing was fetched yet" in str(result.exception)
    assert current(fresh.settings) is None


@pytest.mark.parametrize("turns", [None, pytest.param(True, marks=pytest.mark.slow)])
def test_what_lost_everything_is_held_back(build: Build, turns: bool | None) -> None:
    """Field case 60, as by a warehouse that was begun anew."""
    shown = build.publish()
    with build.models.writing() as session:
        session.execute("delete from core.messages")
    with pytest.raises(GiveUp, match=r"held back.*core\.messages \(2 rows before\)"):
        publish(build.models, settings=build.settings, now=NOW, validate=lambda *_: [], turns=turns)
    assert current(build.settings) == shown
    with build.models.writing() as session:
        session.execute("insert into core.messages values (?, 'm', ?, null, null)", (CHAT, AS_OF.replace(tzinfo=None)))
    assert publish(build.models, settings=build.settings, now=NOW, validate=lambda *_: []).tables["core.messages"] == 1


def _in_the_past(build: Build, now: dt.datetime) -> Snapshot:
    with build.models.writing() as session:
        session.execute("update ops.builds set started_at = as_of + interval 1 hour")
    return publish(build.models, settings=build.settings, now=now, validate=lambda *_: [])


@pytest.mark.slow
def test_what_never_was_current_takes_no_others_place_when_old_ones_go(build: Build) -> None:
    shown = build.publish()
    past = [_in_the_past(build, NOW + dt.timedelta(hours=hour)) for hour in range(1, 6)]
    assert {one.path.parent.name for one in past} == {PAST}
    assert purge(build.settings, now=NOW + dt.timedelta(days=1)) == []
    assert purge(build.settings, now=NOW + dt.timedelta(days=40)) == [past[1].id, past[0].id]
    assert current(build.settings) == shown
    assert past[4].path.is_dir()


def test_another_crms_build_is_not_published(build: Build) -> None:
    """Field case 28."""
    with build.models.writing() as session:
        session.execute("update ops.builds set crm = 'crm.one.example'")
    with pytest.raises(FixConfiguration, match=r"crm\.one\.example"):
        build.publish()


@pytest.mark.slow
def test_the_demo_is_found_where_a_real_crms_figures_will_be_and_makes_room_for_them(
    build: Build, tmp_path: Path, monkeypatch
) -> None:
    """Field case 28: README's path, from `make demo` to a CRM of one's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CRM_DATA_DIR", raising=False)
    demo, mine = load_settings(), load_settings(base_url="https://crm.one.example", api_key="key")

    def published(settings: Settings, hour: int) -> Snapshot:
        now = NOW + dt.timedelta(hours=hour)
        return publish(build.models, settings=settings, now=now, validate=lambda *_: [])

    shown = published(demo, 1)
    assert (tmp_path / "data" / "published" / "current").resolve() == shown.path
    assert shown.path.is_relative_to(tmp_path / "data" / "sandbox")

    assert current(mine) is None
    assert kept(mine) == []
    assert purge(mine, now=NOW + dt.timedelta(days=40)) == []
    real = published(mine, 2)
    assert current(mine) == real
    assert (tmp_path / "data" / "published" / "current").resolve() == real.path
    assert not (tmp_path / "data" / "published").is_symlink()

    later = published(demo, 3)
    assert (tmp_path / "data" / "published" / "current").resolve() == real.path
    assert current(demo) == later


@pytest.mark.slow
def test_who_may_read_the_published_folder_may_read_what_is_published_later(build: Build) -> None:
    """Field case 71."""
    before = os.umask(0o077)
    try:
        closed = build.publish()
        build.settings.published_dir.chmod(0o750)
        opened = publish(
            build.models, settings=build.settings, now=NOW + dt.timedelta(minutes=1), validate=lambda *_: []
        )
    finally:
        os.umask(before)
    assert stat.S_IMODE(closed.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(closed.database.stat().st_mode) == 0o400
    assert stat.S_IMODE(opened.path.stat().st_mode) == 0o750
    assert stat.S_IMODE((opened.path / "core").stat().st_mode) == 0o750
    assert stat.S_IMODE(opened.database.stat().st_mode) == 0o440


def test_a_command_lets_nobody_read_what_it_writes_but_an_export_is_its_makers(monkeypatch) -> None:
    """Field case 71."""
    before = os.umask(0o022)
    try:
        monkeypatch.setattr("crm_platform.cli.crm.main", lambda **_: None)
        main(["export", "--to", "x.csv"])
        assert os.umask(0o022) == 0o022
        main(["status"])
        assert os.umask(0o022) == 0o077
    finally:
        os.umask(before)
