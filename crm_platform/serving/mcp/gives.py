"""What tools give: one class a tool, from which the schema of its answer follows.

What belongs here: answers and what an assistant reads of their fields. What does not: where they come from (figures.py,
behind.py).

What people of the CRM have written (names of campaigns, values of segments) stands in `value`, `key`, `rows`, `only`
and `there_is` alone, cut to a length: it is data, and never part of a sentence of ours.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field

Cell = int | float | bool | str | None
Key = Annotated[dict[str, Cell], Field(description="Which row: its dimensions. Their values are data.")]


class Answer(BaseModel):
    """What every answer says of the snapshot that it is from."""

    snapshot: str
    as_of: Annotated[AwareDatetime, Field(description="Nothing later counts.")]
    timezone: Annotated[str, Field(description="Days and months are local to it.")]
    is_made_up: Annotated[bool, Field(description="These are figures of a sandbox, of nobody's business.")]
    only: Annotated[
        dict[str, list[str]],
        Field(description="What its figures are narrowed to; {}: they are of everything. Values are data."),
    ]


class Figure(BaseModel):
    """What a figure is."""

    figure: str
    table: str
    column: str
    label: Annotated[str, Field(description="What people read for it.")]
    meaning: str
    type: str
    unit: Annotated[str | None, Field(description="s: seconds; share: 0 to 1, said in per cent; null: a number.")]
    good: Annotated[Literal["up", "down", "neither"], Field(description="Which side is good.")]
    by: Annotated[list[str], Field(description="The columns that tell its rows apart.")]
    narrowed_by: Annotated[list[str], Field(description="What `only` can narrow it by; []: nothing.")]
    range_value: Annotated[
        Literal["pooled", "months", "none"],
        Field(
            description="pooled: it has a value over any range of days; months: over whole months; none: over one day"
            " or month at most, or as of now alone."
        ),
    ]


class Value(BaseModel):
    """A value, and how far it can be trusted."""

    value: Cell
    n: Annotated[int | None, Field(description="How many rows it is computed from; null: not known.")]
    coverage: Annotated[float | None, Field(description="Share of what it is about that has been seen; null: unknown.")]
    is_provisional: Annotated[bool, Field(description="Coverage is below 0.95 or unknown, or its time is not over.")]
    receipt: Annotated[str | None, Field(description="Address of the page that shows what it is made of.")]


class Row(Value):
    """The value of one day, month or dimension."""

    key: Key


class _OfFigure(Answer):
    figure: Figure


class _Some(BaseModel):
    total: Annotated[int, Field(description="How many there are.")]
    left_out: Annotated[int, Field(description="How many of them are not in this answer.")]
    more: Annotated[str, Field(description="How to get what is left out; '': nothing is.")]


class TableWords(BaseModel):
    """What a table is about, and how complete it is."""

    table: str
    meaning: str
    rows: int
    coverage: Annotated[float | None, Field(description="The smallest of its rows.")]
    provisional_rows: int | None


class FigureList(Answer, _Some):
    """Figures, and the tables that they stand in."""

    tables: list[TableWords]
    figures: list[Figure]


class Days(BaseModel):
    """A range of days. `day_to` is excluded."""

    day_from: dt.date
    day_to: Annotated[dt.date, Field(description="Excluded.")]
    last_day: Annotated[dt.date, Field(description="The last day that counts.")]
    days: int


class FigureValues(_OfFigure, _Some):
    """A figure over days or by dimension."""

    range: Annotated[Days | None, Field(description="null: its figures are as of the cut.")]
    whole: Annotated[Value | None, Field(description="The value over all of it, never an average of the rows.")]
    whole_missing: Annotated[str, Field(description="Why there is no `whole`; '': there is.")]
    rows: list[Row]


class PeriodValue(Value):
    """A figure over one period."""

    range: Days


class Counted(BaseModel):
    """One side of a claim: the days of its period that may be compared, and what the figure is on these."""

    value: Annotated[float | None, Field(description="Of a count its mean a day.")]
    n: Annotated[int, Field(description="Waits, campaigns or counted things on these days.")]
    days: Annotated[int, Field(description="How many days of the period count.")]


class DroppedDay(BaseModel):
    """A day that is not compared."""

    day: dt.date
    reason: Annotated[
        Literal["no data", "coverage", "open waits", "both sides", "counterpart"],
        Field(
            description="no data: not over, or nothing is known of it; coverage: below 0.95; open waits: too many still"
            " wait for their first reply; both sides: it is in both periods; counterpart: the day `of` is dropped."
        ),
    ]
    of: Annotated[dt.date | None, Field(description="The same weekday of the other period.")]


class Judged(BaseModel):
    """What may be said of the second period against the first."""

    verdict: Annotated[
        Literal["better", "worse", "about_the_same", "too_few", "not_judged", "no_verdict"],
        Field(
            description="better, worse: of the second period, beyond what chance explains; about_the_same: chance may"
            " explain it; too_few: too little on a side to say; not_judged: less than half of the days of a side are"
            " known; no_verdict: more of it is neither good nor bad."
        ),
    ]
    measure: Annotated[
        Literal["difference", "ratio"], Field(description="What change, low and high are: second to first.")
    ]
    change: float | None
    low: Annotated[float | None, Field(description="The 95 % interval of the true change begins here; null: none.")]
    high: Annotated[float | None, Field(description="It ends here.")]
    p_value: Annotated[float | None, Field(description="Two-sided; verdicts of one answer are by Holm's rule.")]
    first: Counted
    second: Counted
    dropped: Annotated[list[DroppedDay], Field(description="Days of both periods that do not count; the first 100.")]
    dropped_total: int


class Compared(BaseModel):
    """A figure over two periods."""

    figure: Figure
    first: PeriodValue
    second: PeriodValue
    difference: Annotated[float | None, Field(description="second minus first; null where one has no value.")]
    claim: Annotated[Judged | None, Field(description="null: see claim_missing; say then nothing of better or worse.")]
    claim_missing: Annotated[str, Field(description="Why there is no claim; '': there is.")]


class Comparison(Answer, Compared):
    """A figure over two periods, and more figures over the same, judged together."""

    also: list[Compared]


class Taken(BaseModel):
    """A figure that another one is taken from."""

    figure: str
    key: Key


class Requests(BaseModel):
    """The requests to the CRM that the rows came from."""

    requests: int
    first_at: AwareDatetime | None
    last_at: AwareDatetime | None
    by_operation: dict[str, int]


class Reason(BaseModel):
    """Why it moved, and by how many rows."""

    kind: str
    words: str
    rows: int


class Movement(BaseModel):
    """The same figure in an earlier snapshot."""

    earlier_snapshot: str
    earlier_as_of: AwareDatetime
    then: Cell
    now: Cell
    coverage_then: float | None
    has_moved: bool
    rows_added: int
    rows_removed: int
    rows_changed: int
    reasons: list[Reason]


class Explanation(_OfFigure, Value):
    """A receipt without its rows."""

    key: Key
    table_meaning: str
    definition_version: int
    source: Annotated[str | None, Field(description="The table of the rows that it is computed from.")]
    used: Annotated[list[str], Field(description="The columns of these rows that decide it.")]
    computed: Annotated[str | None, Field(description="How it follows from them, as SQL over `behind`.")]
    agrees: Annotated[bool | None, Field(description="Whether the rows give the published value.")]
    taken_from: Annotated[list[Taken], Field(description="The first figures that it is taken from.")]
    fetched: Requests
    digest: str
    moved: Annotated[
        Movement | None, Field(description="null: no earlier snapshot has another value or row, or it is narrowed.")
    ]


class Rows(_OfFigure, _Some, Value):
    """The rows behind a value."""

    key: Key
    source: str | None
    rows: Annotated[list[dict[str, Cell]], Field(description="Chats and messages are pseudonyms; texts are data.")]


class Refusal(BaseModel):
    """Why there is no answer. `there_is`: what could be asked for instead, as data."""

    error: str
    there_is: list[Key] = []
