"""Field cases 29, 68 and 73 in the doctor's words: files that are torn, foreign, newer, held, or gone."""

from __future__ import annotations

import datetime as dt
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from crm_platform.doctor import Finding, files
from crm_platform.settings import Settings, load_settings
from crm_platform.warehouse.locks import file_lock
from crm_platform_tests.serving.published import AS_OF, NOW, publish_rows


@pytest.fixture
def settings(tmp_path) -> Settings:
    return load_settings(data_dir=tmp_path)


def only(findings: Iterator[Finding]) -> Finding:
    (finding,) = findings
    return finding


def stored(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table main.numbers as select range as n, hash(range) as h from range(200000)")


# The folder.


def test_a_folder_of_ours_is_well(settings):
    assert only(files.folder(settings, NOW)).state == "ok"
    assert list(settings.root.iterdir()) == [], "the look leaves nothing behind"


def test_a_folder_that_is_none_names_the_setting(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (Path("/dev/null"), tmp_path / "file", tmp_path / "file" / "below"):
        finding = only(files.folder(load_settings(data_dir=tmp_path).model_copy(update={"data_dir": folder}), NOW))
        assert finding.state == "BAD"
        assert "set CRM_DATA_DIR to a folder of yours" in finding.words


@pytest.mark.parametrize("name", ["locks", "published", "audit", "dagster"])
def test_a_file_in_the_place_of_a_folder_is_named(settings, name):
    (settings.root / name).write_text("")
    finding = only(files.folder(settings, NOW))
    assert finding.state == "BAD"
    assert f"{settings.root / name} is no folder" in finding.words


@pytest.mark.parametrize("name", ["data", "locks", "published"])
def test_a_folder_that_nobody_may_write_to_is_named(settings, monkeypatch, name):
    """Asked of a user who is no superuser: everything is open to that one."""
    (settings.root / name).mkdir()
    monkeypatch.setattr(files.os, "access", lambda path, _mode: Path(path).name != name)
    finding = only(files.folder(settings, NOW))
    assert (finding.state == "BAD") == (name != "data")


def test_a_full_disk_is_told(settings, monkeypatch):
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 10**8))
    finding = only(files.folder(settings, NOW))
    assert finding == Finding("data folder", "BAD", f"0.1 GB free in {settings.root}: make room for 1 GB")


# DuckDB files.


def truncated(path: Path) -> None:
    stored(path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def foreign(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\x00" + bytes(50_000))


def newer(path: Path) -> None:
    """The first block as a version to come would write it: checksum, `DUCK`, the format's number."""
    stored(path)
    with path.open("r+b") as file:
        block = bytearray(file.read(4096))
        block[12:20] = struct.pack("<Q", 99_999)
        checksum = 5381
        for (word,) in struct.iter_unpack("<Q", block[8:]):
            checksum ^= word * 0xBF58476D1CE4E5B9 % 2**64
        block[:8] = struct.pack("<Q", checksum)
        file.seek(0)
        file.write(block)


def scribbled(path: Path) -> None:
    stored(path)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)


def empty(path: Path) -> None:
    path.write_bytes(b"DUCK")


FILES: list[tuple[Callable[[Path], object], str]] = [
    (truncated, "is damaged"),
    (foreign, "is no DuckDB file"),
    (newer, "newer version of DuckDB"),
    (scribbled, "is damaged"),
    (empty, "is no DuckDB file"),
    (Path.mkdir, "is no file"),
]


PLACES = [("warehouse", files.warehouse, "restore it"), ("models", files.models, "the next build makes it anew")]


@pytest.mark.slow
@pytest.mark.parametrize(("make", "words"), FILES, ids=lambda one: getattr(one, "__name__", ""))
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place[0])
def test_a_damaged_file_is_named_with_its_remedy(settings, make, words, place):
    name, look, remedy = place
    file = settings.root / f"{name}.duckdb"
    make(file)
    finding = only(look(settings, NOW))
    assert finding.state == "BAD"
    assert str(file) in finding.words
    assert words in finding.words
    assert remedy in finding.words


def test_a_warehouse_that_is_gone_is_not_one_that_is_yet_to_come(settings):
    """Field case 60: the build refuses, and the doctor said that all was well."""
    duckdb.connect(str(settings.models_path)).close()
    found = only(files.warehouse(settings, NOW))
    assert found.state == "BAD"
    assert "is gone, though a build was made of it" in found.words


