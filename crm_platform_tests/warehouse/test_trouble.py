"""Files that somebody else holds, that are damaged, foreign or not ours: a clear line each, not DuckDB's own error."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from crm_platform.errors import Busy, CrmPlatformError, Discarded, FixConfiguration, GiveUp
from crm_platform.warehouse import DuckDbWarehouse, FileLeases
from crm_platform.warehouse.folder import keep_private

_HOLD = (
    "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == 'ro'); print(1, flush=True); input()"
)


def store_at(path: Path, **options: object) -> DuckDbWarehouse:
    return DuckDbWarehouse(path, lock_dir=path.parent / "locks", timeout=0.3, **options)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with 300 kB in it."""
    path = tmp_path / "warehouse.duckdb"
    with store_at(path).writing() as session:
        session.execute("create table facts as select range as n, repeat(md5(range::varchar), 3) as t from range(9000)")
    return path


@contextlib.contextmanager
def held(path: Path, how: str) -> Iterator[int]:
    """A program that knows nothing of our lock has the file open."""
    command = [sys.executable, "-c", _HOLD, str(path), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        yield holder.pid
        holder.communicate("\n")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["ro", "rw"])
def test_who_holds_the_file_without_our_lock_is_named(path: Path, how: str) -> None:
    """Field case 29."""
    with held(path, how) as pid, pytest.raises(Busy, match="another program holds") as busy, store_at(path).writing():
        pass
    assert str(pid) in busy.value.holder
    with store_at(path).writing() as session:
        assert session.query("select count(*) as n from facts")["n"][0].as_py() == 9000


@pytest.mark.slow
def test_who_reads_beside_a_reader_does_not_wait_and_a_source_that_is_held_is_told(path: Path) -> None:
    """Field case 29, as a build meets it: the live file is attached beside models.duckdb."""
    models = store_at(path.with_name("models.duckdb"))
    with held(path, "ro"), store_at(path).reading() as session:
        session.query("select 1")
    with held(path, "rw") as pid, pytest.raises(Busy) as busy, models.writing(source=store_at(path)):
        pass
    assert str(pid) in busy.value.holder


def _torn(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _cut_short(path: Path) -> None:
    os.truncate(path, 100)


def _emptied(path: Path) -> None:
    os.truncate(path, 0)


def _foreign(path: Path) -> None:
    path.write_text("no database" * 5000, encoding="utf-8")


def _of_sqlite(path: Path) -> None:
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("create table facts (n)")


def _flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for place in range(5000, len(content), 4096):
        content[place] ^= 0xFF
    path.write_bytes(content)


DAMAGES = [_torn, _cut_short, _emptied, _foreign, _of_sqlite, _flipped]


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_is_no_whole_database_is_told_in_a_line(path: Path, damage) -> None:
    """Field case 73."""
    damage(path)
    for opened in (store_at(path).reading, store_at(path).writing):
        with pytest.raises(GiveUp, match="is damaged, or no DuckDB file") as problem, opened() as session:
            session.query("select max(t) from facts")
        assert "\n" not in str(problem.value)
        assert str(path) in str(problem.value)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_derived_file_that_is_damaged_is_made_anew(path: Path, damage, caplog) -> None:
    """Field case 73: models.duckdb follows from the warehouse."""
    store = store_at(path, is_derived=True)
    damage(path)
    with caplog.at_level(logging.WARNING):
        try:
            with store.writing() as session:
                session.execute("create table if not exists facts (t varchar)")
                session.query("select max(t) from facts")
        except Discarded:  # found out only while it was used
            assert not path.exists()
    assert "made anew" in caplog.text
    with store.writing() as session:
        session.execute("create or replace table facts as select 'new' as t")
    with store.reading() as session:
        assert session.query("select max(t) as t from facts").to_pylist() == [{"t": "new"}]


def test_a_folder_a_missing_file_and_a_place_that_cannot_be_are_told(tmp_path: Path) -> None:
    """Field case 73."""
    (tmp_path / "folder.duckdb").mkdir()
    for path, opens, words in (
        (tmp_path / "folder.duckdb", "writing", "is a folder where a database file belongs"),
        (tmp_path / "none.duckdb", "reading", "is not there"),
        (Path("/dev/null/warehouse.duckdb"), "writing", "cannot be made"),
    ):
        problems: tuple[type[CrmPlatformError], ...] = (FixConfiguration,)
        store = DuckDbWarehouse(path, lock_dir=tmp_path / "locks", timeout=0.3)
        with pytest.raises(problems, match=words), getattr(store, opens)():
            pass


def test_a_derived_folder_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "models.duckdb").mkdir()
    with pytest.raises(FixConfiguration), store_at(tmp_path / "models.duckdb", is_derived=True).writing():
        pass


