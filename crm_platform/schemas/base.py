"""How a table is declared: one class, from which everything else follows.

What belongs here: the words of a declaration (`Table`, `Column`, `count`, `rate`, …) and what follows from it alone:
pandera schema, SQL checks, Arrow schema. What does not: a table's meaning (raw.py, ops.py, core/, metrics/),
an engine's types (warehouse/).

A declaration reads like this; the docstring is the table's description, and rules are written once, in the grammar
that SQL and pandas share (`<=`, `+`, `and`, `or`; a rule that meets a NULL holds, as a SQL CHECK does):

    class ResponseTimesDaily(KpiTable):
        \"\"\"Waits and how long they took, by the local day they began.\"\"\"

        key = ("day",)
        period = "day"
        rules = ("answered_waits <= waits",)

        day = date("Local day of waiting_since.")
        waits = count("Waits that began.")
        answered_waits = count("… that a reply closed.")
"""

from __future__ import annotations

import datetime as dt
import enum
import inspect
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import pyarrow as pa

from crm_platform.languages import N_, NN_

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pandera.pandas as pandera

    from crm_platform.languages import Words
    from crm_platform.schemas.figures import Figure


class Type(enum.Enum):
    """A column's type, whatever the engine. Timestamps are UTC to the microsecond."""

    TEXT = "text"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    DATE = "date"
    JSON = "json"


ARROW: dict[Type, pa.DataType] = {
    Type.TEXT: pa.string(),
    Type.INTEGER: pa.int64(),
    Type.FLOAT: pa.float64(),
    Type.BOOLEAN: pa.bool_(),
    Type.TIMESTAMP: pa.timestamp("us"),
    Type.DATE: pa.date32(),
    Type.JSON: pa.string(),
}

Merge = Literal["newest", "first", "status", "decided"]
Published = Literal["plain", "masked", "chat", "message", "no"]

WELL_COVERED: Final = 0.95
"""Coverage below which a figure is provisional."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `merge`: which value a repeated key keeps: the newest version's, the first one, the furthest status.

    `merge` of what is decided here, and not sent, is `decided`: the stored value stays.

    `stays_raw`: never read out of the raw layer (numbers, names, text). `published`: as it stands, without what looks
    like a person's (`masked_where`: the rows that this is for, as SQL; None: all), as the pseudonym of a chat or a
    message, or not at all. `is_told`: an instant that the CRM named; all others are read off our own clock. `label`:
    what readers call it; one declaration says it for every column of that name. `figure`: how it is computed, of a
    column that is a figure.
    """

    type: Type
    description: str
    nullable: bool = False
    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] | None = None
    merge: Merge = "newest"
    stays_raw: bool = False
    published: Published = "plain"
    masked_where: str | None = None
    is_told: bool = False
    label: Words | None = None
    figure: Figure | None = None

    @property
    def arrow(self) -> pa.DataType:
        """The column's Arrow type."""
        return ARROW[self.type]

    @property
    def is_share(self) -> bool:
        """Whether it holds a share or a rate, which people read in per cent: the only floats without a unit."""
        return self.type is Type.FLOAT and self.unit is None


def text(description: str, **options: Any) -> Column:  # noqa: ANN401 - options of Column
    """Declare a text."""
    return Column(Type.TEXT, description, **options)


def integer(description: str, **options: Any) -> Column:  # noqa: ANN401
    """Declare a whole number."""
    return Column(Type.INTEGER, description, **options)


def count(description: str, **options: Any) -> Column:  # noqa: ANN401
    """Declare a whole number from 0."""
    return Column(Type.INTEGER, description, minimum=0, **options)


def number(description: str, **options: Any) -> Column:  # noqa: ANN401
    """Declare a floating-point number, never infinite or NaN."""
    return Column(Type.FLOAT, description, **options)


def rate(description: str, **options: Any) -> Column:  # noqa: ANN401
    """Declare a share from 0 to 1, NULL when its denominator is 0."""
    return Column(Type.FLOAT, description, **{"minimum": 0, "maximum": 1, "nullable": True, **options})


def seconds(description: str, **options: Any) -> Column:  # noqa: ANN401
    """Declare a duration in seconds, NULL when there is none."""
    return Column(Type.FLOAT, description, **{"minimum": 0, "nullable": True, "unit": "s", **options})


def flag(description: str, **options: Any) -> Column:  # noqa: ANN401
    """Declare a yes or no."""
    return Column(Type.BOOLEAN, description, **options)


def timestamp(description: str, **options: Any) -> Column:  # noqa: ANN401
    """Declare an instant, in UTC."""
    return Column(Type.TIMESTAMP, description, **{"unit": "UTC", **options})


