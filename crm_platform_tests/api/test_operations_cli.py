"""`crm contacts`, `fields`, `chats`, `campaigns`: what they print, ask, refuse and record."""

from __future__ import annotations

import contextlib
import json
from types import SimpleNamespace

import click
import httpx
import pytest
from click.testing import CliRunner

from crm_platform import cli
from crm_platform.api import OPERATIONS
from crm_platform.cli import COMMANDS, campaigns, chats, contacts, fields, operations
from crm_platform.errors import Busy, InvalidRequest, NotFound, ServerUnavailable, WriteUncertain
from crm_platform.settings import Settings
from crm_platform_tests.api.inprocess import SandboxTransport, connect, make_sandbox

NUMBER = "+254799000111"


class Shell:
    """Runs commands against a sandbox in this process, and keeps what they recorded."""

    def __init__(self, monkeypatch, tmp_path) -> None:
        self.sandbox = make_sandbox()
        self.transport: httpx.BaseTransport = SandboxTransport(self.sandbox)
        self.requests: list[str] = []
        self.operations: list[dict] = []
        self.settings = Settings(data_dir=tmp_path)
        self.record_error: Exception | None = None
        for module in (operations, campaigns, chats, contacts):
            monkeypatch.setattr(module, "current_settings", lambda: self.settings)
        monkeypatch.setattr("crm_platform.ingest.connect.open_client", self.open_client)
        monkeypatch.setattr("crm_platform.ingest.operations.record_requests", self.record_requests)
        monkeypatch.setattr("crm_platform.ingest.operations.record_operation", self.record_operation)

    def open_client(self, settings, *, on_fetch, reserve=0):
        assert settings is self.settings
        return connect(self.transport, on_fetch=on_fetch)

    def record_requests(self, settings, fetches) -> None:
        if self.record_error:
            raise self.record_error
        self.requests += [fetch.operation for fetch in fetches]

    def record_operation(self, settings, *, fetches, **details) -> None:
        if self.record_error:
            raise self.record_error
        self.record_requests(settings, fetches)
        self.operations.append(details)

    def run(self, *words: str, answer: str | None = None, fails: type[Exception] | None = None):
        result = CliRunner().invoke(cli.crm, words, input=answer)
        if fails is None:
            assert result.exit_code == 0, (result.output, result.exception)
        else:
            assert isinstance(result.exception, fails), (result.output, result.exception)
        return result

    def lines(self, *words: str) -> list[dict]:
        return [json.loads(line) for line in self.run(*words, "--json").stdout.splitlines()]


@pytest.fixture
def shell(monkeypatch, tmp_path) -> Shell:
    return Shell(monkeypatch, tmp_path)


def test_every_operation_has_a_command(shell):
    chat = shell.lines("contacts", "list", "--limit", "1")[0]["chat_id"]
    draft = shell.lines("campaigns", "create", "N", "--template", "t", "--to", f"{NUMBER},Amina", "--yes")[0]
    field = shell.lines("fields", "create", "Ward", "--required", "--default", "-", "--yes")[0]
    made = shell.lines("contacts", "create", NUMBER, "--name", "Zoë", "--field", "City=Embu", "--yes")[0]
    assert made["custom_fields"]["City"] == "Embu"
    for words in (
        ("contacts", "search", "z"),
        ("fields", "list"),
        ("fields", "of", chat),
        ("chats", "messages", chat),
        ("campaigns", "list"),
        ("campaigns", "report", draft["campaign_id"]),
        ("campaigns", "clone", draft["campaign_id"], "N2", "--to", NUMBER, "--yes"),
        ("campaigns", "trigger", draft["campaign_id"], "--yes"),
        ("chats", "assign", chat, "otieno@example.com", "--yes"),
        ("chats", "resolve", chat, "--notes", "n", "--operator", "otieno@example.com", "--yes"),
        ("contacts", "delete", chat, "--yes"),
        ("fields", "delete", field["custom_field_id"], "--yes"),
    ):
        shell.run(*words)
    assert len(set(shell.requests)) == len(OPERATIONS)
    assert shell.operations == [
        {"kind": "assigned", "chat_id": chat, "operator_email": "otieno@example.com"},
        {"kind": "done", "chat_id": chat, "operator_email": "otieno@example.com", "note": "n"},
        {"kind": "contact_deleted", "chat_id": chat},
    ]


