"""How `crm refresh` shows that work goes on: bars and a live line on a terminal, a line every few seconds in a pipe.

What belongs here: drawing. What does not: the work, and the words (pace.py).
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from crm_platform.cli.pace import Gauge, percent
from crm_platform.cli.pulse import SAY_EVERY, pulse
from crm_platform.defs.shell import ShellReporter
from crm_platform.languages import ENGLISH
from crm_platform.schemas import raw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.console import Console, RenderableType

    from crm_platform.ingest import Outcome
    from crm_platform.ingest import Progress as Step


class _Drawn(Progress):
    """Bars with words below, on as many lines as they need: the time to go stands last."""

    line = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Give the bars and the words."""
        yield from super().get_renderables()
        yield Text(self.line)


class Bars(ShellReporter):
    """Draws a bar a stage and one for the build; keeps the outcomes. Use it as a context manager."""

    def __init__(
        self,
        console: Console,
        *,
        wait_seconds: float,
        tables: int,
        gauge: Gauge,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(wait_seconds=wait_seconds)
        self.outcomes: list[Outcome] = []
        self.seconds_building = 0.0
        self._console = console
        self._tables = tables
        self._gauge = gauge
        self._monotonic = monotonic
        self._said_at = monotonic()
        self._doing: Step | str = "reading what is stored"
        self._latest: Step | str = "fetching"
        self._built = 0
        self._tasks: dict[str, TaskID] = {}
        self._bars = _Drawn(
            TextColumn("{task.description:<16}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._pulse = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._bars.start()
        if not self._console.is_terminal and isinstance(self._doing, str):
            self._say(self._doing)
        self._pulse.enter_context(pulse(self.beat))
        return self

    def __exit__(self, *_problem: object) -> None:
        """Leave the bars as they stand."""
        self._pulse.close()
        self._bars.line = ""
        self._bars.stop()

    def beat(self) -> None:
        """Say what is being done: drawn on a terminal; in a pipe when nothing was said for some seconds."""
        doing = self._doing
        if self._console.is_terminal:
            self._bars.line = doing if isinstance(doing, str) else self._gauge.words(doing)
            self._bars.refresh()
        elif self._monotonic() - self._said_at >= SAY_EVERY:
            self._say(doing if isinstance(doing, str) else self._gauge.words(doing))

    def waiting(self, holder: str) -> None:
        """Say who is waited for."""
        self._doing = f"waiting for {holder}"
        self._say(f"waiting up to {ENGLISH.duration(self.wait_seconds)} for {holder}")

    def progress(self, progress: Step) -> None:
        """Move a stage's bar."""
        self._gauge.hear(progress)
        self._doing = self._latest = progress
        task = self._task(progress.stage, progress.total)
        self._bars.update(task, completed=progress.done, total=progress.total)

    def fetched(self, outcome: Outcome) -> None:
        """Keep what a stage brought; in a pipe, say it."""
        self.outcomes.append(outcome)
        self._doing = "fetching" if len(self.outcomes) < len(raw.FETCHED) else "computing KPIs"
        if not self._console.is_terminal:
            self._say(
                f"{outcome.table.full_name()}: {outcome.inserted:,} new, {outcome.updated:,} changed, "
                f"{outcome.requests:,} requests"
            )

    def built(self, table: str, *, seconds: float) -> None:
        """Move the build's bar; a build begins with its cut."""
        self.seconds_building += seconds
        self._built = 1 if table == "core.cut" else self._built + 1
        self._bars.update(self._task("KPIs", self._tables), completed=self._built)
        if self._built < self._tables:
            done = f"{self._built} of {self._tables} ({percent(self._built / self._tables)})"
            self._doing = f"computing KPIs: {done}, last {table}"
        else:
            self._doing = "publishing"

    def published_so_far(self, problem: str) -> None:
        """Say that there are figures already, or why not."""
        self._say(f"not published so far: {problem}" if problem else "published: the figures of what is stored so far")
        self._doing = self._latest

    def _say(self, words: str) -> None:
        self._said_at = self._monotonic()
        self._console.print(words, soft_wrap=True)

    def _task(self, name: str, total: int | None) -> TaskID:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total)
        return self._tasks[name]