def date(description: str, **options: Any) -> Column:  # noqa: ANN401
    """Declare a local day (of CRM_TIMEZONE)."""
    return Column(Type.DATE, description, **{"unit": "local day", **options})


def weekday() -> Column:
    """Declare a local weekday."""
    return integer("Local weekday, 0 = Monday.", minimum=0, maximum=6, label=N_("Weekday"))


def hour_of_day() -> Column:
    """Declare a local hour."""
    return integer("Local hour.", minimum=0, maximum=23, label=N_("Hour"))


def json(description: str, **options: Any) -> Column:  # noqa: ANN401
    """Declare a JSON text."""
    return Column(Type.JSON, description, **options)


def _in_utc(moments: Sequence[Any]) -> Sequence[object]:
    """Aware datetimes in UTC: Arrow drops other offsets unconverted once pandera has been imported (seen with 0.35)."""
    return [
        moment if moment is None or moment.tzinfo is None or moment.tzinfo is dt.UTC else moment.astimezone(dt.UTC)
        for moment in moments
    ]


def _array(values: Sequence[object] | pa.Array, column: Column) -> pa.Array:
    if isinstance(values, pa.Array):
        return values
    return pa.array(_in_utc(values) if column.type is Type.TIMESTAMP else values, column.arrow)


TABLES: dict[str, type[Table]] = {}


class Table:
    """Base of every declared table; a subclass with a `key` is a table and is registered under its full name.

    `row_words`: what readers call one of its rows, and so many.
    """

    schema: ClassVar[str]
    table: ClassVar[str]
    key: ClassVar[tuple[str, ...]]
    rules: ClassVar[tuple[str, ...]] = ()
    row_words: ClassVar[tuple[str, str]] = NN_("1 row", "{n} rows")
    columns: ClassVar[Mapping[str, Column]] = {}

    def __init_subclass__(cls) -> None:
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Column)}
        inherited = cls.__mro__[1].columns if issubclass(cls.__mro__[1], Table) else {}
        # A base's columns (as_of, coverage, …) stand after the table's own.
        cls.columns = {**own, **{name: column for name, column in inherited.items() if name not in own}}
        if "key" in vars(cls):
            cls.table = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
            missing = [name for name in cls.key if name not in cls.columns]
            assert not missing, f"{cls.__name__}: key columns {missing} are not declared"
            TABLES[cls.full_name()] = cls

    @classmethod
    def full_name(cls) -> str:
        """Schema and name, as SQL writes them."""
        return f"{cls.schema}.{cls.table}"

    @classmethod
    def description(cls) -> str:
        """The declaration's docstring, on one line."""
        return " ".join(inspect.cleandoc(cls.__doc__ or "").split())

    @classmethod
    def rows(cls, rows: Iterable[Mapping[str, object]]) -> pa.Table:
        """Build an Arrow table from mappings: absent columns are NULL, an unknown key is an error."""
        rows = list(rows)
        unknown = set().union(*rows) - cls.columns.keys()
        assert not unknown, f"{cls.full_name()} has no column {sorted(unknown)}"
        return cls.table_of({name: [row.get(name) for row in rows] for name in cls.columns})

    @classmethod
    def table_of(cls, columns: Mapping[str, Sequence[object] | pa.Array]) -> pa.Table:
        """Build an Arrow table from columns of one length, all that are declared; aware datetimes become UTC."""
        schema = pa.schema([(name, column.arrow) for name, column in cls.columns.items()])
        return pa.table([_array(columns[name], column) for name, column in cls.columns.items()], schema=schema)

    @classmethod
    def part_of(cls, rows: Iterable[Mapping[str, object]]) -> pa.Table:
        """Build an Arrow table from one mapping or more, each of the same of the columns."""
        rows = list(rows)
        return pa.table({name: _array([row[name] for row in rows], cls.columns[name]) for name in rows[0]})

    @classmethod
    def checks(cls) -> Iterator[Check]:
        """Every declared rule as a predicate that a broken row satisfies; the key's uniqueness stands apart."""
        for name, column in cls.columns.items():
            if not column.nullable:
                yield Check(name, "is not null", f"{name} is null")
            if column.type is Type.FLOAT:
                yield Check(name, "is finite", f"isnan({name}) or isinf({name})")
            if column.minimum is not None:
                yield Check(name, f">= {column.minimum:g}", f"{name} < {column.minimum:g}")
            if column.maximum is not None:
                yield Check(name, f"<= {column.maximum:g}", f"{name} > {column.maximum:g}")
            if column.allowed is not None:
                listed = ", ".join(f"'{value}'" for value in column.allowed)
                yield Check(name, f"in ({listed})", f"{name} not in ({listed})")
        for rule in cls.rules:
            yield Check("", rule, f"not ({rule})")

    @classmethod
    def pandera(cls) -> pandera.DataFrameSchema:
        """The contract as a pandera schema over Arrow-backed frames (NULL and NaN stay two things)."""
        import numpy as np  # noqa: PLC0415 - pandera and pandas take a second to import: only where frames are checked
        import pandas as pd  # noqa: PLC0415
        import pandera.pandas as pandera  # noqa: PLC0415

        def unique(frame: pd.DataFrame) -> pd.Series[bool]:
            return ~frame.duplicated(list(cls.key), keep="first")

        def holds(rule: str) -> pandera.Check:
            return pandera.Check(lambda frame: frame.eval(rule).fillna(True).astype(bool), name=rule)

        def column(declared: Column) -> pandera.Column:
            checks = []
            if declared.type is Type.FLOAT:
                checks.append(pandera.Check(lambda values: np.isfinite(values.astype(float)), name="is finite"))
            if declared.minimum is not None:
                checks.append(pandera.Check.ge(declared.minimum, error=f">= {declared.minimum:g}"))
            if declared.maximum is not None:
                checks.append(pandera.Check.le(declared.maximum, error=f"<= {declared.maximum:g}"))
            if declared.allowed is not None:
                checks.append(pandera.Check.isin(declared.allowed, error="in the allowed values"))
            return pandera.Column(pd.ArrowDtype(declared.arrow), checks, nullable=declared.nullable)

        return pandera.DataFrameSchema(
            {name: column(declared) for name, declared in cls.columns.items()},
            checks=[*([pandera.Check(unique, name="key is unique")] if cls.key else []), *map(holds, cls.rules)],
            strict=True,
            ordered=True,
            name=cls.full_name(),
        )


