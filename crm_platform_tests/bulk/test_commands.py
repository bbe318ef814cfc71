"""`crm contacts import` and `crm chats assign` for many chats: what they show, ask, write and end with."""

from __future__ import annotations

import csv
import json

import httpx
import pytest

from crm_platform.cli import bulk
from crm_platform.errors import Busy, ServerUnavailable
from crm_platform.ingest import open_warehouse
from crm_platform.schemas import raw
from crm_platform.settings import Settings
from crm_platform.warehouse import leases_of
from crm_platform_tests.api.inprocess import NOW
from crm_platform_tests.api.test_operations_cli import Shell

A, B = "a@example.com", "b@example.com"
NUMBERS = [f"+2547990000{number:02}" for number in range(3)]


@pytest.fixture
def shell(monkeypatch, tmp_path) -> Shell:
    """A shell where the contact list has been read, and is empty."""
    shell = Shell(monkeypatch, tmp_path / "data")
    store = open_warehouse(shell.settings)
    sweep = {
        "sweep_id": 1,
        "started_at": NOW,
        "ended_at": NOW,
        "seen_contacts": 1,
        "rejected_contacts": 0,
        "requests": 1,
        "is_complete": True,
        "is_suspicious": False,
        "counted_at": NOW,
    }
    with store.writing() as session:
        session.merge(raw.ContactSweeps, raw.ContactSweeps.rows([sweep]))
    return shell


@pytest.fixture
def people(tmp_path):
    file = tmp_path / "people.csv"
    file.write_text("whatsapp_number,name\n" + "".join(f"{number},Zoë\n" for number in NUMBERS), encoding="utf-8")
    return file


def test_an_import_shows_its_plan_and_asks(shell, people, monkeypatch):
    shown = shell.run("contacts", "import", str(people), "--dry-run").stdout
    assert shown.splitlines() == [
        f"{people}: 3 lines",
        "  to create          3",
        "  contacts already   0  (contacts as of 2026-03-02 09:00 UTC)",
        "3 requests; no limit paces them",
    ]
    result = shell.run("contacts", "import", str(people), fails=SystemExit)
    assert result.exit_code == 2
    assert "this would create 3 contacts in the CRM; add --yes" in result.stderr
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True, raising=False)
    shell.run("contacts", "import", str(people), answer="n\n", fails=SystemExit)
    assert shell.sandbox.stats().requests == 0
    said = shell.run("contacts", "import", str(people), answer="y\n")
    assert "Create 3 contacts in the CRM?" in said.stderr
    assert said.stdout.endswith("created 3, refused 0\n")
    said = shell.run("contacts", "import", str(people), "--yes")
    assert said.stdout.endswith("  done by a run before  3\nnothing is to be done\n")


def test_an_import_for_programs(shell, people):
    (plan,) = shell.lines("contacts", "import", str(people), "--dry-run")
    assert plan == {"lines": 3, "create": 3, "look_up": 0, "known": 0, "done": 0, "refused": 0, "requests": 3}
    (result,) = shell.lines("contacts", "import", str(people), "--yes")
    assert result == {"created": 3, "found": 0, "known": 0, "done_before": 0, "unclear": [], "refused": []}


def test_refused_lines_are_written_beside_the_file_and_tell_by_the_exit_code(shell, people):
    shell.run("contacts", "create", NUMBERS[1], "--yes")
    result = shell.run("contacts", "import", str(people), "--yes", fails=SystemExit)
    assert result.exit_code == 1
    assert "created 2, refused 1" in result.stdout
    refused = people.with_name("people.refused.csv")
    assert result.stderr.splitlines() == [
        "line 3 is refused: whatsapp_number: is a contact already",
        f"{refused} holds them: mend them there, then import that file",
    ]
    with refused.open(encoding="utf-8-sig", newline="") as lines:
        assert len(list(csv.reader(lines))) == 2
    refused.write_text("whatsapp_number\n+254799000009\n")
    again = shell.run("contacts", "import", str(people), "--yes", fails=SystemExit)
    assert again.exit_code == 1
    assert "line 3 is refused" in again.stderr
    assert "+254799000009" in refused.read_text(), "what somebody mends is not written over"
    assert "created 1" in shell.run("contacts", "import", str(refused), "--yes").stdout
    shell.run("contacts", "create", "+254799000008", "--yes")
    people.write_text(f"whatsapp_number\n{NUMBERS[1]}\n+254799000008\n")
    other = shell.run("contacts", "import", str(people), "--yes", fails=SystemExit)
    assert other.stderr.splitlines()[-1].startswith(f"{people.with_name('people.refused-2.csv')} holds them")
    assert "+254799000009" in refused.read_text()


def test_an_import_that_is_ended_says_how_to_go_on(shell, people):
    inner, count = shell.transport, 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal count
        count += 1
        if count > 2:
            raise httpx.ConnectError("refused")
        return inner.handle_request(request)

    shell.transport = httpx.MockTransport(answer)
    result = shell.run("contacts", "import", str(people), "--yes", fails=ServerUnavailable)
    assert f"2 contacts created so far; {bulk.AGAIN}" in result.stderr
    assert "crm sandbox" in str(result.exception)
    shell.transport = inner
    assert "created 1" in shell.run("contacts", "import", str(people), "--yes").stdout


