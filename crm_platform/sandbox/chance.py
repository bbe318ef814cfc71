"""Seeded chance: the same numbers on every machine, in every process, in whatever order they are asked for.

What belongs here: hashing an index to a draw, tables of delays, reversible ids, the week's rhythm. What does not:
anything about a CRM. Nothing here keeps state: a contact's or a message's draw is a function of the seed and its index,
which is what lets a world of a million contacts exist without being stored.

Times are whole milliseconds since 1970 (UTC); NEVER stands for "does not happen".
"""

from __future__ import annotations

import bisect
import hashlib
import itertools
import math
import statistics
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

Hashes: TypeAlias = npt.NDArray[np.uint64]
Times: TypeAlias = npt.NDArray[np.int64]
_Bits = TypeVar("_Bits", int, Hashes)

SECOND: Final = 1_000  # milliseconds
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
NEVER: Final = 1 << 61  # milliseconds; far beyond any date, and still safe to add to in 64 bits

LOCAL_OFFSET: Final = 3 * HOUR  # Nairobi is UTC+3 all year

QUANTILES: Final = 1024  # entries of a table; a 10-bit draw picks one
_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB


def derive(*parts: object) -> int:
    """A 64-bit seed from any printable parts; unlike `hash()` the same in every process."""
    text = "|".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def mix(value: _Bits) -> _Bits:
    """Scramble 64 bits, or each of an array (never a numpy scalar: those warn when they wrap round).

    It is the finaliser of splitmix64.
    """
    mixed: Any = value  # numpy's stubs do not know that a plain int takes the array's type
    mixed = (mixed + _GOLDEN) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * _MIX_1) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * _MIX_2) & _MASK
    scrambled: _Bits = mixed ^ (mixed >> 31)
    return scrambled


_NORMAL: Final = [statistics.NormalDist().inv_cdf((k + 0.5) / QUANTILES) for k in range(QUANTILES)]


def lognormal(median: float, sigma: float, *, most: float = math.inf) -> tuple[int, ...]:
    """Quantiles of a log-normal delay. `median`, `most`: seconds; entries: milliseconds.

    Tables of whole numbers, because `exp` may differ in its last bit between machines and a world must not.
    """
    return tuple(round(min(median * math.exp(sigma * z), most) * SECOND) for z in _NORMAL)


def exponential() -> tuple[float, ...]:
    """Quantiles of an exponential waiting time of mean 1 (rounded: see `lognormal`)."""
    return tuple(round(-math.log(1 - (k + 0.5) / QUANTILES), 9) for k in range(QUANTILES))


class Ids:
    """Reversible 24-digit hexadecimal ids for indexes below 2**48, without a table of them."""

    def __init__(self, seed: int) -> None:
        self._keys = tuple(mix(seed + round_number) for round_number in range(4))
        self._prefix = f"{mix(seed ^ 0xC0FFEE) & 0xFFFFFFFFFFFF:012x}"

    def text(self, index: int) -> str:
        """The id of an index."""
        left, right = index >> 24, index & 0xFFFFFF
        for key in self._keys:
            left, right = right, left ^ (mix(right ^ key) & 0xFFFFFF)
        return f"{self._prefix}{left:06x}{right:06x}"

    def index(self, text: str) -> int | None:
        """The index of an id; None when this world never gave such an id."""
        if len(text) != 24 or not text.startswith(self._prefix):
            return None
        try:
            number = int(text[12:], 16)
        except ValueError:
            return None
        left, right = number >> 24, number & 0xFFFFFF
        for key in reversed(self._keys):
            left, right = right ^ (mix(left ^ key) & 0xFFFFFF), left
        index = left << 24 | right
        return index if self.text(index) == text else None


class Week:
    """How busy each hour of a local week is, as a clock that runs fast by day and slowly at night.

    Drawing gaps on this clock gives events that cluster in the day, and both directions are cheap, so that the k-th of
    a steady stream of events has its time without the ones before it.
    """

    _DAY = (0.04,) * 5 + (0.1, 0.4, 0.9, 1.7, 2.1, 2.2, 2.0, 1.8, 1.9, 2.0, 1.9, 1.7, 1.5, 1.3, 1.2, 1.0, 0.7, 0.3, 0.1)
    _BY_WEEKDAY = (1.15, 1.05, 1.0, 1.0, 1.05, 0.65, 0.4)
    _WEEK = 168 * HOUR
    _MONDAY = 4 * DAY  # 1970-01-05, in local milliseconds

    def __init__(self) -> None:
        raw = [hour * day for day in self._BY_WEEKDAY for hour in self._DAY]
        mean = sum(raw) / 168
        self._weights = tuple(weight / mean for weight in raw)
        self._starts = tuple(itertools.accumulate(self._weights, initial=0.0))

    def activity(self, at: int) -> float:
        """Busy hours (mean: one an hour) from a fixed Monday to a time in milliseconds."""
        weeks, rest = divmod(at + LOCAL_OFFSET - self._MONDAY, self._WEEK)
        hour, part = divmod(rest, HOUR)
        return weeks * 168.0 + self._starts[hour] + self._weights[hour] * part / HOUR

    def time(self, activity: float) -> int:
        """The time in milliseconds at which so many busy hours have passed."""
        weeks, rest = divmod(activity, 168.0)
        hour = min(bisect.bisect_right(self._starts, rest) - 1, 167)
        part = (rest - self._starts[hour]) / self._weights[hour]
        return int(weeks) * self._WEEK + hour * HOUR + int(part * HOUR) + self._MONDAY - LOCAL_OFFSET


WEEK: Final = Week()


def next_opening(at: int) -> int:
    """`at` itself inside the team's hours (Mon-Fri 08-18, Sat 09-13 local), else when they begin again (both ms)."""
    local = at + LOCAL_OFFSET
    while True:
        day, clock = divmod(local, DAY)
        weekday = (day + 3) % 7  # 1970-01-01 was a Thursday
        opens, closes = (8, 18) if weekday < 5 else (9, 13) if weekday == 5 else (0, 0)
        if clock < closes * HOUR:
            return max(local, day * DAY + opens * HOUR) - LOCAL_OFFSET
        local = (day + 1) * DAY
