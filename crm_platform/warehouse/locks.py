"""Locks between processes.

What belongs here: the reader/writer lock that stands before every open database file, and the lease that lets one
crawler or one build work at a time, which leases there are and who holds them. Both are kernel locks on files: a killed
holder leaves nothing behind. What does not: what is done under a lock.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

import fasteners

from crm_platform.errors import NO_ROOM, Busy, FixConfiguration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

Work = Literal["crawl", "build", "publish", "refresh", "report"]
"""What one process at a time may do with a data folder."""

_CALLED: Final[Mapping[Work, str]] = {
    "crawl": "crawl",
    "build": "build",
    "publish": "publish",
    "refresh": "crm refresh",
    "report": "crm report",
}

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


@contextlib.contextmanager
def lease(
    path: Path, *, purpose: str, wait: float = 0.0, on_wait: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Be the only one at work on something, for as long as the block runs.

    `wait`: seconds to wait for another holder, who is told to `on_wait` once. Raises Busy, naming the holder, when the
    wait was in vain. The holder's own description (`purpose`, process, since when) is kept in a file beside the lock.
    """
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
                raise Busy(f"{path.stem} is already at work elsewhere", holder=_holder(path))
        held.callback(lock.release)
        _note(path).write_text(
            f"{purpose} (process {os.getpid()}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC)", encoding="utf-8"
        )
        everything = held.pop_all()
    with everything:
        yield


def lease_file(lock_dir: Path, work: Work) -> Path:
    """The lock file of a lease."""
    return lock_dir / f"{work}.lock"


def at_work(lock_dir: Path) -> dict[str, str]:
    """Say what is under way, as people call it, and who does it."""
    files = {called: lease_file(lock_dir, work) for work, called in _CALLED.items()}
    return {called: holder for called, file in files.items() if file.exists() and (holder := held_by(file))}


def held_by(path: Path) -> str | None:
    """Say who holds a lease; None when it is free."""
    try:
        with lease(path, purpose="a look whether it is free"):
            return None
    except Busy as problem:
        return problem.holder or "another process"


def _note(path: Path) -> Path:
    # Beside the lock, not in it: closing any handle on a locked file would drop this process's lock.
    return path.with_suffix(".holder")


def _holder(path: Path) -> str:
    try:
        return _note(path).read_text(encoding="utf-8")
    except OSError:
        return "an unknown process"
