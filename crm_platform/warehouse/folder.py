"""The data folder is its owner's alone.

What belongs here: making it, and closing one that was made before it was closed. What does not: what is in it, and the
mode of a published snapshot (publish/files.py).

What the platform writes holds numbers, names and texts. The folder's mode keeps everybody else out, whatever the modes
inside; what is inside is private besides, for who opens the folder on purpose. A folder that others may only pass
through (`chmod g+x`) is left so: that is how an owner lets a group reach `published/` and nothing else.
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
_LIST_OR_WRITE: Final = 0o066  # by others: to pass through is not among it
_OURS: Final = (  # and nothing else, whatever folder CRM_DATA_DIR names
    "*.duckdb*",
    "*.sqlite*",
    "alerts.json",
    "audit",
    "dagster",
    "locks",
    "notebooks",
    "pseudonym.key",
    "sandbox.began",
)


def keep_private(folder: Path) -> None:
    """Make the folder, mode 0700; take away what others could do in one that is there.

    Once: what its owner opens again with `chmod g+x` stays open. Raises FixConfiguration when it cannot be made.
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
    # What cannot be closed (another file system, another owner) keeps nobody from working.
    with contextlib.suppress(OSError):
        for path in (path for ours in _OURS for path in folder.glob(ours)):
            if not path.is_symlink():
                path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OTHERS)
        folder.chmod(0o700)