def test_lists_are_lines_in_a_pipe(shell):
    lines = shell.run("contacts", "list", "--limit", "3").stdout.splitlines()
    assert lines[0].split("\t") == ["chat_id", "whatsapp_number", "name", "email", "status", "created_at"]
    assert len(lines) == 4
    assert {line.count("\t") for line in lines} == {5}


def test_paging(shell):
    everything = shell.lines("contacts", "list", "--limit", "7", "--all")
    total = len(everything)
    assert total >= 30
    assert shell.requests.count("list_contacts") == -(-total // 7)
    assert shell.lines("contacts", "list", "--limit", "7", "--page", "2") == everything[7:14]
    piped = shell.run("contacts", "list", "--limit", "7", "--all").stdout.splitlines()
    assert len(piped) == 1 + total  # one header
    shell.run("contacts", "list", "--limit", "101", fails=SystemExit)


def test_a_table_on_a_terminal(shell):
    contact = shell.lines("contacts", "list", "--limit", "1")[0]
    record = SimpleNamespace(chat_id=contact["chat_id"], name="[bold]x[/bold]\x1b[31m\n", content="word " * 50)
    page = SimpleNamespace(records=[record], rejected=(), total=None)
    with contextlib.redirect_stdout(_Terminal()) as out:
        operations._show_pages([page], ("chat_id", "name", "content"), operations.Paging())
    text = "".join(out.written)
    assert contact["chat_id"] in text
    assert "[bold]x[/bold]" in text
    assert "\x1b[31m" not in text
    assert text.count("word") == 50


class _Terminal:
    def __init__(self) -> None:
        self.written: list[str] = []

    def write(self, text: str) -> int:
        self.written.append(text)
        return len(text)

    def flush(self) -> None: ...

    def isatty(self) -> bool:
        return True


def test_a_write_asks_and_takes_no_for_an_answer(shell, monkeypatch):
    chat = shell.lines("contacts", "list", "--limit", "1")[0]["chat_id"]
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True, raising=False)
    result = shell.run("contacts", "delete", chat, answer="n\n", fails=SystemExit)
    assert f"Delete contact {chat} and its chat from the CRM, for good?" in result.stderr
    assert shell.requests == ["list_contacts"]
    shell.run("contacts", "delete", chat, answer="y\n")
    assert shell.requests == ["list_contacts", "delete_contact"]


WRITES = [
    ("contacts", "create", NUMBER),
    ("contacts", "delete", "c1"),
    ("fields", "create", "Ward"),
    ("fields", "delete", "f1"),
    ("chats", "assign", "c1", "a@example.com"),
    ("chats", "resolve", "c1"),
    ("campaigns", "create", "N", "--template", "t", "--to", NUMBER),
    ("campaigns", "clone", "c1", "N", "--to", NUMBER),
    ("campaigns", "trigger", "c1"),
]


@pytest.mark.parametrize("words", WRITES, ids=lambda words: " ".join(words[:2]))
def test_every_write_is_rehearsed_and_refused_without_a_yes(shell, words):
    shown = shell.run(*words, "--dry-run").stdout
    assert shown.startswith(("POST /crm/", "DELETE /crm/"))
    result = shell.run(*words, fails=SystemExit)
    assert result.exit_code == 2
    assert "add --yes" in result.stderr
    assert not shell.requests
    assert not shell.operations


def test_a_dry_run_shows_what_would_go(shell):
    shown = shell.run("contacts", "create", NUMBER, "--field", "VIP=yes", "--dry-run").stdout
    method, _, body = shown.partition("\n")
    assert method == "POST /crm/chat"
    assert json.loads(body) == {"whatsapp_number": NUMBER, "custom_fields": {"VIP": "yes"}}
    shell.run("contacts", "create", "0712", "--dry-run", fails=InvalidRequest)


