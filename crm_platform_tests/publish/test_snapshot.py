"""Publishing: what is in a snapshot, what never is, and that no crash can be seen by a reader."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from crm_platform.errors import Breach, Busy, ContractBreach, GiveUp
from crm_platform.publish import (
    Snapshot,
    current,
    pseudonym,
    pseudonym_key,
    publish,
    published_tables,
    purge,
    read_manifest,
)
from crm_platform.publish import database as database_module
from crm_platform.publish import files as files_module
from crm_platform.publish import parquet as parquet_module
from crm_platform.publish import snapshot as snapshot_module
from crm_platform.warehouse import DuckDbWarehouse, leases_of

from .conftest import AS_OF, CHAT, EMAIL, MESSAGE, NOW, NUMBER, SENDER

HOUR = dt.timedelta(hours=1)

# What DuckDB's allocator fills memory with where it is asked to (DUCKDB_JE_MALLOC_CONF=junk:true).
UNWRITTEN = b"\xa5" * 8


def rows(path: Path, sql: str):
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def files(path: Path) -> dict[str, bytes]:
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_before_the_first_there_is_none(build):
    assert current(build.settings) is None
    assert purge(build.settings, now=NOW) == []


def test_a_snapshot_says_what_it_is(build):
    snapshot = build.publish()
    assert snapshot == current(build.settings)
    assert snapshot.as_of == AS_OF
    assert snapshot.tables == {"core.messages": 2, "core.waits": 1, "kpi.volume_daily": 1}
    assert snapshot.id.startswith("20261122T080500.000Z-")
    assert snapshot.path == build.settings.published_dir / snapshot.id
    assert (build.settings.published_dir / "current").readlink() == Path(snapshot.id)
    contents = files(snapshot.path)
    assert sorted(contents) == [
        "analytics.duckdb",
        "core/messages/2026-10.parquet",
        "core/messages/2026-11.parquet",
        "core/waits.parquet",
        "kpi/volume_daily.parquet",
        "manifest.json",
    ]
    assert snapshot.bytes == sum(len(content) for name, content in contents.items() if name != "manifest.json")


def test_the_manifest_has_digests_that_hold(build):
    snapshot = build.publish()
    manifest = json.loads((snapshot.path / "manifest.json").read_text())
    assert manifest["is_sandbox"] is True
    assert manifest["as_of"] == "2026-11-22T08:00:00Z"
    assert manifest["tables"]["kpi.volume_daily"] == {
        "rows": 1,
        "sql": None,
        "definition_version": 3,
        "coverage": 0.9,
        "provisional_rows": 1,
    }
    assert manifest["tables"]["core.waits"]["definition_version"] is None
    for name, content in files(snapshot.path).items():
        if name != "manifest.json":
            assert manifest["files"][name] == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert snapshot.id.endswith(read_manifest(snapshot.path).digest()[:12])


def test_database_and_parquet_hold_the_same_rows(build):
    snapshot = build.publish()
    for name in snapshot.tables:
        table = name.replace(".", "/")
        pattern = f"{table}/*.parquet" if name == "core.messages" else f"{table}.parquet"
        parquet = f"select * from read_parquet('{snapshot.path / pattern}')"
        assert rows(snapshot.database, f"({parquet}) except all (from {name})") == []
        assert rows(snapshot.database, f"(from {name}) except all ({parquet})") == []


def test_a_month_is_local(build):
    snapshot = build.publish()  # 20:59:59 and 21:00:00 UTC on 31 October: Nairobi is three hours ahead
    for month, sent in [("2026-10", "2026-10-31 20:59:59"), ("2026-11", "2026-10-31 21:00:00")]:
        found = duckdb.sql(f"select timestamp::varchar from '{snapshot.path}/core/messages/{month}.parquet'").fetchall()
        assert found == [(sent,)]


@pytest.mark.slow
def test_tables_and_columns_carry_their_declaration_as_comments(build):
    database = build.publish().database
    assert rows(database, "select comment from duckdb_tables() where table_name = 'volume_daily'") == [
        ("Messages by local day. Key: day. Definition version 3.",)
    ]
    comments = dict(
        rows(database, "select table_name || '.' || column_name, comment from duckdb_columns() where not internal")
    )
    assert comments["volume_daily.messages"] == "Messages that day. [messages]"
    assert comments["volume_daily.read_rate"] == "It's the share that was read."
    assert comments["waits.opened_by"] == "Message that opened it. A keyed pseudonym."
    assert all(comments.values())


@pytest.mark.slow
def test_older_duckdbs_can_open_it(build):
    tags = rows(
        build.publish().database, "select tags['storage_version'] from duckdb_databases() where path is not null"
    )
    assert tags == [("v1.0.0+",)]  # seen to open in 1.0.0 and 1.5.6


def test_one_chat_is_one_pseudonym_everywhere(build):
    database = build.publish().database
    key = pseudonym_key(build.settings)
    chat, message = pseudonym(key, "chat", CHAT), pseudonym(key, "message", MESSAGE)
    assert rows(database, "select distinct chat_id from core.messages") == [(chat,)]
    assert rows(database, "select * from core.waits") == [(chat, message, None)]


@pytest.mark.slow
def test_internal_tables_and_columns_stay_inside(build):
    database = build.publish().database
    names = {name for (name,) in rows(database, "select column_name from duckdb_columns() where not internal")}
    assert "sender" not in names
    assert rows(database, "select table_name from duckdb_tables() where table_name = 'scratch'") == []


@pytest.mark.slow
def test_no_person_is_in_any_published_byte(build):
    build.message(EMAIL, "2026-11-20 10:00:00", chat=EMAIL)
    snapshot = build.publish()
    key = pseudonym_key(build.settings)
    for name, content in files(snapshot.path).items():
        for secret in (NUMBER, EMAIL, CHAT, MESSAGE, SENDER, key.decode(), str(build.settings.root)):
            assert secret.encode() not in content, f"{secret} stands in {name}"


@pytest.mark.slow
def test_what_memory_held_before_is_in_no_published_byte(build):
    """DuckDB leaves in a block's unused end what that memory held before: here, ids on their way to a pseudonym."""
    build.fill(
        "insert into core.messages select ?, i || ?, timestamp '2026-11-01' + to_seconds(i), 'sent', ?"
        " from range(150000) as numbers(i)",
        CHAT,
        MESSAGE,
        SENDER,
    )
    for name, content in files(build.publish().path).items():
        for secret in (CHAT.encode(), MESSAGE.encode(), SENDER.encode(), UNWRITTEN):
            assert secret not in content, f"{secret!r} stands in {name}"