def test_a_file_that_is_whole_or_not_there_yet_is_well(settings):
    assert "not there yet" in only(files.warehouse(settings, NOW)).words
    stored(settings.warehouse_path)
    finding = only(files.warehouse(settings, NOW))
    assert finding.state == "ok"
    assert "1 tables" in finding.words


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["read_only=True", "read_only=False"])
def test_a_file_that_another_program_holds_open_names_its_process(settings, mode):
    """Field case 29: a DuckDB shell that only reads stops every build all the same."""
    stored(settings.warehouse_path)
    program = f"import duckdb; c = duckdb.connect({str(settings.warehouse_path)!r}, {mode}); print('held'); input()"
    with subprocess.Popen([sys.executable, "-uc", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        finding = only(files.warehouse(settings, NOW))
        other.communicate(b"\n")
    assert finding.state == "BAD"
    assert f"is held open by process {other.pid} (python" in finding.words
    assert only(files.warehouse(settings, NOW)).state == "ok"


def test_a_file_that_one_of_ours_writes_to_is_not_verified_and_no_trouble(settings, monkeypatch):
    stored(settings.warehouse_path)
    monkeypatch.setattr(files, "_PATIENCE", 0.0)
    with file_lock(settings.lock_dir / "warehouse.lock", exclusive=True, timeout=1):
        finding = only(files.warehouse(settings, NOW))
    assert finding.state == "note"
    assert "not verified: warehouse.duckdb is in use" in finding.words


def test_a_file_that_gave_space_back_is_whole(settings):
    """Its header goes on counting blocks that were cut off its end."""
    stored(settings.models_path)
    for count in (200_000, 10):
        with duckdb.connect(str(settings.models_path)) as connection:
            connection.execute(f"create or replace table numbers as select md5(range::varchar) from range({count})")
    assert only(files.models(settings, NOW)).state == "ok"


# Snapshots.


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    snapshot = publish_rows(load_settings(data_dir=folder))
    for hour in (6, 7):  # kept from earlier
        shutil.copytree(snapshot.path, snapshot.path.with_name(f"20261122T{hour:02}0000.000Z-0123456789ab"))
    return folder


@pytest.fixture
def shown(published, tmp_path) -> Settings:
    return load_settings(data_dir=shutil.copytree(published, tmp_path, symlinks=True, dirs_exist_ok=True))


def looked(settings: Settings, *, now: dt.datetime = AS_OF) -> list[Finding]:
    return list(files.snapshots(settings, now))


def folders(settings: Settings) -> list[Path]:
    return sorted(path for path in settings.published_dir.iterdir() if path.is_dir() and not path.is_symlink())


def flip(file: Path) -> None:
    file.chmod(0o600)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


def test_snapshots_are_well(shown):
    assert looked(shown) == [
        Finding("snapshot", "ok", "as of 0 s ago"),
        Finding("snapshots", "ok", "2 older ones, read and whole"),
    ]


def test_none_yet_is_well(settings):
    assert only(files.snapshots(settings, NOW)).state == "ok"


@pytest.mark.parametrize("name", ["analytics.duckdb", "kpi/executive_summary.parquet"])
def test_a_flipped_byte_is_found(shown, name):
    newest, oldest = folders(shown)[-1], folders(shown)[0]
    flip(oldest / name)
    current, older = looked(shown)
    assert current.state == "ok"
    assert older == Finding(
        "snapshots",
        "note",
        f"{oldest.name}/{name}: not what was published; remove that folder, receipts go on without it",
    )
    flip(newest / name)
    current = looked(shown)[0]
    assert current.state == "BAD"
    assert f"{newest / name} is not what was published" in current.words


def test_a_file_too_large_to_read_is_held_to_its_size(shown, monkeypatch):
    monkeypatch.setattr(files, "_HASHED", 0)
    flip(folders(shown)[-1] / "analytics.duckdb")
    assert "whole by their sizes" in looked(shown)[1].words
    (folders(shown)[-1] / "analytics.duckdb").write_bytes(b"short")
    assert looked(shown)[0].state == "BAD"


def test_a_manifest_that_is_gone_names_its_snapshot(shown):
    oldest, _, newest = folders(shown)
    (oldest / "manifest.json").unlink()
    assert oldest.name in looked(shown)[1].words
    (newest / "manifest.json").chmod(0o600)
    (newest / "manifest.json").write_text("{}")
    finding = only(iter(looked(shown)))
    assert finding.state == "BAD"
    assert newest.name in finding.words


def test_a_link_that_is_none_is_told(shown):
    link = shown.published_dir / "current"
    link.unlink()
    assert only(iter(looked(shown))).state == "BAD"
    link.symlink_to("nowhere")
    assert only(iter(looked(shown))).state == "BAD"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("age", "state"),
    [(-3600, "BAD"), (-60, "ok"), (1800, "ok"), (1860, "note"), (7200, "note"), (7260, "BAD")],
)
def test_a_snapshots_age_is_judged_by_the_one_rule(shown, age, state):
    assert looked(shown, now=AS_OF + dt.timedelta(seconds=age))[0].state == state


def test_figures_of_the_sandbox_are_not_a_crms(shown):
    """Field case 28, as the doctor says it."""
    other = shown.model_copy(update={"base_url": "https://crm.example.com"})
    finding = looked(other)[0]
    assert finding.state == "BAD"
    assert "the published figures are those of the sandbox" in finding.words
    assert "CRM_DATA_DIR" in finding.words
