"""How a figure is declared: the rows it is computed from, which of them, and the expression.

What belongs here: the words of that declaration (`Rows`, `Figure`). What does not: a figure's meaning (metrics/), what
follows from the declaration: a table's SQL (models/generate.py), the receipt and the value over any days (receipts/).

A declaration reads like this; texts are SQL in the words of the templates (`{{ cut_day }}`). It is no table of ours:

    VISITS = Rows(ShopVisits, by={"day": "r.day"}, where="not r.is_a_test")

    class ShopVisitsDaily(KpiTable):
        visits = VISITS.count("Visits that began.")
        first_visits = VISITS.count("First visits of their visitor.", "is_first")
        buying_share = VISITS.rate("First visits that bought, of first visits.", "bought", of="is_first", good="up")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from crm_platform.schemas import base
from crm_platform.schemas.base import Column, Table

if TYPE_CHECKING:
    from crm_platform.languages import Words

Good = Literal["up", "down", "neither"]

FILTER: Final = "{filter}"
"""Stands in an aggregate where its `filter (where …)` goes."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows that figures are computed from.

    `source`: the published table whose rows they are; in `by`, `day`, `where`, `joins` and `extra` its row is `r`.
    `by`: for each key column of the figure's table the expression that says where a row counts; `day`: the local day
    that it belongs to, where `by` does not say it. `joins`: more tables. `extra`: more columns, by name; `labels`: what
    readers call those that no table declares. `key`: what names a row among them, unless the source's own key does.
    `lists`: columns that a receipt lists where an expression names none, as a count does. `measures`: numbers that a
    part of them can be told by, as a bar of a spread is (seconds, a weekday, an hour): expressions by name, the usual
    one first.
    `is_each`: one row is one figure, so that expressions are no aggregates. `is_stock`: a row counts on every day that
    it stands, so that days do not add up. In a table with a `table.sql`, which says itself
    where a row counts, texts may name the figure's own row `k`.
    """

    source: type[Table]
    by: Mapping[str, str] = field(default_factory=dict)
    where: str = ""
    joins: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, Words] = field(default_factory=dict)
    day: str = ""
    key: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    measures: Mapping[str, str] = field(default_factory=dict)
    is_each: bool = False
    is_stock: bool = False

    def narrowed(self, where: str) -> Rows:
        """Those of them that a condition on `r` picks, wherever they count."""
        return replace(self, by={}, where=" and ".join(filter(None, (self.where, where))))

    def count(self, description: str, where: str = "", **options: Any) -> Column:  # noqa: ANN401 - options of Figure
        """Declare how many rows there are."""
        return self._figure(base.count, description, "count(*){filter}", where, empty="0", **options)

    def sum(self, description: str, column: str, where: str = "", **options: Any) -> Column:  # noqa: ANN401
        """Declare the sum of a column of whole numbers."""
        return self._figure(base.count, description, f"sum({column}){FILTER}", where, **options)

    def median(self, description: str, column: str, where: str = "", **options: Any) -> Column:  # noqa: ANN401
        """Declare the median of a column of seconds."""
        value = f"{{{{ median('{column}') }}}}{FILTER}"
        return self._figure(base.seconds, description, value, where, quantity=column, **options)

    def p90(self, description: str, column: str, where: str = "", **options: Any) -> Column:  # noqa: ANN401
        """Declare the 90th percentile of a column of seconds."""
        return self._figure(base.seconds, description, f"{{{{ p90('{column}') }}}}{FILTER}", where, **options)

    def mean(self, description: str, column: str, where: str = "", **options: Any) -> Column:  # noqa: ANN401
        """Declare the mean of a column of seconds.

        Of whole microseconds: their sum is exact, and so the same in whatever order rows stand.
        """
        return self._figure(base.seconds, description, f"avg(round({column} * 1e6)){FILTER} / 1e6", where, **options)

    def rate(self, description: str, part: str, *, of: str = "", **options: Any) -> Column:  # noqa: ANN401
        """Declare the share of the rows `of` that fulfil `part`, too."""
        return self._figure(
            base.rate, description, "count(*){filter}", of, over="count(*){filter}", part=part, **options
        )

    def ratio(self, description: str, part: str, of: str, **options: Any) -> Column:  # noqa: ANN401
        """Declare the sum of one column by the sum of another, over the rows that have both."""
        both = f"{part} is not null and {of} is not null"
        value, over = (f"sum({column}){FILTER}" for column in (part, of))
        return self._figure(base.rate, description, value, both, over=over, sums=(part, of), **options)

    def text(self, description: str, value: str, **options: Any) -> Column:  # noqa: ANN401
        """Declare a text."""
        return self._figure(base.text, description, value, **options)

    def timestamp(self, description: str, value: str, **options: Any) -> Column:  # noqa: ANN401
        """Declare an instant."""
        return self._figure(base.timestamp, description, value, **options)

    def counted(self, description: str, value: str, where: str = "", **options: Any) -> Column:  # noqa: ANN401
        """Declare a whole number from 0 by an expression of its own."""
        return self._figure(base.count, description, value, where, **options)

    def integer(self, description: str, value: str, where: str = "", **options: Any) -> Column:  # noqa: ANN401
        """Declare a whole number."""
        return self._figure(base.integer, description, value, where, **options)

    def number(self, description: str, value: str, where: str = "", **options: Any) -> Column:  # noqa: ANN401
        """Declare a floating-point number."""
        return self._figure(base.number, description, value, where, **options)

    def share(self, description: str, value: str, where: str = "", **options: Any) -> Column:  # noqa: ANN401
        """Declare a share from 0 to 1 by an expression of its own."""
        return self._figure(base.rate, description, value, where, **options)

    def seconds(self, description: str, value: str, where: str = "", **options: Any) -> Column:  # noqa: ANN401
        """Declare a duration by an expression of its own."""
        return self._figure(base.seconds, description, value, where, **options)

    def flag(self, description: str, value: str, where: str = "", **options: Any) -> Column:  # noqa: ANN401
        """Declare a yes or no."""
        return self._figure(base.flag, description, value, where, **options)

    def _figure(
        self,
        kind: Callable[..., Column],
        description: str,
        value: str,
        where: str = "",
        **options: Any,  # noqa: ANN401
    ) -> Column:
        own = {name: options.pop(name) for name in tuple(options) if name in _OWN}
        return kind(description, figure=Figure(rows=self, value=value, where=where, **own), **options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """That a figure by day is held to its usual range, and to a target: an alert is sent where it leaves them.

    `title`: what a message calls it. `final`: when a day's figure stands: at the day's end, one conversation gap later,
    or before that once nearly all its waits are answered. `sample`: the columns that count what it is made of: of a
    rate, its denominator. `target`: the setting that is its limit, empty where there is none. `missed`: of a median of
    answers, the column that counts the questions without one: where nobody was answered, the target is missed.
    `either`: both sides are reported, not the worse one alone.
    """

    title: str
    final: Literal["at once", "after the gap", "answered"]
    sample: tuple[str, ...] = ()
    target: str = ""
    missed: str = ""
    either: bool = False


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Figure:
    """One column: the rows it is computed from, those of them that `where` picks, and how.

    `value`: an aggregate with `{filter}` in it. With `over` the figure is `value`, of the rows that fulfil `part`, too,
    by `over`, of all; with `is_own_part` `value` is of the figure's own key, and `over` of its `grain`: the key columns
    that rows are told apart by, all unless said. `file`: the figure is no aggregate but a column of `<file>.sql` beside
    its table. `uses`: the columns of `rows` that such a file reads, or that a receipt lists, where they are not those
    that the expression names. `quantity`: the column that a median is of. `given`: a condition, without which the
    figure is NULL. `empty`: what it is where there
    is no row. `good`: whether more of it is better; `watch`: that alerts watch it; `not_by`: dimensions (agent, team,
    origin) by which it says nothing, though its rows have them.
    """

    rows: Rows
    value: str = ""
    where: str = ""
    part: str = ""
    over: str = ""
    is_own_part: bool = False
    grain: tuple[str, ...] | None = None
    file: str = ""
    uses: tuple[str, ...] = ()
    quantity: str = ""
    sums: tuple[str, ...] = ()
    given: str = ""
    empty: str | None = None
    good: Good = "neither"
    watch: Watched | None = None
    not_by: tuple[str, ...] = ()


_OWN: Final = frozenset(Figure.__dataclass_fields__) - {"rows", "value", "where"}


def windowed(
    column: Column,
    description: str,
    where: str,
    *,
    label: Words | None = None,
    **options: Any,  # noqa: ANN401 - options of Figure
) -> Column:
    """Declare the figure of another table over the rows that a condition on `r` picks, wherever they count there."""
    assert column.figure is not None, "only a figure has rows"
    figure = replace(column.figure, rows=column.figure.rows.narrowed(where), watch=None, **options)
    return replace(column, description=description, label=label, figure=figure)
