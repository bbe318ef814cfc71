"""The SELECT that fills a table, for an engine and a cut: from the template beside its class, or from its figures.

What belongs here: which table is filled by a SELECT, the words of templates, what a SELECT reads, which version of it
this is. What does not: putting figures into SQL (generate.py), running it (run.py). A template is `<module>.sql` beside
the module of the table's class: a SELECT of its own columns (a KPI's with `coverage`); what every KPI has besides is
added.
"""

from __future__ import annotations

import datetime as dt
import functools
import graphlib
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from crm_platform.clock import Stretch, start_of_day, stretches
from crm_platform.errors import GiveUp
from crm_platform.models import generate
from crm_platform.models.cut import Cut
from crm_platform.models.generate import figures
from crm_platform.models.names import names_in, tables_in
from crm_platform.schemas.base import KpiTable, Table
from crm_platform.settings import Settings
from crm_platform.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HERE = Path(__file__).parent
MACRO_FOLDER = HERE.parent / "warehouse" / "macros"
SHARED = "shared.jinja"
_WRITERS = (Path(__file__), Path(generate.__file__))  # they decide the words of every SELECT


def template_path(table: type[Table]) -> Path | None:
    """The template beside a table's class; None where there is none."""
    module = sys.modules[table.__module__].__file__
    path = Path(module or "").with_suffix(".sql")
    return path if module and path.exists() else None


def is_built(table: type[Table]) -> bool:
    """Whether a SELECT fills a table."""
    return template_path(table) is not None or (issubclass(table, KpiTable) and bool(figures(table)))


def render(table: type[Table], *, dialect: str, settings: Settings, cut: Cut, kept: generate.Kept | None = None) -> str:
    """The SELECT that fills a table at a cut, in an engine's words. Raises GiveUp where there is none.

    `kept`: of a table of figures, that some keys alone are computed again.
    """
    words = vocabulary(dialect=dialect, settings=settings, cut=cut)
    path = template_path(table)
    if path is not None:
        select = expand(path.read_text(encoding="utf-8"), words).strip()
    elif issubclass(table, KpiTable) and figures(table):
        select = generate.select(
            table,
            lambda text: expand(text, words),
            file=lambda name, rows: from_file(table, name, rows, words),
            kept=kept,
        )
    else:
        raise GiveUp(f"{table.full_name()} has neither figures nor a template: write a .sql beside its class")
    if issubclass(table, KpiTable):
        select = str(words["published"](select, table.period, table.version))
    return f"{select}\n"


def from_file(table: type[Table], name: str, rows: str, words: Mapping[str, Any]) -> str:
    """A SELECT of figures that are no aggregates, from a `.sql` beside their table. `rows`: the relation it reads."""
    text = beside(table, f"{name}.sql").read_text(encoding="utf-8")
    return expand(text, {**words, "rows": rows})


def beside(table: type[Table], name: str) -> Path:
    """A file beside the module of a table's class."""
    return Path(sys.modules[table.__module__].__file__ or "").parent / name


def expand(text: str, words: Mapping[str, Any]) -> str:
    """A text in the words of the templates as SQL. `words`: from `vocabulary`."""
    return _compiled(text).render(words)


def vocabulary(*, dialect: str, settings: Settings, cut: Cut) -> dict[str, Any]:
    """What a template may name: an engine's macros, the shared ones, and the values that follow from a cut."""
    values = _values(settings, cut.as_of)
    clock = stretches(settings.zone, as_of=cut.as_of)
    words = _macros(f"{dialect}.jinja", {"seconds_ahead": functools.partial(seconds_ahead, clock)})
    values |= {name: words["instant"](value) for name, value in values.items() if isinstance(value, dt.datetime)}
    values |= {name: words["day"](value) for name, value in values.items() if isinstance(value, dt.date)}
    today = _local_day(cut.as_of, settings)

    def days_before(number: int) -> str:
        return words["day"](today - dt.timedelta(days=number))

    def day_begins(number: int) -> str:
        return words["instant"](start_of_day(today - dt.timedelta(days=number), settings.zone))

    context = {**words, **values, "days_before": days_before, "start_of_day": day_begins}
    return {**context, **_macros(SHARED, context)}


def seconds_ahead(clock: Sequence[Stretch], at: str, instant: Callable[[dt.datetime], str]) -> str:
    """How far local clocks are ahead of UTC at an instant, in seconds: SQL that halves the stretches until one is left.

    So a row is compared some six times where 80 stretches are told apart; a join would need all of them in each
    template. `at`: the instant's SQL; `instant`: gives an engine's literal.
    """
    middle = len(clock) // 2
    if not middle:
        return str(clock[0].utc_offset_seconds)
    before, after = (seconds_ahead(half, at, instant) for half in (clock[:middle], clock[middle:]))
    return f"case when {at} < {instant(clock[middle].from_at)} then {before} else {after} end"


