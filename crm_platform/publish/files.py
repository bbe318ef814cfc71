"""Files that a crash cannot tear: written whole, synced, then shown in one step.

What belongs here: syncing, digests, links, the symlink's turn. What does not: what the files hold.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path

from crm_platform.publish.manifest import FileEntry, is_demo_link

# Unfinished work in the published folder has names that start so: nobody reads it, and the next publisher removes it.
BUILDING = ".building"
PURGING = ".purging-"
TURNING = ".turning"
CONFIRMING = ".confirming"


def literal(text: str) -> str:
    """A text, such as a file's path, as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def seal(path: Path) -> FileEntry:
    """Sync a finished file to disk, make it read-only and take its digest."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    path.chmod(0o444)  # a tool that opens the database for writing would change a snapshot under its readers
    return entry_of(path)


def entry_of(path: Path) -> FileEntry:
    """A file's size and digest, as they are."""
    with path.open("rb") as file:
        return FileEntry(bytes=path.stat().st_size, sha256=hashlib.file_digest(file, "sha256").hexdigest())


def is_whole(path: Path, known: FileEntry, *, sealed_by: Path | None = None) -> bool:
    """Whether a file is there as it was sealed.

    Its digest tells. With `sealed_by`, a file that was written last of all, its size does where nobody wrote to it
    since: that finds a torn file, and no bytes that a disk has changed.
    """
    try:
        state = path.stat()
        if sealed_by is not None and state.st_mtime_ns <= sealed_by.stat().st_mtime_ns:
            return state.st_size == known.bytes
        return entry_of(path) == known
    except OSError:
        return False


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def link_or_copy(source: Path, target: Path) -> None:
    """Share a file that never changes; copy it where the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
        with target.open("rb") as file:
            os.fsync(file.fileno())


def turn(link: Path, target: str) -> None:
    """Point a symlink elsewhere in one step: a reader finds the old target or the new one, never neither."""
    draft = link.with_name(TURNING)
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(link)
    sync_folder(link.parent)


def replace_sealed(path: Path, text: str, *, draft: Path) -> None:
    """Put another text in a sealed file's place, in one step. `draft`: where it is written first, on the same disk.

    The new file has the old one's time: whether others were written to since they were sealed is told by it (is_whole).
    """
    state = path.stat()
    draft.unlink(missing_ok=True)
    draft.write_text(text, encoding="utf-8")
    os.utime(draft, ns=(state.st_atime_ns, state.st_mtime_ns))
    seal(draft)
    draft.chmod(stat.S_IMODE(state.st_mode))
    draft.replace(path)
    sync_folder(path.parent)


def open_as(published: Path, snapshot: Path) -> None:
    """Let into a snapshot whom the published folder lets in, for reading.

    The folder is private, as all that the platform makes; who opens it (`chmod g+rx`) opens what comes after, too.
    """
    others = stat.S_IMODE(published.stat().st_mode) & 0o055
    for path in (snapshot, *snapshot.rglob("*")):
        path.chmod(0o700 | others if path.is_dir() else 0o400 | others & 0o044)


def begin_demo_link(link: Path, published: Path) -> None:
    """Show the sandbox's published folder where a real CRM's would be, while there is none."""
    if not link.is_symlink() and not link.exists():
        link.symlink_to(published.relative_to(link.parent))


def end_demo_link(published: Path) -> None:
    """Make room for the first snapshot of a real CRM."""
    if is_demo_link(published):
        published.unlink()


def remove_leftovers(folder: Path) -> None:
    """Remove what a publisher or a purge that was killed left unfinished."""
    for path in folder.iterdir():
        if path.name in {TURNING, CONFIRMING}:
            path.unlink()
        elif path.name == BUILDING or path.name.startswith(PURGING):
            shutil.rmtree(path)
