"""A span of time as people read it, on the pages, in the shell and in messages.

What belongs here: its form, and the English units. What does not: those of other languages (serving/pages/numbers.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

Units = Sequence[tuple[int, str]]
"""Largest first, down to the second: a unit's seconds, and how so many of it are written."""

ENGLISH: Final[Units] = ((86_400, "{} d"), (3600, "{} h"), (60, "{} min"), (1, "{} s"))


def duration(seconds: float, units: Units = ENGLISH) -> str:
    """Write seconds in their two largest units: `0.4 s`, `42 s`, `4 min 12 s`, `1 h 05 min`, `2 d 4 h`."""
    whole = round(seconds)
    for (size, words), (part, part_words) in itertools.pairwise(units):
        if whole >= size:
            rest = whole % size // part
            written = words.format(whole // size)
            return f"{written} {part_words.format(f'{rest:02d}' if size == 3600 else rest)}" if rest else written
    return units[-1][1].format(f"{seconds:.1f}".removesuffix(".0") if seconds < 10 else whole)
