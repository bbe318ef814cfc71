"""No word on the command line ends in a traceback: every command, every option, every argument, hostile values.

Field case 74 and its kind. What a command does once its words are read is taken out (conftest.py).
"""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from crm_platform.cli import COMMANDS, crm
from crm_platform.cli.options import Amount, OneOf, Whole
from crm_platform_tests.cli.conftest import run

DOCUMENTED = {0, 1, 2, 75}
HOSTILE = [
    "",
    " ",
    "0",
    "-1",
    "1",
    "18446744073709551616",
    "9" * 30,
    "9" * 6000,
    "1e300",
    "1e400",
    "1e-300",
    "inf",
    "nan",
    "٣",
    "1_000",
    "0x10",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59-23:59",
    "2026-02-30",
    "2026-11-20",
    "2026-11-20T02:00:00+99:99",
    "2026-11",
    "99999",
    "a" * 300,
    "x" * 30_000,
    "a\nb",
    "a\x00b",
    "\udcff",
    "\x1b[31m",
    '"',
    "a\rb",
    "=1+1",
    "name=value",
    "weekday=" + "9" * 44,
    "'; drop table kpi.backlog_now; --",
    "../../etc/passwd",
    "/dev/zero",
    "/dev/null/x",
    "..",
    "%s{}{0}",
]
# What makes a command valid, but for the word that is tried.
USUAL = {
    "export": {"to": "out", "tables": "backlog_now"},
    "explain": {"table": "backlog_now", "column": "open_waits"},
    "kpi": {"table": "backlog_now"},
    "report": {"to": "out"},
    "sandbox": {"contacts": "10", "days": "1"},
    "crawl": {"requests": "1"},
    "demo": {"port": "0"},
}
MILD = {"to": "+254712345678", "whatsapp_number": "+254712345678", "operator_email": "a@example.com"}

QUICK_COMMANDS = {("kpi",), ("explain",), ("contacts", "search"), ("campaigns", "create")}


def commands() -> Iterator[tuple[str, ...]]:
    for name in COMMANDS:
        command = crm.get_command(click.Context(crm), name)
        if isinstance(command, click.Group):
            yield from ((name, below) for below in command.commands)
        else:
            yield (name,)


def found(words: tuple[str, ...]) -> click.Command:
    command: click.Command = crm
    for word in words:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word)
    return command


def line(words: tuple[str, ...], param: click.Parameter, value: str | None) -> list[str]:
    """A whole command line in which `param` is `value`; None: it is a flag."""
    command, options, arguments = found(words), [], []
    usual = USUAL.get(words[0], {})
    for one in command.params:
        text = value if one is param else usual.get(one.name or "")
        if one is param and value is None:
            options.append(one.opts[0])
        elif text is None and one.required:
            text = MILD.get(one.name or "", "some")
        if text is None:
            continue
        if isinstance(one, click.Argument):
            arguments.append(text)
        else:
            options += [one.opts[0], text]
    if any(one.name == "yes" for one in command.params):
        options.append("--yes")
    return [*words, *options, *arguments]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(words, marks=[] if words in QUICK_COMMANDS else [pytest.mark.slow], id=" ".join(words))
        for words in commands()
    ],
)
def test_no_word_ends_in_a_traceback(words, idle):
    tried = [list(words)]
    for param in found(words).params:
        is_flag = isinstance(param, click.Option) and param.is_flag
        tried += [line(words, param, None if is_flag else value) for value in ([None] if is_flag else HOSTILE)]
    for one in tried:
        shown = [word[:80] for word in one]
        try:
            said = run(*one)
        except Exception as problem:
            raise AssertionError(f"{shown} ends in a traceback") from problem
        assert said.code in DOCUMENTED, shown
        assert said.code == 0 or said.err or said.out, f"{shown} fails without a word"
        assert max(map(len, said.err.splitlines()), default=0) < 1500, f"{shown} says it without end"


@pytest.mark.parametrize(
    "words",
    [
        "message_volume_hourly --column inbound --key hour=inf --key weekday=nan",
        "response_times_daily --column waits --day 0001-01-01",
        "response_times_daily --column waits --from 9999-12-31 --to 0001-01-01",
        "engagement_monthly --column active_contacts --month 9999-12",
    ],
)
def test_no_key_of_a_figure_ends_in_a_traceback(words, idle):
    assert run("explain", *words.split()).code == 2


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_number_has_two_bounds(words):
    for param in found(words).params:
        if isinstance(param.type, click.types.IntParamType | click.types.FloatParamType):
            assert isinstance(param.type, Whole | Amount), f"{param.name} of {words}: take a type of cli/options.py"
            assert param.type.min is not None
            assert param.type.max is not None
        assert not isinstance(param.type, click.Path), f"{param.name} of {words}: take Place or File"
        assert isinstance(param.type, OneOf) or not isinstance(param.type, click.Choice), f"{param.name}: take OneOf"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("kpi --limit 18446744073709551616", "--limit"),
        ("kpi --limit 0", "--limit"),
        ("crawl --minutes inf", "--minutes"),
        ("crawl --minutes nan", "--minutes"),
        ("crawl --minutes -1", "--minutes"),
        ("crawl --minutes 0", "--minutes"),
        ("crawl --minutes 1e300", "--minutes"),
        ("crawl --requests 1e3", "--requests"),
        ("crawl --forever --wait 1e9", "--wait"),
        ("build --as-of 0001-01-01T00:00:00Z", "--as-of"),
        ("build --as-of 0001-01-01T00:00:00+14:00", "--as-of"),
        ("build --as-of 9999-12-31T23:59:59-12:00", "--as-of"),
        ("build --as-of 2026-11-20T00:00:00", "--as-of"),
        ("build --as-of soon", "--as-of"),
        ("refresh --as-of 1999-12-31T23:59:59Z", "--as-of"),
        ("dev --port 99999", "--port"),
        ("dev --port 0", "--port"),
        ("dev --host not_a_host!", "--host"),
        ("demo --port 65536", "--port"),
        ("notebook --port -1", "--port"),
        ("serve --port 65536", "--port"),
        ("sandbox --seed 9223372036854775808", "--seed"),
        ("sandbox --latency nan", "--latency"),
        ("sandbox --speed inf", "--speed"),
        ("sandbox --start 0001-01-01", "--start"),
        ("export --format csv --to /dev/null/x", "/dev/null/x"),
        ("campaigns create n --template t --to +254712345678 --at 9999-12-31T23:59 --yes", "--at"),
        ("campaigns clone c n --receivers /dev/zero --yes", "--receivers"),
        ("campaigns clone c n --receivers . --yes", "--receivers"),
    ],
)
def test_a_word_out_of_bounds_is_named_and_ends_with_2(words, told, idle):
    """Field case 74."""
    said = run(*words.split())
    assert said.code == (1 if words.startswith("export") else 2), said
    assert told in said.err.splitlines()[-1]


def test_a_pipe_of_receivers_is_not_waited_for(idle):
    import os

    os.mkfifo(idle / "pipe")
    said = run("campaigns", "clone", "c", "n", "--receivers", "pipe", "--yes")
    assert said.code == 2
    assert "'pipe' is no plain file" in said.err


@pytest.mark.parametrize("content", [b"\xff\xfe1\x00", b'"a\n', b"whatsapp_number\n\x00,1\n", b""])
def test_a_file_of_receivers_that_is_no_csv_is_named(idle, content):
    (idle / "people.csv").write_bytes(content)
    said = run("campaigns", "clone", "c", "n", "--receivers", "people.csv", "--yes")
    assert said.code == 2
    assert "people.csv" in said.err
