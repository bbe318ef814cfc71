"""The data folder belongs to its owner alone; and how its files are told from others.

What belongs here: making it with mode 0700, setting that mode on a folder of an earlier version, naming a file's state.
What does not: what is in it, and the mode of a published snapshot (publish/files.py).

What the platform writes holds numbers, names and texts. The folder's mode keeps everybody else out, whatever the modes
of the files are. The files are private as well, for owners who open the folder on purpose. A folder that others may
only pass through (`chmod g+x`) is left so: in that way an owner lets a group reach `published/` and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING, Final

from crm_platform.errors import FixConfiguration

if TYPE_CHECKING:
    from pathlib import Path

_OTHERS: Final = 0o077
_LIST_OR_WRITE: Final = 0o066  # by others; passing through is allowed
_OURS: Final = (  # and nothing else: CRM_DATA_DIR may name any folder
    "*.duckdb*",
    "*.sqlite*",
    "alerts.json",
    "gate.id",
    "audit",
    "dagster",
    "locks",
    "notebooks",
    "pseudonym.key",
    "sandbox.began",
)


def keep_private(folder: Path) -> None:
    """Make the folder with mode 0700; take away the rights of others in a folder that exists.

    This happens once: a folder that its owner opens again with `chmod g+x` stays open. Raises FixConfiguration when it
    cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = folder.stat()
    except OSError as problem:
        raise FixConfiguration(
            f"{folder} cannot be made ({problem.strerror}): set CRM_DATA_DIR to a folder of yours"
        ) from problem
    is_shared = bool(about.st_mode & stat.S_ISVTX)  # /tmp and its like belong to everybody
    if is_shared or about.st_uid != os.geteuid() or not about.st_mode & _LIST_OR_WRITE:
        return
    # A mode that cannot be changed (another file system, another owner) is no reason to stop.
    with contextlib.suppress(OSError):
        for path in (path for ours in _OURS for path in folder.glob(ours)):
            if not path.is_symlink():
                path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OTHERS)
        folder.chmod(0o700)


def state_of(path: Path) -> str:
    """Name what a file holds by inode, size and time; `none` where it cannot be seen."""
    try:
        state = path.stat()
    except OSError:
        return "none"
    return f"{state.st_ino} {state.st_size} {state.st_mtime_ns}"