def test_no_clear_answer_ends_with_75(shell, people):
    inner = shell.transport
    shell.transport = httpx.MockTransport(
        lambda request: httpx.Response(502) if request.method == "POST" else inner.handle_request(request)
    )
    result = shell.run("contacts", "import", str(people), "--yes", fails=SystemExit)
    assert result.exit_code == 75
    assert "no clear answer came for 3 lines" in result.stderr


@pytest.mark.parametrize(
    ("work", "words"), [("import", "contacts import FILE"), ("assign", f"chats assign --file FILE --to {A}")]
)
def test_two_at_once_are_refused(shell, people, work, words):
    with leases_of(shell.settings).take(work, purpose="somebody else"):
        told = shell.run(*words.replace("FILE", str(people)).split(), "--yes", fails=Busy)
    assert "somebody else" in told.exception.holder


def test_chats_of_a_file_are_assigned(shell, people):
    shell.run("contacts", "import", str(people), "--yes")
    words = ("chats", "assign", "--file", str(people), "--to", f"{A}, {B}")
    shown = shell.run(*words, "--dry-run").stdout
    assert shown.splitlines() == [
        "chosen: 3 chats",
        f"{A} has done nothing here so far: is it spelt as in the CRM?",
        f"{B} has done nothing here so far: is it spelt as in the CRM?",
        "operator\tgets",
        f"{A}\t2",
        f"{B}\t1",
        "3 requests; no limit paces them",
    ]
    assert "this would assign 3 chats" in shell.run(*words, fails=SystemExit).stderr
    plan = shell.lines(*words, "--dry-run")
    assert [row["operator_email"] for row in plan] == [A, B, A]
    assert shell.lines(*words, "--yes") == [{"assigned": 3, "skipped": 0, "refused": [], "unclear": []}]
    shown = shell.run(*words, "--yes").stdout
    assert "passed over: 3" in shown
    assert shown.endswith("nothing is to be done\n")
    with open_warehouse(shell.settings).reading() as session:
        events = session.query("select chat_id, agent from raw.operator_events order by fetch_id").to_pylist()
    assert [(row["chat_id"], row["agent"]) for row in events] == [
        (row["chat_id"], row["operator_email"]) for row in plan
    ]


def test_a_chat_that_is_refused_is_told(shell, tmp_path):
    file = tmp_path / "chats.csv"
    file.write_text("chat_id\nnobody\n")
    result = shell.run("chats", "assign", "--file", str(file), "--to", A, "--yes", fails=SystemExit)
    assert result.exit_code == 1
    assert "chat nobody is refused: HTTP 404" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        "",
        "c1",
        f"c1 {A} --waiting",
        f"c1 {A} --to {A}",
        f"--to {A}",
        "--waiting",
        f"--waiting --segment a=b --to {A}",
        "--waiting --to a",
        f"--segment City --to {A}",
    ],
)
def test_assignments_that_make_no_sense(shell, words):
    assert shell.run("chats", "assign", *words.split(), "--yes", fails=SystemExit).exit_code == 2


def test_who_waits_needs_published_figures(shell):
    result = shell.run("chats", "assign", "--waiting", "--to", A, fails=Exception)
    assert "nothing is published yet" in str(result.exception)


@pytest.mark.parametrize(
    ("limits", "requests", "told"),
    [
        ((60, 1000), 10, "10 requests, at once, within 60 a minute and 1,000 a day"),
        ((60, 1000), 177, "177 requests, about 2 min at 60 a minute"),
        ((60, 100), 500, "; 97 are left for now: when they are spent it ends"),
        (None, 1, "1 request; no limit paces them"),
    ],
)
def test_what_it_costs_in_words(tmp_path, limits, requests, told):
    settings = Settings(data_dir=tmp_path)  # the sandbox has no limit
    if limits is not None:
        minute, day = limits
        elsewhere = {"base_url": "https://crm.example.com", "api_key": "x"}
        settings = Settings(data_dir=tmp_path, requests_per_minute=minute, requests_per_day=day, **elsewhere)
    assert told in bulk.cost(settings, requests)


def test_progress_is_a_line_every_few_seconds_in_a_pipe(capsys, monkeypatch):
    clock = iter([0.0, 5.0, 11.0, 11.0, 12.0])
    monkeypatch.setattr(bulk.time, "monotonic", lambda: next(clock))
    with bulk.progress("creating contacts", total=1200) as show:
        for done in (1, 2, 3):
            show(done)
    assert capsys.readouterr().err == "creating contacts: 2 of 1,200\n"


def test_the_plan_for_programs_is_json_alone(shell, people):
    for line in shell.run("contacts", "import", str(people), "--yes", "--json").stdout.splitlines():
        json.loads(line)
