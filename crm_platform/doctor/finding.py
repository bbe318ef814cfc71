"""What an examination says: what was looked at, whether it is well, and what was found or what to do.

What belongs here: that one line. What does not: looking (the other modules of this package).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# `ok`: it was asked, and is well. `note`: a person should know, the next run goes on. `BAD`: somebody has to act.
State = Literal["ok", "note", "BAD"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a diagnosis. `words` name the setting or the file, and say what to do."""

    about: str
    state: State
    words: str