@pytest.mark.slow
def test_no_memory_is_published_that_nobody_wrote_to():
    """The test above, where DuckDB's allocator fills all memory that it hands out: what is not overwritten is seen."""
    outcome = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            f"{__file__}::{test_what_memory_held_before_is_in_no_published_byte.__name__}",
        ],
        env={**os.environ, "DUCKDB_JE_MALLOC_CONF": "junk:true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in outcome.stdout, outcome.stdout[-2000:]


def test_who_writes_the_database_knows_the_parquet_files_alone(build, monkeypatch, tmp_path):
    program = tmp_path / "writer.py"
    program.write_text(
        "import json, os, sys\n"
        "said = [sys.stdin.readline() for _ in range(5)]\n"
        f"json.dump([dict(os.environ), sys.argv, said], open({str(tmp_path / 'seen')!r}, 'w'))\n"
        "sys.exit('no space left')\n"
    )
    monkeypatch.setattr(database_module.database_writer, "__file__", str(program))
    monkeypatch.setenv("CRM_API_KEY", "a-key-of-the-crm")
    with pytest.raises(GiveUp, match=r"analytics\.duckdb could not be written: no space left"):
        build.publish()
    assert current(build.settings) is None
    program.write_text("import sys; sys.exit('Failed to commit: Could not write file: No space left on device')")
    with pytest.raises(GiveUp, match=r"analytics\.duckdb cannot be written \(No space left on device\): make room"):
        build.publish()
    seen = (tmp_path / "seen").read_text()
    assert "'core/waits.parquet'" in seen
    key = pseudonym_key(build.settings).decode()
    for secret in ("a-key-of-the-crm", "CRM_", key, build.models.path.name):
        assert secret not in seen


@pytest.mark.slow
def test_a_publisher_that_is_killed_takes_the_writer_with_it(tmp_path):
    endless = "select sum(i) from range(10000000000000) as numbers(i)"
    jobs = [
        {"file": str(tmp_path / "a.duckdb"), "config": {}, "base": None},
        {"statements": [endless], "is_small": False},
    ]
    command = [sys.executable, database_module.database_writer.__file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as writer:
        writer.stdin.write("".join(json.dumps(job) + "\n" for job in jobs))
        writer.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            writer.wait(1)
        writer.stdin.close()
        assert writer.wait(20) == 1


@pytest.mark.parametrize("program", ["", "import sys; sys.stdin.close(); sys.exit(3)"])
def test_a_writer_that_ends_at_once_is_told(build, monkeypatch, tmp_path, program):
    (tmp_path / "writer.py").write_text(program)
    monkeypatch.setattr(
        database_module.database_writer, "__file__", str(tmp_path / ("writer.py" if program else "none"))
    )
    with pytest.raises(GiveUp, match=r"analytics\.duckdb could not be written"):
        build.publish()
    assert current(build.settings) is None


@pytest.mark.slow
def test_a_disk_that_is_full_is_told_and_no_half_of_a_file_is_left_as_whole(tmp_path):
    limited = (
        "import resource, runpy, sys; size = int(sys.argv[1]); resource.setrlimit(resource.RLIMIT_FSIZE, (size, size));"
        " runpy.run_path(sys.argv[2], run_name='__main__')"
    )
    tables = [[f"create table t{number} as select range as i from range(40000)"] for number in range(4)]
    jobs = [
        {"file": "a.duckdb", "config": {}, "base": None},
        *({"statements": statements, "is_small": False} for statements in tables),
        {"end": True},
    ]
    codes = []
    for number, kilobytes in enumerate(range(100, 2200, 300)):
        folder = tmp_path / str(number)
        folder.mkdir()
        size = kilobytes * 1024
        # Standard input stays open, as a publisher keeps it.
        with subprocess.Popen(
            [sys.executable, "-c", limited, str(size), database_module.database_writer.__file__],
            cwd=folder,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as writer:
            writer.stdin.write("".join(json.dumps(job) + "\n" for job in jobs))
            writer.stdin.flush()
            said = writer.stderr.read()
        codes.append(writer.returncode)
        if writer.returncode == 0:
            assert [file.name for file in folder.iterdir()] == ["a.duckdb"]
            assert rows(folder / "a.duckdb", "select count(*) from duckdb_tables()") == [(4,)]
        else:
            assert "Error" in said
    assert 0 in codes
    assert 1 in codes


@pytest.mark.slow
def test_a_data_folder_may_have_any_name(build, tmp_path):
    """DuckDB reads columns out of folders called `name=value`, and patterns out of others."""
    folder = tmp_path / "status=prod" / "it's [a] *"
    folder.mkdir(parents=True)
    settings = build.settings.model_copy(update={"data_dir": folder})
    models = DuckDbWarehouse(settings.models_path, lock_dir=settings.lock_dir)
    models.path.write_bytes(build.models.path.read_bytes())
    snapshot = publish(models, settings=settings, now=NOW, validate=lambda *_: [])
    assert rows(snapshot.database, "select distinct status from core.messages") == [("sent",)]


def test_the_key_stands_in_no_log_and_no_sql(build, caplog, monkeypatch):
    executed: list[str] = []
    execute = snapshot_module.DuckDbSession.execute

    def recording(self, sql, parameters=()):
        executed.append(sql)
        execute(self, sql, parameters)

    monkeypatch.setattr(snapshot_module.DuckDbSession, "execute", recording)
    with caplog.at_level("DEBUG"):
        build.publish()
    key = pseudonym_key(build.settings).decode()
    assert len(executed) > 5
    assert not any(key in text or key.encode().hex() in text for text in [*executed, caplog.text])


def test_files_cannot_be_written(build):
    for file in build.publish().path.rglob("*.*"):
        if file.is_file():
            assert file.stat().st_mode & 0o222 == 0


# Months.


def inode(snapshot, month: str) -> int:
    return (snapshot.path / "core" / "messages" / f"{month}.parquet").stat().st_ino


def test_an_unchanged_month_is_the_same_file(build):
    first = build.publish()
    build.message("another", "2026-11-02 10:00:00")
    second = build.publish(at=NOW + HOUR)
    assert inode(first, "2026-10") == inode(second, "2026-10")
    assert inode(first, "2026-11") != inode(second, "2026-11")
    assert second.tables["core.messages"] == 3
    assert duckdb.sql(f"from '{second.path}/core/messages/2026-11.parquet'").to_arrow_table().num_rows == 2


@pytest.mark.slow
def test_a_changed_status_changes_its_month_only(build):
    first = build.publish()
    build.fill("update core.messages set status = 'read' where message_id = ?", MESSAGE)
    second = build.publish(at=NOW + HOUR)
    assert inode(first, "2026-10") != inode(second, "2026-10")
    assert inode(first, "2026-11") == inode(second, "2026-11")


@pytest.mark.slow
def test_a_month_whose_messages_went_away_goes_away(build):
    build.publish()
    build.fill("delete from core.messages where message_id = ?", MESSAGE)
    second = build.publish(at=NOW + HOUR)
    assert sorted(path.name for path in (second.path / "core" / "messages").iterdir()) == ["2026-11.parquet"]


@pytest.mark.slow
def test_another_key_changes_every_month(build, monkeypatch):
    first = build.publish()
    (build.settings.root / "pseudonym.key").unlink()
    second = build.publish(at=NOW + HOUR)
    assert inode(first, "2026-10") != inode(second, "2026-10")


@pytest.mark.slow
def test_without_hard_links_months_are_copied(build, monkeypatch):
    build.publish()

    def refuse(*_args, **_options):
        raise PermissionError

    monkeypatch.setattr(files_module.os, "link", refuse)
    second = build.publish(at=NOW + HOUR)
    assert duckdb.sql(f"from '{second.path}/core/messages/*.parquet'").to_arrow_table().num_rows == 2


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda whole: whole[:4], marks=pytest.mark.slow),
        lambda whole: whole[:40] + b"?" + whole[41:],
    ],
)
def test_a_torn_month_is_not_shared(build, change):
    first = build.publish()
    torn = first.path / "core" / "messages" / "2026-10.parquet"
    torn.chmod(0o644)
    torn.write_bytes(change(torn.read_bytes()))
    second = build.publish(at=NOW + HOUR)
    assert duckdb.sql(f"from '{second.path}/core/messages/2026-10.parquet'").to_arrow_table().num_rows == 1


