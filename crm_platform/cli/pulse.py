"""A beat beside the work: what says that a command lives while it imports, waits or computes.

What belongs here: the thread, and nothing that takes time to import. What does not: the words (pace.py).
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SAY_EVERY: Final = 10.0
"""Seconds between two lines where nobody draws: a longer silence looks like death."""

BEAT: Final = 1.0
"""Seconds between two beats."""


@contextlib.contextmanager
def pulse(beat: Callable[[], None], *, every: float = BEAT) -> Iterator[None]:
    """Call `beat` again and again in a thread of its own, whatever the block is busy with or waits for."""
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(every):
            beat()

    thread = threading.Thread(target=go_on, name="pulse", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