@dataclass(frozen=True, slots=True)
class Check:
    """One rule of one table. `column`: empty for a rule across columns; `broken`: SQL, true where it is broken."""

    column: str
    rule: str
    broken: str


def pseudonym(column: Column, of: Literal["chat", "message"]) -> Column:
    """Mark an id that is published as a keyed pseudonym."""
    return replace(column, published=of)


class RawTable(Table):
    """What the API sent. `seen_at`: the column that says when a row was first known; a build leaves out later rows."""

    schema = "raw"
    seen_at: ClassVar[str] = "first_fetched_at"


class OpsTable(Table):
    """What the platform knows about its own work."""

    schema = "ops"
    seen_at: ClassVar[str | None] = None


class CoreTable(Table):
    """What the KPIs are made of. Published unless `is_published` says otherwise.

    `is_by_chat`: a row follows from its own chat's rows and the settings alone, so a build need not compute it again
    while those stay the same. `bytes_a_line`: of memory that its SELECT takes for each frozen row of its chats, at
    most, as measured. `fetches`: the requests that rows came from, SELECTs of `fetch_id` over `behind`.
    `done_by`: whose a row is: each agent that it names, as an expression, with the columns that tell what that one did.
    """

    schema = "core"
    is_published: ClassVar[bool] = True
    is_by_chat: ClassVar[bool] = False
    bytes_a_line: ClassVar[int] = 200
    fetches: ClassVar[tuple[str, ...]] = ()
    done_by: ClassVar[tuple[tuple[str, tuple[str, ...]], ...]] = ()


class KpiTable(Table):
    """Published figures.

    `period`: the column that names a row's day or month, None where a row is not about one. `keys`: a relation of the
    rows there are, by key; empty where there are those that have figures. `seen`: SQL of the coverage of a row of
    `keys`, or a figure.
    """

    schema = "kpi"
    version: ClassVar[int] = 1
    pillar: ClassVar[Literal["growth", "engagement", "operations", "executive"]]
    period: ClassVar[Literal["day", "month"] | None] = None
    keys: ClassVar[str] = ""
    seen: ClassVar[str | Figure | None] = None

    as_of = timestamp("The cut: nothing later counts.")
    coverage = rate("Share of what the figure is about that the platform has seen; NULL when not known.")
    is_provisional = flag("Coverage below 0.95 or not known, or the row's day or month is not over at the cut.")
    definition_version = integer("Version of the definition the row was computed by.", minimum=1)


def live_tables() -> list[type[Table]]:
    """Tables of the live warehouse: what was fetched, and what the platform notes; all others are built from them."""
    return [table for table in TABLES.values() if issubclass(table, RawTable | OpsTable)]
