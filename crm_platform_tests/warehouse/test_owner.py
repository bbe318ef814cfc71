"""Field case 28: a warehouse knows whose data it holds, and two CRMs are never mixed."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from crm_platform.cli import adopt as adopt_command
from crm_platform.cli import crm
from crm_platform.errors import FixConfiguration
from crm_platform.ingest import existing_store, open_client, open_warehouse
from crm_platform.ingest.connect import open_gate
from crm_platform.settings import Settings, load_settings
from crm_platform.warehouse import Lease, Warehouse, claim, owner, taking_turns

ONE = "https://crm.one.example"
OTHER = "https://crm.other.example/tenant"


def of(folder: Path, url: str | None) -> Settings:
    key = None if url is None else SecretStr("key")
    return load_settings(data_dir=folder, base_url=url, api_key=key, allow_plain_http="yes")


def published(settings: Settings, **about: object) -> None:
    """A manifest, as far as it says whose the snapshot is."""
    snapshot = settings.published_dir / "one"
    snapshot.mkdir(parents=True)
    (snapshot / "manifest.json").write_text(json.dumps(about), encoding="utf-8")
    (settings.published_dir / "current").symlink_to("one")


def mark(settings: Settings) -> str | None:
    with existing_store(settings).reading() as session:
        return owner(session)


def unmark(settings: Settings) -> None:
    """As an earlier version left it."""
    with existing_store(settings).writing() as session:
        session.execute("drop table ops.meta")


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://crm.example.com", "crm.example.com"),
        ("http://crm.example.com/", "crm.example.com"),
        ("HTTPS://CRM.Example.com.:443//", "crm.example.com"),
        ("http://crm.example.com:8080/a//b/", "crm.example.com:8080/a/b"),
        ("http://127.0.0.1:9001", "localhost:9001"),
        ("http://[::1]:9001", "localhost:9001"),
        ("http://[2001:db8::1]/x", "[2001:db8::1]/x"),
        ("http://sandbox", "sandbox"),
        (None, "(sandbox)"),
    ],
)
def test_a_crm_is_known_again_however_its_address_is_spelt(tmp_path: Path, address: str | None, name: str) -> None:
    assert of(tmp_path, address).crm_name == name


@pytest.mark.parametrize(
    ("first", "second"), [(ONE, OTHER), pytest.param(None, ONE, marks=pytest.mark.slow), (ONE, None)]
)
def test_another_crm_is_refused_naming_both(tmp_path: Path, first: str | None, second: str | None) -> None:
    mine, theirs = of(tmp_path, first), of(tmp_path, second)
    open_warehouse(mine)
    for opens in (open_warehouse, lambda settings: open_client(settings, on_fetch=lambda _: None)):
        with pytest.raises(FixConfiguration, match="CRM_DATA_DIR") as problem:
            opens(theirs)
        for name in (first, second):
            assert (
                "sandbox" in str(problem.value) if name is None else of(tmp_path, name).crm_name in str(problem.value)
            )
    assert mark(mine) == mine.crm_name
    open_warehouse(mine)


def test_of_two_processes_that_open_a_new_folder_for_two_crms_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = of(tmp_path, ONE), of(tmp_path, OTHER)

    def after_the_other(store: Warehouse, *, purpose: str) -> contextlib.AbstractContextManager[Lease]:
        monkeypatch.undo()
        open_warehouse(theirs)
        return taking_turns(store, purpose=purpose)

    monkeypatch.setattr(sys.modules[claim.__module__], "taking_turns", after_the_other)
    with pytest.raises(FixConfiguration, match="CRM_DATA_DIR"):
        open_warehouse(mine)
    assert mark(mine) == theirs.crm_name


@pytest.mark.slow
def test_a_warehouse_of_an_earlier_version_is_whose_it_was_published_as(tmp_path: Path) -> None:
    sandbox, one, other = (of(tmp_path, url) for url in (None, ONE, OTHER))
    open_warehouse(sandbox)
    unmark(sandbox)
    published(sandbox, is_sandbox=True)
    with pytest.raises(FixConfiguration, match="made-up data"):
        open_warehouse(one)
    open_warehouse(sandbox)
    assert mark(sandbox) == sandbox.crm_name
    with pytest.raises(FixConfiguration, match="made-up data"):
        open_warehouse(other)


@pytest.mark.slow
@pytest.mark.parametrize("about", [{"is_sandbox": False}, {"is_sandbox": False, "crm": "crm.one.example"}])
def test_one_of_a_real_crm_is_not_the_sandboxs(tmp_path: Path, about: dict[str, object]) -> None:
    sandbox, one, other = (of(tmp_path, url) for url in (None, ONE, OTHER))
    open_warehouse(one)
    unmark(one)
    published(one, **about)
    with pytest.raises(FixConfiguration):
        open_warehouse(sandbox)
    if "crm" in about:
        with pytest.raises(FixConfiguration, match=r"crm\.one\.example"):
            open_warehouse(other)
    open_warehouse(one)
    assert mark(one) == "crm.one.example"


@pytest.mark.slow
def test_one_that_published_nothing_is_whose_turn_it_is(tmp_path: Path) -> None:
    one = of(tmp_path, ONE)
    open_warehouse(one)
    unmark(one)
    open_warehouse(one)
    assert mark(one) == "crm.one.example"


@pytest.fixture
def call(monkeypatch):
    def called(settings: Settings, *arguments: str, answer: str = ""):
        monkeypatch.setattr(adopt_command, "current_settings", lambda: settings)
        return CliRunner().invoke(crm, ["adopt", *arguments], input=answer)

    return called


@pytest.mark.slow
def test_a_crm_that_moved_is_adopted_after_a_question(tmp_path: Path, call) -> None:
    one, other = of(tmp_path, ONE), of(tmp_path, OTHER)
    open_warehouse(one)
    assert "nothing to do" in call(one).output
    assert call(other, answer="n\n").exit_code == 1
    assert mark(one) == "crm.one.example"
    asked = call(other, answer="y\n")
    assert asked.exit_code == 0
    assert "crm.one.example" in asked.output
    assert mark(one) == "crm.other.example/tenant"
    open_warehouse(other)
    assert call(one, "--yes").exit_code == 0
    assert mark(one) == "crm.one.example"


def test_made_up_data_is_never_adopted(tmp_path: Path, call) -> None:
    sandbox, one = of(tmp_path, None), of(tmp_path, ONE)
    open_warehouse(sandbox)
    assert isinstance(call(one, "--yes").exception, FixConfiguration)
    assert mark(sandbox) == sandbox.crm_name


def test_the_demo_has_a_folder_of_its_own_while_nobody_names_one(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("CRM_BASE_URL", "CRM_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    assert load_settings().root == tmp_path / "data" / "sandbox"
    assert load_settings().demo_link == tmp_path / "data" / "published"
    assert load_settings(base_url=ONE, api_key="key").root == tmp_path / "data"
    assert load_settings(base_url=ONE, api_key="key").demo_link is None
    monkeypatch.setenv("CRM_DATA_DIR", "data")
    assert load_settings().root == tmp_path / "data"
    assert load_settings().demo_link is None


@pytest.mark.parametrize("content", [b"no ledger at all" * 600, b"SQLite format 3\0" + b"\xff" * 9000])
def test_a_damaged_request_ledger_is_made_anew_and_closed_for_a_minute(tmp_path: Path, caplog, content: bytes) -> None:
    """Field case 73."""
    settings = of(tmp_path, ONE)
    settings.root.mkdir(exist_ok=True)
    settings.gate_path.write_bytes(content)
    gate = open_gate(settings)
    assert gate.available().minute == 0
    gate.close()
    assert "is damaged" in caplog.text
    assert (tmp_path / "gate.sqlite.damaged").read_bytes() == content
    with sqlite3.connect(settings.gate_path) as db:
        assert db.execute("pragma quick_check").fetchone() == ("ok",)
    again = open_gate(settings)
    assert again.available().minute == 0
    again.close()
