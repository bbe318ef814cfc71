"""What the planner counts in: hours since 1970 as floats, and arrays with one value a chat.

What belongs here: the types and conversions that all its modules share. What does not: operating hours (clock.py).
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]

NEVER: Final = -math.inf
MOMENT: Final = 1e-9
"""Hours, 4 µs: what sums of hours since 1970 are good for."""


def hours_of(at: dt.datetime) -> float:
    """Hours since 1970. Raises ValueError on a naive datetime."""
    if at.tzinfo is None:
        raise ValueError("the planner wants aware datetimes")
    return at.timestamp() / 3600


def datetime_of(hours: float) -> dt.datetime:
    """The moment so many hours after 1970, in UTC."""
    return dt.datetime.fromtimestamp(hours * 3600, tz=dt.UTC)
