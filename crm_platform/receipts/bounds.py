"""The part of a figure that a bar or a cell stands for: its rows whose measure lies between two bounds.

What belongs here: reading bounds from the key that names a figure. What does not: the key itself (keys.py), the rows
(behind.py), which measures there are (metrics/).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from crm_platform.errors import InvalidRequest, quoted
from crm_platform.schemas import KpiTable

NAMES: Final = ("measure", "at_least", "below")
"""What stands beside a key to bound a figure's rows."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """From `at_least` to less than `below`, in the measure's unit; None: no bound on that side.

    `measure`: a name of `Rows.measures`; `expression`: in the words of the templates, over the rows.
    """

    measure: str
    expression: str
    at_least: float | None
    below: float | None

    @property
    def key(self) -> dict[str, object]:
        """How a key says it."""
        sides = {"at_least": self.at_least, "below": self.below}
        return {"measure": self.measure} | {name: value for name, value in sides.items() if value is not None}


def split(table: type[KpiTable], column: str, key: Mapping[str, object]) -> tuple[dict[str, object], Bounds | None]:
    """A key without bounds, and these, None where it has none. Raises InvalidRequest for what bounds nothing."""
    own = {name: value for name, value in key.items() if name not in NAMES}
    if len(own) == len(key):
        return own, None
    name, figure = f"{table.full_name()}.{column}", table.columns[column].figure
    measures = figure.rows.measures if figure else {}
    if figure is None or figure.is_own_part or figure.file or not measures:
        raise InvalidRequest(f"{name} cannot be bounded: its rows have no measure")
    measure = str(key.get("measure", next(iter(measures))))
    if measure not in measures:
        raise InvalidRequest(f"measure is {quoted(measure)}; the rows of {name} have {', '.join(measures)}")
    at_least, below = (_number(side, key.get(side)) for side in ("at_least", "below"))
    if at_least is None and below is None:
        raise InvalidRequest("measure needs at_least, below or both")
    if at_least is not None and below is not None and at_least >= below:
        raise InvalidRequest("below is excluded: it must be more than at_least")
    return own, Bounds(measure, measures[measure], at_least, below)


def _number(name: str, value: object) -> float | None:
    if value is None:
        return None
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise InvalidRequest(f"{name} is {quoted(value)}; write a number, 0 or more")
    return number
