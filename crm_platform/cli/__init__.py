"""`crm`: the platform from a shell.

What belongs here: arguments, questions, tables and exit codes; each command calls one function of another package. What
does not: anything a test would want to call without a shell; the bounds of options (options.py). Commands are imported
when they are called, so that `crm --help` answers at once.

Exit codes, of every command:

    0    done
    1    the platform refused or failed; the message says what to do
    2    the command line or a setting is wrong; the message names it and says what to write
    75   try again later (rate limit, quota, somebody else at work)
    130  ended by Ctrl-C
    141  whoever read the output has left, as in `crm kpi … | head`; nothing is said

`crm doctor`, whose work is to find wrong settings, gives 1 for whatever it finds.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import importlib
import io
import logging
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from crm_platform.cli.options import require_plain
from crm_platform.errors import NO_ROOM, Busy, CrmPlatformError, FixConfiguration, GiveUp, InvalidRequest, RetryLater

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from click.shell_completion import CompletionItem

EXIT_FAILED: Final = 1
EXIT_WRONG: Final = 2
EXIT_TRY_LATER: Final = 75
EXIT_INTERRUPTED: Final = 130
EXIT_UNREAD: Final = 141

# What a file system answers to anybody: a message tells all there is to know, a traceback no more.
_DISK: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ENOTDIR, *NO_ROOM})

# Bytes: with less of it free on the disk, SQLite and DuckDB fail in whatever they do.
_LEAST_ROOM: Final = 1_000_000

# command → (module, one line of help); the module holds a click command of the command's name.
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "adopt": ("crm_platform.cli.adopt", "Say that the CRM whose data this is has a new address."),
    "agents": ("crm_platform.cli.agents", "List the agents, and say by hand which identifiers are one's."),
    "alerts": ("crm_platform.cli.alerts", "List problems, test the channels, judge KPIs, send the digest."),
    "build": ("crm_platform.cli.platform", "Compute every KPI anew from what is stored, and publish."),
    "campaigns": ("crm_platform.cli.campaigns", "List, report on, create, clone and trigger campaigns."),
    "chats": ("crm_platform.cli.chats", "Read a chat's messages, assign one or many, mark one as done."),
    "completion": ("crm_platform.cli.completion", "Print what bash, zsh or fish needs to complete commands."),
    "contacts": ("crm_platform.cli.contacts", "List, search, create, import and delete contacts."),
    "crawl": ("crm_platform.cli.crawl", "Spend requests where they are worth most."),
    "demo": ("crm_platform.cli.demo", "Load a CRM, show its KPIs, keep the pages and the Dagster UI running."),
    "dev": ("crm_platform.cli.platform", "Run Dagster's UI and daemon."),
    "doctor": ("crm_platform.cli.doctor", "Find what would stop the next run, and say what to do."),
    "events": ("crm_platform.cli.events", "Take in what the CRM sends by itself: hints, and who did what."),
    "explain": ("crm_platform.cli.receipts", "Show what a table means, or what a figure is made of and why it moved."),
    "export": ("crm_platform.cli.analysts", "Write published tables to Parquet, CSV or Excel files."),
    "fields": ("crm_platform.cli.fields", "List, create and delete custom fields."),
    "kpi": ("crm_platform.cli.kpi", "Show published figures."),
    "live": ("crm_platform.cli.live", "Crawl, compute and publish without end: figures that are seconds old."),
    "mcp": ("crm_platform.cli.mcp", "Answer an assistant's questions about the figures."),
    "notebook": ("crm_platform.cli.analysts", "Look at the published figures in a notebook."),
    "notes": ("crm_platform.cli.notes", "Write down what happened on a day, for the charts."),
    "optouts": ("crm_platform.cli.optouts", "List by which words contacts opted out, take a false one back."),
    "refresh": ("crm_platform.cli.platform", "Fetch, compute, publish."),
    "report": ("crm_platform.cli.report", "Make a weekly or monthly report, send those that are due."),
    "sandbox": ("crm_platform.cli.sandbox", "Run a made-up CRM on this machine."),
    "serve": ("crm_platform.cli.serve", "Serve the dashboards, the KPI API and the figures for assistants."),
    "sweeps": ("crm_platform.cli.sweeps", "List the sweeps of the contact list, accept a suspicious one."),
    "status": ("crm_platform.cli.status", "Say what is known, spent and published."),
}


class LazyGroup(click.Group):
    """A group that knows its commands' names and help, and imports one when it is called."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse what is no text before any command reads it."""
        require_plain(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own type
        """Run a command. Ctrl-C and a reader that has left end it as a shell expects."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except KeyboardInterrupt:
            _end(EXIT_INTERRUPTED)
        except click.Abort as problem:  # Ctrl-C at a question; `from None` hides it, and keeps it
            if isinstance(problem.__context__, KeyboardInterrupt):
                _end(EXIT_INTERRUPTED)
            raise
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still held back goes nowhere
            _end(EXIT_UNREAD)
        return result

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Names in alphabetical order."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command."""
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Name the commands that begin so, without importing one; a shell asks at each press of a key."""
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=summary)
            for name, (_, summary) in sorted(COMMANDS.items())
            if name.startswith(incomplete)
        ]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in sorted(COMMANDS.items())])


def _end(code: int) -> NoReturn:
    raise click.exceptions.Exit(code) from None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="crm_platform", prog_name="crm")
def crm() -> None:
    """KPIs people can trust from a WhatsApp CRM: fetch, compute, publish, act."""


def explain(problem: CrmPlatformError) -> str:
    """Say in one or a few lines what happened and what to do."""
    lines = [str(problem)]
    if isinstance(problem, InvalidRequest):
        lines += [f"  {detail.field}: {detail.message}" for detail in problem.details]
    if isinstance(problem, Busy) and problem.holder:
        lines.append(f"  held by {problem.holder}")
    if isinstance(problem, RetryLater) and problem.retry_after:
        lines.append(f"  try again in {problem.retry_after:.0f} s")
    return "\n".join(lines)


def exit_code(problem: CrmPlatformError) -> int:
    """Tell a script what to do about an error."""
    if isinstance(problem, RetryLater):
        return EXIT_TRY_LATER
    return EXIT_WRONG if isinstance(problem, FixConfiguration) else EXIT_FAILED


def _keep_files_private(args: Sequence[str]) -> None:
    """Let nobody else read what this process and its children write; what is exported is for whom its maker likes."""
    if "export" not in args[:1] and list(args[:2]) != ["report", "make"]:
        os.umask(0o077)


def main(args: Sequence[str] | None = None) -> None:
    """Run `crm`; errors of the platform become a message and an exit code, never a traceback.

    Without `args` it is the process that ends with it.
    """
    code: list[int] = []
    if args is None:
        atexit.register(_leave, code)  # the first that is registered, so the last that runs
    try:
        _run(args)
    except SystemExit as ended:
        code += [ended.code or 0] if isinstance(ended.code, int | None) else []
        raise


def _leave(code: Sequence[int]) -> None:
    """End the process when all else is done: to take 1,900 modules apart object by object takes it a second."""
    logging.shutdown()
    with contextlib.suppress(OSError, ValueError):  # whoever read the output has left: Python says it
        sys.stdout.flush()
        sys.stderr.flush()
        if code:
            os._exit(code[0])


def _run(args: Sequence[str] | None) -> None:
    _keep_files_private(sys.argv[1:] if args is None else args)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that cannot show a sign is no reason to fail
    try:
        crm.main(args=list(args) if args is not None else None, prog_name="crm")
    except CrmPlatformError as problem:
        click.echo(f"crm: {explain(problem)}", err=True)
        if isinstance(problem, GiveUp) and "make room" not in str(problem) and (folder := _full_folder()) is not None:
            click.echo(f"  the disk of {folder} is full: make room, then run it again", err=True)
        sys.exit(exit_code(problem))
    except KeyboardInterrupt:  # before a command has begun
        sys.exit(EXIT_INTERRUPTED)
    except OSError as problem:
        if problem.errno not in _DISK:
            raise
        what_to_do = ": make room, then run it again" if problem.errno in NO_ROOM else ""
        click.echo(f"crm: {problem.filename or 'the disk'}: {problem.strerror}{what_to_do}", err=True)
        sys.exit(EXIT_FAILED)
    except Exception:
        # Libraries that keep files of their own (Dagster's SQLite) tell of a full disk in many ways.
        if (folder := _full_folder()) is None:
            raise
        click.echo(f"crm: {folder}: its disk is full: make room, then run it again", err=True)
        sys.exit(EXIT_FAILED)


def _full_folder() -> Path | None:
    """The data folder, where nothing more can be written to it."""
    from crm_platform.settings import load_settings

    with contextlib.suppress(CrmPlatformError, OSError):
        folder = load_settings().root
        if shutil.disk_usage(folder).free < _LEAST_ROOM:
            return folder
    return None
