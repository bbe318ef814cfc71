"""How `crm refresh` shows that work goes on: bars on a terminal, a line a finished stage in a pipe.

What belongs here: drawing. What does not: the work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from crm_platform.cli.words import duration
from crm_platform.defs.shell import ShellReporter

if TYPE_CHECKING:
    from rich.console import Console

    from crm_platform.ingest import Outcome
    from crm_platform.ingest import Progress as Step


class Bars(ShellReporter):
    """Draws a bar a stage and one for the build; keeps the outcomes. Use it as a context manager."""

    def __init__(self, console: Console, *, wait_seconds: float, tables: int) -> None:
        super().__init__(wait_seconds=wait_seconds)
        self.outcomes: list[Outcome] = []
        self.seconds_building = 0.0
        self._console = console
        self._tables = tables
        self._tasks: dict[str, TaskID] = {}
        self._bars = Progress(
            TextColumn("{task.description:<16}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._bars.start()
        return self

    def __exit__(self, *_problem: object) -> None:
        """Leave the bars as they stand."""
        self._bars.stop()

    def waiting(self, holder: str) -> None:
        """Say who is waited for."""
        self._console.print(f"waiting up to {duration(self.wait_seconds)} for {holder}")

    def progress(self, progress: Step) -> None:
        """Move a stage's bar."""
        note = f"{progress.requests:,} requests"
        if progress.messages:
            note += f", {progress.messages:,} messages"
        task = self._task(progress.stage, progress.total)
        self._bars.update(task, completed=progress.done, total=progress.total, note=note)

    def fetched(self, outcome: Outcome) -> None:
        """Keep what a stage brought; in a pipe, say it."""
        self.outcomes.append(outcome)
        if not self._console.is_terminal:
            self._console.print(
                f"{outcome.table.full_name()}: {outcome.inserted:,} new, {outcome.updated:,} changed, "
                f"{outcome.requests:,} requests",
                soft_wrap=True,
            )

    def built(self, table: str, *, seconds: float) -> None:
        """Move the build's bar."""
        self.seconds_building += seconds
        self._bars.update(self._task("KPIs", self._tables), advance=1, note=table)

    def _task(self, name: str, total: int | None) -> TaskID:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total, note="")
        return self._tasks[name]
