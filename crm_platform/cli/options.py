"""Types of options and arguments: each has bounds, and one line that says what to write instead.

What belongs here: reading a word of the command line into a value that no command has to doubt. What does not: what
depends on data (which tables there are, which days), which the commands and the packages behind them check. Environment
variables are bounded in settings/.

A test walks all commands: a number is a `Whole` or an `Amount`, both with two bounds, a time an `Instant`, a day a
`Day`, a path a `Place` or a `File`, one of a few words a `OneOf`. Texts are bounded for all commands at once by
`require_plain`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from crm_platform.errors import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from click.shell_completion import CompletionItem

_LONGEST_WORD: Final = 20_000  # characters; a message of WhatsApp has 4,096
_UNSHOWABLE: Final = re.compile(r"[\x00\ud800-\udfff]")  # NUL, and bytes that are no UTF-8
_LARGEST_FILE: Final = 50_000_000  # bytes: a million receivers with their variables
_YEARS: Final = range(2000, 2200)


def require_plain(words: Sequence[str]) -> None:
    """Raise a usage error when a word of the command line is no text, or longer than any that is meant."""
    for word in words:
        if len(word) > _LONGEST_WORD:
            raise click.UsageError(f"{quoted(word)} is longer than {_LONGEST_WORD:,} characters; shorten it")
        if _UNSHOWABLE.search(word):
            raise click.UsageError(f"{quoted(word)} is not written in UTF-8; write it as plain text")


def kpi_tables(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Names of KPI tables that begin so, for shells to complete."""
    from crm_platform.tables import TABLES

    return sorted(
        table.table for table in TABLES.values() if table.schema == "kpi" and table.table.startswith(incomplete)
    )


class Whole(click.IntRange):
    """A whole number with bounds, in the digits 0 to 9."""

    def __init__(self, least: int, most: int) -> None:
        super().__init__(least, most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401 - click's own type
        """Read one."""
        if not re.fullmatch(r"[+-]?[0-9]{1,19}", str(value)):
            self.fail(f"{quoted(value)} is no whole number from {self.min:,} to {self.max:,}", param, ctx)
        return int(super().convert(value, param, ctx))


class Amount(click.FloatRange):
    """A finite number with bounds, in the digits 0 to 9. `above`: the least one itself is too little."""

    def __init__(self, least: float, most: float, *, above: bool = False) -> None:
        super().__init__(least, most, min_open=above)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401 - click's own type
        """Read one."""
        if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,3})?", str(value), re.IGNORECASE):
            self.fail(f"{quoted(value)} is no number from {self.min:,} to {self.max:,}", param, ctx)
        return float(super().convert(value, param, ctx))


class OneOf(click.Choice[str]):
    """One of a few words."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401 - click's own type
        """Read one."""
        if value not in self.choices:
            self.fail(f"{quoted(value)} is none of {', '.join(self.choices)}", param, ctx)
        return super().convert(value, param, ctx)


class Instant(click.ParamType[dt.datetime]):
    """A time as ISO 8601, of this century or the next; where no zone is given, `zone` tells it."""

    name = "time"

    def __init__(self, zone: Callable[[], dt.tzinfo] = lambda: dt.UTC) -> None:
        self._zone = zone

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> dt.datetime:
        """Read one; it is aware."""
        if isinstance(value, dt.datetime):
            return value
        try:
            moment = dt.datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{quoted(value)} is not a time such as 2026-01-05T09:00:00Z", param, ctx)
        if moment.year not in _YEARS:
            self.fail(f"{quoted(value)} is not of the years {_YEARS[0]} to {_YEARS[-1]}", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=self._zone())


class Day(click.ParamType[dt.date]):
    """A day as ISO 8601, of this century or the next."""

    name = "day"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> dt.date:
        """Read one."""
        if isinstance(value, dt.date):
            return value
        day = None
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", str(value)):
            with contextlib.suppress(ValueError):
                day = dt.date.fromisoformat(str(value))
        if day is None or day.year not in _YEARS:
            self.fail(f"{quoted(value)} is no day such as 2026-11-20, of {_YEARS[0]} to {_YEARS[-1]}", param, ctx)
        return day


class Host(click.ParamType[str]):
    """An address of this machine to listen on, or its name."""

    name = "host"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check one."""
        host = str(value)
        if not re.fullmatch(
            r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9-]{1,63}){0,9}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*",
            host,
        ):
            self.fail(f"{quoted(host)} is no address of this machine; write 127.0.0.1, ::1 or 0.0.0.0", param, ctx)
        return host


class Place(click.ParamType[Path]):
    """A path to write to."""

    name = "path"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Check that a file system can hold it."""
        if not str(value).strip():
            self.fail("it is empty; write . for this folder", param, ctx)
        path = Path(str(value))
        if any(len(os.fsencode(part)) > 255 for part in path.parts) or len(os.fsencode(path)) > 3000:
            self.fail(f"{quoted(str(path))} is too long for a file system", param, ctx)
        return path

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's own parameters
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Let the shell complete what stands on its disk."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type="file")]


class File(Place):
    """A plain file to read: no folder, and no pipe or device, which may have no end."""

    name = "file"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Check that it is there and can be read."""
        path = super().convert(value, param, ctx)
        try:
            about = path.stat()
            if not stat.S_ISREG(about.st_mode):
                self.fail(f"{quoted(str(path))} is no plain file", param, ctx)
            if about.st_size > _LARGEST_FILE:
                self.fail(f"{quoted(str(path))} is larger than {_LARGEST_FILE:,} bytes; split it", param, ctx)
            path.open("rb").close()
        except OSError as problem:
            self.fail(f"{quoted(str(path))} cannot be read: {problem.strerror}", param, ctx)
        return path


PORT: Final = Whole(1, 65_535)
FREE_PORT: Final = Whole(0, 65_535)  # 0 takes a free one
COUNT: Final = Whole(1, 1_000_000_000)
PATIENCE: Final = Amount(0, 604_800)  # seconds to wait for somebody else: a week at most
