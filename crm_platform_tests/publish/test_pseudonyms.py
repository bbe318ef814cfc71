"""The key and the pseudonym: one in Python, one in SQL, the same."""

from __future__ import annotations

import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_platform.errors import FixConfiguration
from crm_platform.publish.pseudonyms import bind_key, pseudonym, pseudonym_key, pseudonym_sql
from crm_platform.settings import Settings
from crm_platform.warehouse import DuckDbSession

KEY = b"a key of sixteen characters or more"


@pytest.fixture(scope="module")
def session():
    with duckdb.connect() as connection:
        yield DuckDbSession(connection)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(key=st.binary(min_size=1, max_size=100), identifier=st.text(st.characters(exclude_categories=["Cs"])))
def test_sql_and_python_agree_on_any_key_and_id(session, key, identifier):
    bind_key(session, key)
    for kind in ("chat", "message"):
        found = session.query(f"select {pseudonym_sql('id', kind)} as p from (select ?::varchar as id)", [identifier])
        assert found["p"].to_pylist() == [pseudonym(key, kind, identifier)]


def test_null_stays_null(session):
    bind_key(session, KEY)
    assert (
        session.query(f"select {pseudonym_sql('id', 'chat')} as p from (select null::varchar as id)")["p"][0].as_py()
        is None
    )


def test_a_pseudonym_is_128_bits_and_depends_on_key_and_kind():
    word = pseudonym(KEY, "chat", "1")
    assert len(word) == 32
    assert int(word, 16) >= 0
    assert len({word, pseudonym(b"another key", "chat", "1"), pseudonym(KEY, "message", "1")}) == 3


def test_the_key_of_the_settings_wins(tmp_path: Path):
    assert pseudonym_key(Settings(data_dir=tmp_path, pseudonym_key="x" * 20)) == b"x" * 20
    assert list(tmp_path.iterdir()) == []


def test_a_weak_key_is_used_and_said_to_be_weak(tmp_path: Path, caplog):
    assert pseudonym_key(Settings(data_dir=tmp_path, pseudonym_key="hunter2")) == b"hunter2"
    assert "can be guessed" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_key_is_made_once_and_for_its_owner_only(tmp_path: Path):
    configured = Settings(data_dir=tmp_path / "new")
    key = pseudonym_key(configured)
    assert len(key) == 64
    assert pseudonym_key(configured) == key
    [file] = (tmp_path / "new").iterdir()
    assert file.name == "pseudonym.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_whoever_comes_first_makes_the_key_for_all(tmp_path: Path):
    configured = Settings(data_dir=tmp_path)
    start = threading.Barrier(8)

    def ask(_number: int) -> bytes:
        start.wait()
        return pseudonym_key(configured)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["pseudonym.key"]


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe"])
def test_a_broken_key_file_is_a_configuration_to_fix_not_a_new_key(tmp_path: Path, content: bytes):
    (tmp_path / "pseudonym.key").write_bytes(content)
    with pytest.raises(FixConfiguration, match=r"pseudonym\.key"):
        pseudonym_key(Settings(data_dir=tmp_path))
    assert (tmp_path / "pseudonym.key").read_bytes() == content
