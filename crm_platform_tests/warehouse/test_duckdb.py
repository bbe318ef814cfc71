"""Sessions on one DuckDB file: what is kept between them is no hold on the file, nor anything of the session before."""

from __future__ import annotations

import contextlib
import multiprocessing
import shutil
from pathlib import Path

import duckdb
import pytest

from crm_platform import core
from crm_platform.errors import GiveUp
from crm_platform.schemas import CoreTable
from crm_platform.schemas.base import count, text
from crm_platform.warehouse import DuckDbWarehouse

TABLE = core.Chats.full_name()


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDbWarehouse:
    made = DuckDbWarehouse(tmp_path / "it's one.duckdb", lock_dir=tmp_path / "locks")
    made.prepare([core.Chats])
    return made


def tables_of(warehouse: DuckDbWarehouse) -> list[str]:
    with warehouse.reading() as session:
        return session.query("select table_name from duckdb_tables() order by all")["table_name"].to_pylist()


def fail(warehouse: DuckDbWarehouse) -> None:
    """Let a session end in an error, which ends its engine."""
    with contextlib.suppress(ZeroDivisionError), warehouse.writing() as session:
        session.execute("create table half (n bigint)")
        raise ZeroDivisionError


def test_a_session_reads_the_file_that_stands_there_when_it_begins(warehouse):
    assert tables_of(warehouse) == ["chats"]
    other = DuckDbWarehouse(warehouse.path.with_name("other.duckdb"), lock_dir=warehouse.path.parent / "locks")
    with other.writing() as session:
        session.execute("create table another (n bigint)")
    shutil.move(other.path, warehouse.path)
    assert tables_of(warehouse) == ["another"]


def test_a_closed_file_has_no_log_beside_it(warehouse):
    with warehouse.writing() as session:
        session.execute("create table filled as select range as n from range(100000)")
    assert sorted(path.name for path in warehouse.path.parent.iterdir()) == [warehouse.path.name, "locks"]


def test_nothing_of_a_session_is_left_to_the_next(warehouse):
    with warehouse.writing() as session:
        session.execute("create temp table found (n bigint)")
        session.execute("set timezone = 'Asia/Tokyo'")
    assert tables_of(warehouse) == ["chats"]
    with warehouse.reading() as session:
        assert session.query("select current_setting('timezone') as zone").to_pylist() == [{"zone": "UTC"}]
        with pytest.raises(duckdb.InvalidInputException, match="read-only"):
            session.execute(f"delete from {TABLE}")
    with warehouse.writing() as session:
        session.execute(f"delete from {TABLE}")


def test_after_a_failure_the_next_session_is_like_any_other(warehouse):
    fail(warehouse)
    assert tables_of(warehouse) == ["chats"]
    broken = DuckDbWarehouse(warehouse.path.with_name("broken.duckdb"), lock_dir=warehouse.path.parent / "locks")
    broken.path.write_text("no database" * 1000)
    for _ in range(2):
        with pytest.raises(GiveUp, match="not a valid DuckDB"):
            tables_of(broken)


# Python 3.12 warns of any fork beside threads; that is what is tried here.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_starts_an_engine_of_its_own(warehouse):
    tables_of(warehouse)
    context = multiprocessing.get_context("fork")
    told = context.SimpleQueue()
    child = context.Process(target=lambda: (fail(warehouse), told.put(tables_of(warehouse))))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert told.get() == ["chats"]
    assert tables_of(warehouse) == ["chats"]


def test_what_a_table_lacks_is_added_and_the_rest_left_alone(warehouse, monkeypatch):
    with warehouse.writing() as session:
        session.execute("create schema if not exists ops")
        session.execute("create table core.growing (name varchar not null)")
        session.execute("insert into core.growing values ('kept')")

    class Growing(CoreTable):
        """A table whose later version has a column more."""

        table = "growing"
        name = text("Its name.")
        number = count("Added later.", nullable=True)

    warehouse.prepare([Growing, core.Chats])
    with warehouse.reading() as session:
        assert session.query("from core.growing").to_pylist() == [{"name": "kept", "number": None}]