# What has not changed.


def told_to_write(build, monkeypatch, *, at) -> tuple[Snapshot, set[str] | None]:
    """Publish, and give the tables and months that the database's process wrote; None where it wrote all anew."""
    seen: dict[str, set[str] | None] = {}

    class Told(database_module.Database):
        def _begin(self, base):
            seen["tables"] = None if base is None else set()
            super()._begin(base)

        def write(self, table, renewal):
            if (written := seen["tables"]) is not None:
                written |= {table.full_name()} if renewal.is_whole else set(renewal.months)
            super().write(table, renewal)

    with monkeypatch.context() as patched:
        patched.setattr(snapshot_module, "Database", Told)
        return build.publish(at=at), seen["tables"]


def everything(database: Path) -> dict[str, object]:
    """Every row, type and comment of a database."""
    tables = rows(database, "select schema_name || '.' || table_name, comment from duckdb_tables()")
    types = "schema_name, table_name, column_name, data_type, comment from duckdb_columns() where not internal"
    found: dict[str, object] = {name: sorted(rows(database, f"from {name}"), key=repr) for name, _ in tables}
    return found | {"tables": sorted(tables), "columns": sorted(rows(database, f"select {types}"))}


def test_what_has_not_changed_is_taken_over(build, monkeypatch):
    first, written = told_to_write(build, monkeypatch, at=NOW)
    assert written is None
    build.message("another", "2026-11-02 10:00:00")
    second, written = told_to_write(build, monkeypatch, at=NOW + HOUR)
    assert written == {"core/messages/2026-11.parquet", "kpi.volume_daily"}
    waits = "core/waits.parquet"
    assert (first.path / waits).stat().st_ino == (second.path / waits).stat().st_ino
    (build.settings.published_dir / "current").unlink()
    anew, written = told_to_write(build, monkeypatch, at=NOW + HOUR)
    assert written is None
    assert everything(second.database) == everything(anew.database)


