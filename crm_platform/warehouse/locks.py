"""Locks between the processes of one host.

What belongs here: the reader/writer lock that stands before every open database file, and the leases of the port as
files. Both are kernel locks: a killed holder leaves nothing behind. What does not: what is done under a lock.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import fasteners

from crm_platform.errors import NO_ROOM, Busy, FixConfiguration
from crm_platform.warehouse.port import Lease

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from crm_platform.warehouse.port import Work

CALLED: Final[Mapping[Work, str]] = {
    "crawl": "crawl",
    "build": "build",
    "publish": "publish",
    "refresh": "crm refresh",
    "report": "crm report",
    "live": "crm live",
    "import": "crm contacts import",
    "assign": "crm chats assign",
}
"""Work that people are told of; the rest takes a moment."""

_COUNTING: Final = 10.0  # seconds to wait for another process that takes a number, which takes a millisecond

# A POSIX file lock belongs to the process, not to the thread. So threads of one process take turns here first.
_in_process: dict[str, threading.Lock] = {}
_registry = threading.Lock()


def _mutex(path: Path) -> threading.Lock:
    with _registry:
        return _in_process.setdefault(str(path), threading.Lock())


@contextlib.contextmanager
def _in_a_usable_folder(path: Path) -> Iterator[None]:
    """Make the folder of a lock file, and say what is wrong with one that cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as problem:
        if problem.errno in NO_ROOM:
            raise
        raise FixConfiguration(
            f"{path.parent} cannot be written ({problem.strerror}): set CRM_DATA_DIR to a folder of yours, or mend it"
        ) from problem


@contextlib.contextmanager
def file_lock(path: Path, *, exclusive: bool, timeout: float) -> Iterator[None]:
    """Hold the lock at `path`, shared or exclusive. Raises Busy after `timeout` seconds of waiting."""
    deadline = time.monotonic() + timeout
    problem = f"{path.stem} is busy: another process has been using it for more than {timeout:.0f} s"
    mutex = _mutex(path)
    if not mutex.acquire(timeout=timeout):
        raise Busy(problem)
    try:
        lock = fasteners.InterProcessReaderWriterLock(path)
        acquire = lock.acquire_write_lock if exclusive else lock.acquire_read_lock
        with _in_a_usable_folder(path):
            if not acquire(timeout=max(0.0, deadline - time.monotonic())):
                raise Busy(problem)
        try:
            yield
        finally:
            (lock.release_write_lock if exclusive else lock.release_read_lock)()
    finally:
        mutex.release()


class FileLeases:
    """The leases of a data folder, each a lock file: `folder` holds them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def take(
        self, work: Work, *, purpose: str, wait: float = 0.0, on_wait: Callable[[str], None] | None = None
    ) -> Iterator[Lease]:
        """Be the only one at a kind of work. The holder is described in a file beside the lock."""
        with self.holding(work, purpose=purpose, wait=wait, on_wait=on_wait):
            yield Lease(work, epoch=self.next_epoch())

    def next_epoch(self, *, least: int = 1) -> int:
        """Count on, in a file; to `least`, where somebody else has counted further."""
        counter = self._folder / "epoch"
        with file_lock(self._folder / "epoch.lock", exclusive=True, timeout=_COUNTING), _in_a_usable_folder(counter):
            try:
                last = int(counter.read_text(encoding="ascii"))
            except (FileNotFoundError, ValueError):  # the first, or torn by a power cut
                last = 0
            number = max(last + 1, least)
            following = counter.with_suffix(".next")
            following.write_text(str(number), encoding="ascii")
            following.replace(counter)
            return number

    def held_by(self, work: Work) -> str | None:
        """Say who is at a kind of work; None: nobody."""
        try:
            with self.holding(work, purpose="a look whether it is free"):
                return None
        except Busy as problem:
            return problem.holder or "another process"

    def at_work(self) -> dict[str, str]:
        """Say what is under way, as people call it, and who does it."""
        return {
            called: holder
            for work, called in CALLED.items()
            if self._file(work).exists() and (holder := self.held_by(work))
        }

    def _file(self, work: Work) -> Path:
        return self._folder / f"{work}.lock"

    @contextlib.contextmanager
    def holding(
        self, work: Work, *, purpose: str, wait: float = 0.0, on_wait: Callable[[str], None] | None = None
    ) -> Iterator[None]:
        """Hold a lease's lock, without drawing a number. Raises Busy as `take` does."""
        path = self._file(work)
        mutex = _mutex(path)
        deadline = time.monotonic() + wait
        lock = fasteners.InterProcessLock(path)
        with contextlib.ExitStack() as held, _in_a_usable_folder(path):
            got = mutex.acquire(blocking=False)
            if got:
                held.callback(mutex.release)
            if not (got and lock.acquire(blocking=False)):
                holder = _holder(path)
                if on_wait is not None and wait > 0:
                    on_wait(holder)
                if not got and wait > 0 and mutex.acquire(timeout=wait):
                    got = True
                    held.callback(mutex.release)
                if not (got and lock.acquire(timeout=max(0.0, deadline - time.monotonic()))):
                    raise Busy(f"{work} is already at work elsewhere", holder=_holder(path))
            held.callback(lock.release)
            _note(path).write_text(
                f"{purpose} (process {os.getpid()}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC)", encoding="utf-8"
            )
            everything = held.pop_all()
        with everything:
            yield


def _note(path: Path) -> Path:
    # Beside the lock, not in it: closing any handle on a locked file would drop this process's lock.
    return path.with_suffix(".holder")


def _holder(path: Path) -> str:
    try:
        return _note(path).read_text(encoding="utf-8")
    except OSError:
        return "an unknown process"
