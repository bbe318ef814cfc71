"""What an examination says: what was looked at, whether it is well, and what was found or what to do.

What belongs here: that one line, and what the threads that look share. What does not: looking (the other modules of
this package).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final, Literal

# `ok`: it was asked, and is well. `note`: a person should know, the next run goes on. `BAD`: somebody has to act.
State = Literal["ok", "note", "BAD"]

# Held around an import inside an examination. Packages may need each other, and two threads that begin such a circle at
# different ends wait for each other, which Python ends with an error.
LOADING: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a diagnosis. `words` name the setting or the file, and say what to do."""

    about: str
    state: State
    words: str
