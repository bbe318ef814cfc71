"""Requests a few at a time: threads that run somewhat ahead of whoever stores what comes.

What belongs here: how many are under way, how far ahead, and what happens while none comes back. What does not: what is
asked for (crawler.py), how fast it may be (api/gate.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

WORKERS = 4
"""Requests under way at once: enough to hide the CRM's answer time, few enough to be a polite guest."""

LOOKAHEAD = 6 * WORKERS
"""Results that may be under way or waiting to be stored under a quota: few, since a kill forgets them."""

LOOKAHEAD_UNLIMITED = 100 * WORKERS
"""The same where no request is dear: what keeps the threads busy for the second that a commit takes."""

LOOKAHEAD_BYTES = 32 * 1024 * 1024
"""Bytes of text that results may hold while they wait to be stored, by the heaviest so far."""

LULL_SECONDS = 2.0
"""No answer for so long: the limit lets nothing through, or the server is slow. What came is committed meanwhile."""


class Workers:
    """A few threads. `held_bytes`: bytes of text of what was stored so far; `on_lull`: called while nothing comes."""

    def __init__(
        self,
        number: int,
        *,
        held_bytes: Callable[[], int],
        is_stopped: Callable[[], bool],
        on_lull: Callable[[], None],
    ) -> None:
        self._number = number
        self._held_bytes = held_bytes
        self._is_stopped = is_stopped
        self._on_lull = on_lull
        self._heaviest = 1  # bytes of text that one result brought

    def each(self, call: Callable[[T], R], items: Iterable[T], *, is_limited: bool) -> Iterator[R]:
        """Call for each item, somewhat ahead of the consumer; results come as they are done.

        Once something has stopped the run no new call begins, but those under way are waited for: what they brought,
        and the requests they spent, count. With one worker all happens in this thread, in order.
        """
        queue = iter(items)
        if self._number == 1:
            for item in queue:
                yield call(item)
                if self._is_stopped():
                    return
            return
        most = LOOKAHEAD if is_limited else LOOKAHEAD_UNLIMITED
        pool = ThreadPoolExecutor(self._number, thread_name_prefix="crawl")
        done: SimpleQueue[Future[R]] = SimpleQueue()

        def begin(number: int) -> int:
            begun = [pool.submit(call, item) for item in islice(queue, number)]
            for future in begun:
                future.add_done_callback(done.put)
            return len(begun)

        def lookahead() -> int:
            return max(self._number, min(most, LOOKAHEAD_BYTES // self._heaviest))

        try:
            under_way = begin(min(LOOKAHEAD, lookahead()))
            while under_way:
                future = self._next(done)
                under_way -= 1
                if not future.cancelled():
                    before = self._held_bytes()
                    yield future.result()
                    self._heaviest = max(self._heaviest, self._held_bytes() - before)
                if not self._is_stopped():
                    under_way += begin(max(0, lookahead() - under_way))
                else:
                    pool.shutdown(wait=False, cancel_futures=True)
        finally:
            pool.shutdown(cancel_futures=True)

    def _next(self, done: SimpleQueue[Future[R]]) -> Future[R]:
        while True:
            try:
                return done.get(timeout=LULL_SECONDS)
            except Empty:
                self._on_lull()
