"""A holder that is killed while its commit is written, for stores that write one step by step.

What belongs here: counting the steps and dying. What does not: the stores and their steps.
"""

from __future__ import annotations

from collections.abc import Iterator


class Killed(BaseException):
    """The process is no more."""


class Mortal:
    """Is killed after so many steps of its commits; None: never. Stands before the warehouse that it is."""

    steps_left: int | None = None

    def steps_of(self, redo) -> Iterator[str]:
        raise NotImplementedError

    def carry_out(self, redo) -> None:
        steps = self.steps_of(redo)
        while self.steps_left is None or self.steps_left > 0:
            if next(steps, None) is None:
                return
            if self.steps_left is not None:
                self.steps_left -= 1
        raise Killed
