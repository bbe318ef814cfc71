"""What a shell completes of `crm …`: bash runs the script; zsh's and fish's are written for the same protocol."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from crm_platform.cli import COMMANDS, crm
from crm_platform_tests.cli.conftest import run

ROOT = Path(__file__).parent.parent.parent


def completed(*words: str) -> list[tuple[str, str]]:
    """What may stand in the place of the last word: kind and value."""
    *before, incomplete = words
    items = ShellComplete(crm, {}, "crm", "_CRM_COMPLETE").get_completions(before, incomplete)
    return [(item.type, item.value) for item in items]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_asks_crm(clean, shell):
    said = run("completion", shell)
    assert (said.code, said.err) == (0, "")
    assert f"_CRM_COMPLETE={shell}_complete" in said.out


def test_another_shell_is_refused(clean):
    assert run("completion", "csh").code == 2


def test_commands_complete_without_being_imported(monkeypatch):
    monkeypatch.setattr("importlib.import_module", lambda name: pytest.fail(f"{name} is imported"))
    assert completed("") == [("plain", name) for name in sorted(COMMANDS)]
    assert completed("con") == [("plain", "contacts")]


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (("contacts", "im"), "import"),
        (("chats", "assign", "--by", "l"), "least-loaded"),
        (("chats", "assign", "--w"), "--waiting"),
        (("kpi", "response_t"), "response_times_daily"),
        (("explain", "backlog_n"), "backlog_now"),
        (("export", "contacts_by_c"), "contacts_by_country"),
        (("--vers",), "--version"),
    ],
)
def test_what_may_follow(words, value):
    assert completed(*words) == [("plain", value)]


def test_files_are_completed_by_the_shell():
    assert completed("contacts", "import", "peo") == [("file", "peo")]
    assert completed("export", "--to", "") == [("file", "")]


@pytest.mark.slow
def test_bash_completes(tmp_path):
    """The script is sourced, registered for `crm`, and its function gives what a press of Tab would."""
    program = tmp_path / "crm"
    program.write_text(f'#!/bin/sh\nexec env PYTHONPATH={ROOT} "{sys.executable}" -m crm_platform.cli "$@"\n')
    program.chmod(0o755)
    script = """
        eval "$(crm completion bash)"
        complete -p crm
        press() {
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
            _crm_completion crm; echo "${COMPREPLY[@]}"
        }
        press crm cont
        press crm contacts ""
        press crm chats assign --by ""
        press crm kpi backlog_
    """
    done = subprocess.run(
        ["bash", "--norc", "--noprofile", "-c", script],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "CRM_DATA_DIR": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        check=True,
    )
    registered, *pressed = done.stdout.splitlines()
    assert registered == "complete -o nosort -F _crm_completion crm"
    assert pressed[:4] == [
        "contacts",
        "create delete import list search",
        "round-robin least-loaded",
        "backlog_daily backlog_now",
    ]
    assert not (tmp_path / "data").exists(), "a press of Tab writes nothing"


def test_every_command_has_completions():
    for name in COMMANDS:
        command = crm.get_command(click.Context(crm), name)
        assert command is not None
        assert completed(name, "--"), name