def dependencies(table: type[Table]) -> set[str]:
    """Full names of the tables that a table's SELECT reads; none where it has none."""
    if not is_built(table):
        return set()
    return set(tables_in(_rendered(table, code_version(table))))  # type: ignore[arg-type] # a class is hashable


def words_of(table: type[Table]) -> frozenset[str]:
    """Every word of a table's SELECT that may name a column, whatever the settings."""
    path = template_path(table)
    return names_in(_rendered(table, code_version(table))) | (  # type: ignore[arg-type]
        names_in(path.read_text(encoding="utf-8")) if path else frozenset()
    )


@functools.lru_cache(maxsize=128)
def _rendered(table: type[Table], _version: str) -> str:
    defaults = Settings.model_construct()  # no environment: what is read does not depend on it
    cut = Cut(as_of=dt.datetime(2026, 1, 1, tzinfo=dt.UTC), rows={})
    return render(table, dialect="duckdb", settings=defaults, cut=cut)


def build_order() -> list[type[Table]]:
    """Every table that a SELECT fills, each after those it reads; in a fixed order otherwise."""
    built = {name: table for name, table in TABLES.items() if is_built(table)}
    sorter = graphlib.TopologicalSorter(
        {name: sorted(dependencies(table) & built.keys()) for name, table in sorted(built.items())}
    )
    return [built[name] for name in sorter.static_order()]


def code_version(table: type[Table]) -> str:
    """Digest of all that decides what a table holds but the data: SQL, macros, declaration, definition version."""
    files = sorted(beside(table, ".").glob("*.sql")) if issubclass(table, KpiTable) else [template_path(table)]
    states = []
    for path in (*files, HERE / SHARED, MACRO_FOLDER / "duckdb.jinja", *_WRITERS):
        if path:
            state = path.stat()
            states.append((path, state.st_mtime_ns, state.st_size))
    declared = repr([getattr(table, name, None) for name in ("version", "keys", "seen")])
    return _version_of(table, id(table.columns), declared, tuple(states))  # type: ignore[arg-type] # a class is hashable


@functools.lru_cache(maxsize=256)
def _version_of(table: type[Table], _columns: int, declared: str, states: tuple[tuple[Path, int, int], ...]) -> str:
    """The same while files and columns are those that they were: a build asks some hundred times."""
    parts = [
        *(path.read_text(encoding="utf-8") for path, _, _ in states),
        repr((table.full_name(), table.key, table.rules, sorted(table.columns.items()))),
        declared,
    ]
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:16]


def _local_day(moment: dt.datetime, settings: Settings) -> dt.date:
    return moment.astimezone(settings.zone).date()


def _values(settings: Settings, as_of: dt.datetime) -> dict[str, object]:
    """What a template may name; dates and instants become literals."""
    today = _local_day(as_of, settings)
    month = today.replace(day=1)
    previous_month = (month - dt.timedelta(days=1)).replace(day=1)
    gap = settings.conversation_gap
    return {
        "as_of": as_of.astimezone(dt.UTC),
        "cut_day": today,
        "tomorrow": today + dt.timedelta(days=1),
        "gap_day": _local_day(as_of - gap, settings),
        "cut_month": month,
        "previous_month": previous_month,
        "month_before_previous": (previous_month - dt.timedelta(days=1)).replace(day=1),
        "gap_seconds": f"{gap.total_seconds()!r}e0",
        "after_done_seconds": f"{settings.after_done_minutes * 60.0!r}e0",
        "end_of_time": dt.datetime(2200, 1, 1, tzinfo=dt.UTC),
        "target_seconds": f"{settings.first_response_target_seconds!r}e0",
        "business_hours": settings.open_hours is not None,
        "segment_fields": tuple(dict.fromkeys(settings.segment_fields)),
        "satisfaction_field": settings.satisfaction_field,
        "automation_senders": settings.automation_senders,
        "silent_types": tuple(kind.casefold() for kind in settings.silent_types),
    }


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([HERE, MACRO_FOLDER]),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - SQL, not HTML; values are quoted by the engine's own macros
    )


@functools.lru_cache(maxsize=1024)
def _compiled(text: str) -> jinja2.Template:
    return _environment().from_string(text)


def _macros(name: str, context: Mapping[str, object]) -> dict[str, jinja2.runtime.Macro]:
    module = _environment().get_template(name).make_module(dict(context))
    return {key: value for key, value in vars(module).items() if isinstance(value, jinja2.runtime.Macro)}