def test_the_database_is_written_anew_each_day_and_where_rows_went_away(build, monkeypatch):
    build.publish()
    _, written = told_to_write(build, monkeypatch, at=NOW + 10 * HOUR)
    assert written == {"kpi.volume_daily"}, "a row of a figure names its cut"
    _, written = told_to_write(build, monkeypatch, at=NOW + 21 * HOUR)
    assert written is None
    build.fill("delete from core.messages where message_id = ?", MESSAGE)
    snapshot, written = told_to_write(build, monkeypatch, at=NOW + 22 * HOUR)
    assert written is None
    assert rows(snapshot.database, "select count(*) from core.messages") == [(1,)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_whatever_changes_the_next_database_is_that_of_one_written_anew(build, monkeypatch, seed):
    rng = random.Random(seed)
    moments = [f"2026-{month}-{day} 21:00:00" for month in ("09", "10", "11") for day in ("01", "19", "20", "30")]
    build.publish()
    for hour in range(1, 6):
        for number in range(rng.randrange(4)):
            build.message(f"m-{hour}-{number}", rng.choice(moments), chat=f"chat-{rng.randrange(3)}")
        if rng.random() < 0.7:  # a message that moves, to another month as well
            moved = "message_id in (select message_id from core.messages order by hash(message_id || ?) limit 1)"
            build.fill(f"update core.messages set timestamp = ? where {moved}", rng.choice(moments), str(hour))
        if rng.random() < 0.7:
            build.fill("update core.messages set status = ? where chat_id = ?", f"s{hour}", f"chat-{rng.randrange(3)}")
        made = build.publish(at=NOW + hour * HOUR)
        with monkeypatch.context() as patched:
            patched.setattr(snapshot_module, "_base", lambda *_, **__: None)
            patched.setattr(snapshot_module, "_previous", lambda *_: None)
            aside = {"validate": lambda *_: [], "turns": False}
            anew = publish(build.models, settings=build.settings, now=NOW + hour * HOUR, **aside)
        assert everything(made.database) == everything(anew.database)
        files = f"read_parquet('{made.path}/core/messages/*.parquet')"
        assert rows(made.database, f"(from {files}) except all (from core.messages)") == []


def test_the_newest_days_are_a_file_of_their_own_until_the_night(build):
    for number, sent in enumerate(["2026-11-18 20:59:59", "2026-11-18 21:00:00"], start=1):
        build.message(f"m{number}", sent)

    def files(at):
        return sorted(path.name for path in (build.publish(at=at).path / "core" / "messages").iterdir())

    apart = ["2026-10.parquet", "2026-11-19.parquet", "2026-11.parquet"]
    assert files(NOW) == apart
    assert files(NOW + 19 * HOUR) == apart, "counted from the last that was written whole"
    assert files(NOW + 24 * HOUR) == ["2026-10.parquet", "2026-11.parquet"]


@pytest.mark.slow
def test_a_database_that_is_torn_is_no_base(build, monkeypatch):
    first = build.publish()
    first.database.chmod(0o644)
    first.database.write_bytes(first.database.read_bytes()[:-1])
    snapshot, written = told_to_write(build, monkeypatch, at=NOW + HOUR)
    assert written is None
    assert rows(snapshot.database, "select count(*) from core.messages") == [(2,)]


@pytest.mark.slow
def test_no_person_is_in_what_is_made_from_the_last_one(build):
    build.publish()
    for hour in range(1, 4):
        build.message(f"{hour}{EMAIL}", f"2026-11-{hour + 10} 10:00:00", chat=f"{hour}{EMAIL}")
        build.fill("update core.messages set sender = ? where message_id = ?", f"{hour}{SENDER}", MESSAGE)
        snapshot = build.publish(at=NOW + hour * HOUR)
    assert read_manifest(snapshot.path).database_from is not None
    for name, content in files(snapshot.path).items():
        for secret in (NUMBER, EMAIL, CHAT, MESSAGE, SENDER):
            assert secret.encode() not in content, f"{secret} stands in {name}"
        assert UNWRITTEN not in content, name


# What holds a snapshot back.


@pytest.mark.slow
def test_a_breach_holds_everything_back_and_keeps_the_last_good_one(build):
    good = build.publish()
    breach = Breach("kpi.volume_daily", "read_rate", "<= 1", 1)
    with pytest.raises(ContractBreach) as caught:
        publish(
            build.models,
            settings=build.settings,
            now=NOW + HOUR,
            validate=lambda _models, table: [breach] if table.table == "volume_daily" else [],
        )
    assert caught.value.breaches == (breach,)
    assert current(build.settings) == good
    assert [path.name for path in build.settings.published_dir.iterdir() if path.name != "current"] == [good.id]


@pytest.mark.slow
def test_a_partial_rebuild_is_refused(build):
    good = build.publish()
    build.day("2026-11-22", as_of=AS_OF + HOUR)
    with pytest.raises(GiveUp, match=r"kpi\.volume_daily was built at another cut.*materialise all"):
        build.publish(at=NOW + HOUR)
    assert current(build.settings) == good


def test_a_missing_table_is_named(build):
    build.fill("drop table core.waits")
    with pytest.raises(GiveUp, match=r"core\.waits is not there"):
        build.publish()


def test_a_table_built_before_a_column_was_declared_is_named(build):
    build.fill("alter table core.waits drop column closed_by")
    with pytest.raises(GiveUp, match=r"core\.waits is not there, or lacks a column"):
        build.publish()


def test_nothing_built_yet_says_what_to_do(build):
    build.models.path.unlink()
    with pytest.raises(GiveUp, match="nothing has been built yet"):
        build.publish()


def test_a_build_that_begins_during_validation_is_noticed(build):
    def rebuild(_models, table):
        if table.table == "volume_daily":
            build.fill("update ops.builds set as_of = as_of + interval 1 hour")
            build.fill("update kpi.volume_daily set as_of = as_of + interval 1 hour")
        return []

    with pytest.raises(GiveUp, match="another build began"):
        publish(build.models, settings=build.settings, now=NOW, validate=rebuild)
    assert current(build.settings) is None


def test_one_publisher_at_a_time(build, monkeypatch):
    monkeypatch.setattr(snapshot_module, "_WAIT_SECONDS", 0.0)
    with leases_of(build.settings).take("publish", purpose="the other one"), pytest.raises(Busy) as caught:
        build.publish()
    assert "the other one" in caught.value.holder


def test_an_empty_warehouse_publishes_every_table_with_its_columns(build):
    for name in ("core.messages", "core.waits", "kpi.volume_daily"):
        build.fill(f"delete from {name}")
    snapshot = build.publish()
    assert snapshot.tables == {"core.messages": 0, "core.waits": 0, "kpi.volume_daily": 0}
    assert rows(snapshot.database, "from kpi.volume_daily") == []
    assert len(duckdb.sql(f"from '{snapshot.path}/kpi/volume_daily.parquet'").columns) == 7


# Crashes and readers.


class Killed(BaseException):
    """Not an Exception: nothing may catch it and tidy up, as after a SIGKILL."""


CRASHES = [
    (database_module.Database, "write", "before"),
    (database_module.Database, "write", "after"),
    (database_module.Database, "end", "before"),
    (database_module.Database, "end", "after"),
    (parquet_module._Writer, "_months", "before"),
    (parquet_module._Writer, "_copy", "after"),
    (snapshot_module, "seal", "before"),
    (snapshot_module, "sync_folder", "before"),
    (Path, "rename", "before"),
    (Path, "rename", "after"),
    (Path, "symlink_to", "after"),
    (Path, "replace", "before"),
    (Path, "replace", "after"),
    (snapshot_module, "turn", "after"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("place", "name", "when"), CRASHES, ids=[f"{when} {name}" for _, name, when in CRASHES])
def test_a_crash_at_any_step_leaves_a_whole_snapshot_and_the_next_one_works(build, monkeypatch, place, name, when):
    good = build.publish()
    build.message("late", "2026-11-03 10:00:00")
    step = getattr(place, name)

    def die(*args, **options):
        if place is Path and "locks" in args[0].parts:  # a lease counts on before anything begins
            return step(*args, **options)
        if when == "after":
            step(*args, **options)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(place, name, die)
        with pytest.raises(Killed):
            build.publish(at=NOW + HOUR)
    seen = current(build.settings)
    assert seen is not None
    assert rows(seen.database, "select count(*) from core.messages") == [(seen.tables["core.messages"],)]
    assert (seen != good) == ((name, when) in {("replace", "after"), ("turn", "after")})
    assert rows(good.database, "select count(*) from core.messages") == [(2,)]

    again = build.publish(at=NOW + 2 * HOUR)
    assert current(build.settings) == again
    assert again.tables["core.messages"] == 3
    names = {path.name for path in build.settings.published_dir.iterdir()}
    assert not [name for name in names if name.startswith(".")]


@pytest.mark.slow
def test_a_reader_with_the_old_one_open_goes_on_reading_it(build):
    old = build.publish()
    with duckdb.connect(str(old.database), read_only=True) as reader:
        build.message("late", "2026-11-03 10:00:00")
        new = build.publish(at=NOW + HOUR)
        assert purge(build.settings, now=NOW + HOUR, keep_days=0, keep_at_least=0) == []
        assert reader.execute("select count(*) from core.messages").fetchone() == (2,)
        assert rows(new.database, "select count(*) from core.messages") == [(3,)]
        assert reader.execute("select count(*) from core.waits").fetchone() == (1,)


@pytest.mark.slow
def test_a_symlink_that_leads_nowhere_is_said(build):
    snapshot = build.publish()
    (snapshot.path / "manifest.json").unlink()
    with pytest.raises(GiveUp, match=r"broken.*publish again"):
        current(build.settings)
    assert build.publish(at=NOW + HOUR) == current(build.settings)


def test_only_declared_tables_are_published(build):
    assert [table.full_name() for table in published_tables()] == ["core.messages", "core.waits", "kpi.volume_daily"]