def test_a_failed_write_records_its_request_and_no_operation(shell):
    shell.run("contacts", "delete", "nobody", "--yes", fails=NotFound)
    assert (shell.requests, shell.operations) == (["delete_contact"], [])


def test_an_uncertain_write_says_where_to_look(shell):
    shell.transport = httpx.MockTransport(lambda _: httpx.Response(500))
    result = shell.run("contacts", "create", NUMBER, "--yes", fails=WriteUncertain)
    assert "look before doing it again: crm contacts search --field whatsapp_number" in str(result.exception)


def test_a_sandbox_that_is_not_there_says_how_to_start_it(shell):
    def refuse(request):
        raise httpx.ConnectError("refused")

    shell.transport = httpx.MockTransport(refuse)
    result = shell.run("fields", "list", fails=ServerUnavailable)
    assert "crm sandbox" in str(result.exception)
    assert "CRM_BASE_URL" in str(result.exception)


def test_a_locked_warehouse_does_not_fail_a_read(shell):
    shell.record_error = Busy("the warehouse is locked")
    result = shell.run("fields", "list")
    assert "Segment" in result.stdout
    assert "not in ops.fetches" in result.stderr


def test_a_write_that_cannot_be_recorded_says_so(shell):
    chat = shell.lines("contacts", "list", "--limit", "1")[0]["chat_id"]
    shell.record_error = Busy("the warehouse is locked")
    result = shell.run("chats", "resolve", chat, "--yes", fails=Busy)
    assert "the CRM has done it" in result.stderr


def test_receivers_come_from_a_file(shell, tmp_path):
    file = tmp_path / "people.csv"
    file.write_text("\ufeffwhatsapp_number,1,2\n+254700000001,Amina,10%\n+254700000002,,5%\n", encoding="utf-8")
    create = ("campaigns", "create", "N", "--template", "t", "--receivers", str(file), "--dry-run")
    shown = shell.run(*create, "--to", '+254700000003,"Otieno, J",1%', "--at", "2026-04-03T09:00").stdout
    body = json.loads(shown.partition("\n")[2])
    assert body["receivers"] == [
        {"whatsapp_number": "+254700000003", "variables": {"1": "Otieno, J", "2": "1%"}},
        {"whatsapp_number": "+254700000001", "variables": {"1": "Amina", "2": "10%"}},
        {"whatsapp_number": "+254700000002", "variables": {"2": "5%"}},
    ]
    assert body["scheduled_at"] == "2026-04-03T06:00:00Z"  # Nairobi is three hours ahead


@pytest.mark.parametrize(
    ("text", "message"),
    [("number\n+254\n", "whatsapp_number"), ("whatsapp_number,1\n+254700000001\n", "line 2"),
     ("whatsapp_number\n+254700000001,x\n", "line 2"), ("whatsapp_number\n", "name the receivers")],
)  # fmt: skip
def test_a_file_of_receivers_that_is_wrong(shell, tmp_path, text, message):
    file = tmp_path / "people.csv"
    file.write_text(text)
    words = ("campaigns", "create", "N", "--template", "t", "--receivers", str(file), "--dry-run")
    assert message in shell.run(*words, fails=SystemExit).stderr


@pytest.mark.parametrize(
    "words",
    [("contacts", "create", NUMBER, "--field", "VIP"), ("campaigns", "create", "N", "--template", "t"),
     ("campaigns", "create", "N", "--template", "t", "--to", NUMBER, "--at", "soon")],
)  # fmt: skip
def test_arguments_that_make_no_sense(shell, words):
    assert shell.run(*words, "--yes", fails=SystemExit).exit_code == 2


def test_every_command_says_what_it_does():
    for group in (campaigns.campaigns, chats.chats, contacts.contacts, fields.fields):
        assert group.name in COMMANDS
        for command in group.commands.values():
            assert command.help, (group.name, command.name)
            options = [param for param in command.params if isinstance(param, click.Option)]
            assert all(option.help for option in options), (group.name, command.name)
