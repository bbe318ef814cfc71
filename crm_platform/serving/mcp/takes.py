"""What tools take: one class a tool, from which its schema follows.

What belongs here: arguments, their bounds, and what an assistant reads of them. What does not: what becomes of them
(figures.py, behind.py).
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from crm_platform.errors import quoted

MOST_LISTED: Final = 100
"""So many figures, or rows, one answer holds at most."""

MOST_COMPARED: Final = 10
"""So many figures one answer compares at most."""

_YEARS: Final = range(2000, 2200)


def _day(value: Any) -> dt.date:  # noqa: ANN401 - whatever an assistant has sent
    try:
        day = value if type(value) is dt.date else dt.date.fromisoformat(str(value))
    except ValueError:
        day = None
    if day is None or day.year not in _YEARS:
        raise ValueError(f"{quoted(value)} is no day; write one such as 2026-11-20")
    return day


def _object(value: Any) -> Any:  # noqa: ANN401
    """Read an object that came as a text of JSON, as some assistants send it."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value


Day = Annotated[dt.date, BeforeValidator(_day)]
FigureName = Annotated[
    str,
    Field(max_length=200, description="A figure as list_figures names it, such as response_times_daily.answer_rate."),
]
_Text = Annotated[str, Field(max_length=300, coerce_numbers_to_str=True)]
Where = Annotated[
    dict[Annotated[str, Field(max_length=60)], _Text],
    BeforeValidator(_object),
]
Only = Annotated[
    dict[
        Literal["segment", "country", "team", "agent", "origin"],
        _Text | Annotated[list[_Text], Field(min_length=1, max_length=10)],
    ],
    BeforeValidator(_object),
    Field(
        description="Figures of these alone: {'country': 'KE'}, {'agent': 'amina@example.com'}, {'team': 'Sales'},"
        " {'origin': 'campaign'}, {'segment': 'city:Mombasa'}, which is <field>:<value>. Of several values in a list"
        " one must hold, of segments of several fields and of several names all. The figure's `narrowed_by` says which"
        " names it takes; a value that is not there is answered with those that are."
    ),
]
Offset = Annotated[int, Field(ge=0, le=1_000_000, description="Leave out so many from the beginning.")]
_FROM: Final = "First day, local, such as 2026-11-16."
_TO: Final = "The day AFTER the last one (excluded): for Monday 16 to Sunday 22 November write 2026-11-23."


class _Takes(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class ListFigures(_Takes):
    """Which figures are listed."""

    search: Annotated[
        str, Field(max_length=200, description="Words that name or meaning must hold, such as 'answer rate'; '': all.")
    ] = ""
    table: Annotated[str, Field(max_length=100, description="Figures of one table alone; '': of all.")] = ""
    limit: Annotated[int, Field(ge=1, le=MOST_LISTED, description="At most so many figures.")] = 50
    offset: Offset = 0


class GetFigure(_Takes):
    """One figure, over days or by dimension."""

    figure: FigureName
    day_from: Annotated[
        Day | None,
        Field(description=f"{_FROM} Of a figure by month: the first day of a month. Left out with day_to: the last 28"
        " full days, or the last 12 months."),
    ] = None  # fmt: skip
    day_to: Annotated[Day | None, Field(description=f"{_TO} Of a figure by month: the first day of a month.")] = None
    where: Annotated[
        Where,
        Field(
            max_length=10,
            description="Only rows whose dimension has this value, such as {'region': 'KE'}; names are those in `by`.",
        ),
    ] = {}
    only: Only = {}
    limit: Annotated[int, Field(ge=1, le=MOST_LISTED, description="At most so many rows.")] = 50
    offset: Offset = 0


class ComparePeriods(_Takes):
    """One figure, or several, over two ranges of days."""

    figure: FigureName
    first_from: Annotated[Day, Field(description=f"Of the first period: {_FROM}")]
    first_to: Annotated[Day, Field(description=f"Of the first period: {_TO}")]
    second_from: Annotated[Day, Field(description="Of the second period: its first day.")]
    second_to: Annotated[Day, Field(description="Of the second period: the day after its last one (excluded).")]
    also: Annotated[
        list[FigureName],
        Field(max_length=MOST_COMPARED - 1, description="More figures over the same periods, judged together with it."),
    ] = []
    only: Only = {}


class Explain(_Takes):
    """One value of a figure: of a row that `where` names, or of a range of days."""

    figure: FigureName
    where: Annotated[
        Where,
        Field(
            max_length=10,
            description="The key of the row, as get_figure gives it: {'day': '2026-11-20'}, {'region': 'KE'}; {} where"
            " the table has one row, or with day_from and day_to.",
        ),
    ] = {}
    day_from: Annotated[Day | None, Field(description=f"{_FROM} For figures with range_value 'pooled'.")] = None
    day_to: Annotated[Day | None, Field(description=_TO)] = None
    only: Only = {}


class RowsBehind(Explain):
    """The same, and how many rows."""

    limit: Annotated[int, Field(ge=1, le=MOST_LISTED, description="At most so many rows.")] = 20