def test_a_full_disk_is_no_setting_to_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"), FileLeases(tmp_path).take("crawl", purpose="test"):
        pass


def test_locks_in_a_place_that_cannot_be_written_are_told() -> None:
    """Field case 73: CRM_DATA_DIR=/dev/null."""
    with (
        pytest.raises(FixConfiguration, match="CRM_DATA_DIR"),
        FileLeases(Path("/dev/null/locks")).take("crawl", purpose="test"),
    ):
        pass


def test_a_folder_of_an_earlier_version_is_closed_once_and_stays_open_where_its_owner_opens_it(tmp_path: Path) -> None:
    """Field case 71."""
    root = tmp_path / "data"
    (root / "published").mkdir(parents=True)
    (root / "mine").write_text("", encoding="utf-8")
    (root / "warehouse.duckdb").write_text("", encoding="utf-8")
    for path in (root, root / "published"):
        path.chmod(0o755)
    for path in (root / "mine", root / "warehouse.duckdb"):
        path.chmod(0o644)
    keep_private(root)

    def modes() -> list[int]:
        places = (root, root / "published", root / "mine", root / "warehouse.duckdb")
        return [stat.S_IMODE(path.stat().st_mode) for path in places]

    assert modes() == [0o700, 0o755, 0o644, 0o600]
    root.chmod(0o710)
    keep_private(root)
    assert modes()[0] == 0o710
    keep_private(tmp_path / "new" / "data")
    assert stat.S_IMODE((tmp_path / "new" / "data").stat().st_mode) == 0o700
    root.chmod(0o1777)
    keep_private(root)
    assert stat.S_IMODE(root.stat().st_mode) == 0o1777, "a folder like /tmp is everybody's"


def test_a_newer_storage_version_is_told(tmp_path: Path, monkeypatch) -> None:
    """Field case 73. DuckDB's words for it, which no version here can be made to say of a real file."""
    store = store_at(tmp_path / "warehouse.duckdb")
    store.path.write_text("", encoding="utf-8")
    words = "IO Error: Trying to read a database file with version number 99, but we can only read versions 64 to 68."
    told = store._unusable(duckdb.IOException(words))
    assert isinstance(told, FixConfiguration)
    assert "version number 99" in str(told)
    assert "update crm_platform" in str(told)


def test_what_cannot_be_read_for_another_reason_is_still_a_line(tmp_path: Path) -> None:
    store = store_at(tmp_path / "warehouse.duckdb")
    store.path.write_text("", encoding="utf-8")
    told = store._unusable(duckdb.IOException("IO Error: something new\nsecond line"))
    assert isinstance(told, GiveUp)
    assert str(told) == f"{store.path} cannot be opened: something new"


_GROW = """
import resource, signal, sys
from pathlib import Path
from crm_platform.errors import GiveUp
from crm_platform.warehouse import DuckDbWarehouse, FileLeases

path = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit fails, as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 300_000,) * 2)
try:
    with DuckDbWarehouse(path, lock_dir=path.parent / "locks").writing() as session:
        session.execute("create table more as select md5(range::varchar) as t from range(200000)")
except GiveUp as problem:
    print(problem)
"""


@pytest.mark.slow
def test_a_full_disk_is_told_in_a_line_and_takes_nothing_along(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _GROW, str(path)], check=True, capture_output=True, text=True, timeout=60
    )
    assert "make room on its disk" in done.stdout
    assert done.stdout.count("\n") == 1
    with store_at(path).writing() as session:
        assert session.query("select count(*) as n from facts")["n"][0].as_py() == 9000
        session.execute("create table more as select 1 as n")
