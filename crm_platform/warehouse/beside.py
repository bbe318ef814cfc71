"""Several pieces of work in one store at a time, each in a session of its own.

What belongs here: threads and their sessions. What does not: what the work is.

The engine spends most of a short statement on planning it, in one thread: two statements at a time take two cores.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

Session = TypeVar("Session")
Item = TypeVar("Item")
Result = TypeVar("Result")


def each_beside(
    sessions: Sequence[Session], items: Iterable[Item], work: Callable[[Item, Session], Result]
) -> Iterator[Result]:
    """Give what the work makes of each item, in their order; as many are at work at once as there are sessions.

    The first error ends it: what had begun is waited for, nothing else begins.
    """
    if len(sessions) == 1:
        for item in items:
            yield work(item, sessions[0])
        return
    free: SimpleQueue[Session] = SimpleQueue()
    for session in sessions:
        free.put(session)

    def do(item: Item) -> Result:
        mine = free.get()
        try:
            return work(item, mine)
        finally:
            free.put(mine)

    with ThreadPoolExecutor(len(sessions)) as pool:
        yield from pool.map(do, items)
