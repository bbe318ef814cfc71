"""Watched figures: which KPIs are held to a target or to their usual range, and what is said when one breaks it.

What belongs here: judging the newest day of each watched figure from the published snapshot. What does not: which are
watched (metrics/), remembering what was told (alerter.py), computing a figure (models/).

A day is judged only when its figure can no longer change much and is well covered; on any other day the result is
`held`: nothing is reported and nothing is called over, so a crawl that is merely behind raises no alarm and ends none.
What is unusual by its size alone is held, too: a median or a share has to be worse by its verdict (receipts/claims.py).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from crm_platform.alerts.alerter import Alert
from crm_platform.alerts.usual import least_reach, usual_range
from crm_platform.alerts.words import day_of, figure, share_seen
from crm_platform.clock import start_of_day
from crm_platform.languages import ENGLISH, N_, Language
from crm_platform.models.generate import figures
from crm_platform.receipts import claims
from crm_platform.receipts.behind import Connection, SnapshotReader, opened
from crm_platform.schemas import WELL_COVERED, KpiTable, Type
from crm_platform.schemas.figures import Good, Watched
from crm_platform.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from crm_platform.alerts.alerter import Alerter
    from crm_platform.publish import Snapshot
    from crm_platform.settings import Settings

Rule = Literal["target", "range"]
State = Literal["well", "broken", "held"]
Row = dict[str, Any]

WEEKS: Final = 8  # of the same weekday, before the day that is judged
LEAST_WEEKS: Final = 4  # of them with a figure that counts
LEAST_SAMPLE: Final = 10  # answers or conversations below which a median or a rate is mostly chance
OPEN_SHARE: Final = 0.05  # of a day's waits still open: its response times are as good as final
_LOOK_BACK: Final = dt.timedelta(weeks=2 * WEEKS)
# What a watch's sample is called when there is too little of it.
_FEW: Final[Mapping[tuple[str, ...], str]] = {
    ("first_answered_waits",): N_("only {n} first answered waits"),
    ("first_answered_waits", "missed_waits"): N_("only {n} first waits answered or missed"),
}
PAGES: Final = {
    "operations": "/support",
    "engagement": "/campaigns",
    "growth": "/executive",
    "executive": "/executive",
}
_BAD: Final[Mapping[Good, Literal["high", "low", "either"]]] = {"up": "low", "down": "high", "neither": "either"}
REMIND_AFTER: Final = dt.timedelta(days=7)  # the digest names open problems every day


@dataclass(frozen=True, slots=True)
class Watch:
    """One figure of a table by day. `bad`: the side on which it is reported; `page`: where people look at it."""

    table: type[KpiTable]
    column: str
    declared: Watched
    page: str
    bad: Literal["high", "low", "either"]

    def target(self, settings: Settings) -> float | None:
        """Its limit by the settings; None where there is none."""
        return getattr(settings, self.declared.target) if self.declared.target else None

    def key(self, rule: Rule) -> str:
        """Name the problem, for the alerter."""
        return f"kpi:{self.table.table}.{self.column}:{rule}"


def _watches() -> Iterator[Watch]:
    """A watch for each figure that is declared to be watched."""
    for table in TABLES.values():
        if not issubclass(table, KpiTable):
            continue
        for column, one in figures(table).items():
            if one.watch is not None:
                bad = "either" if one.watch.either else _BAD[one.good]
                yield Watch(table, column, one.watch, page=PAGES[table.pillar], bad=bad)


WATCHES: Final = tuple(_watches())


@dataclass(frozen=True, slots=True)
class WatchResult:
    """What is thought of one figure by one rule.

    `low`, `high`: the expected range, None = no bound. `since`: first day of the run of broken days. `reason`: why it
    is held, in its `language`. `size`: how many it is made of, None where nothing counts them; `missed`: how many asked
    where nobody was answered; `before`: the days that say what is usual.
    """

    watch: Watch
    rule: Rule
    state: State
    day: dt.date | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    coverage: float | None = None
    since: dt.date | None = None
    reason: str = ""
    language: Language = ENGLISH
    size: int | None = None
    missed: int = 0
    before: tuple[dt.date, ...] = ()

    def expectation(self) -> str:
        """Say what was expected: `at most 15 min`, `210 to 386`."""
        column, _ = self.watch.table.columns[self.watch.column], self.language.gettext
        low, high = figure(self.language, column, self.low), figure(self.language, column, self.high)
        if self.low is None:
            return _("at most {high}", high=high)
        return _("at least {low}", low=low) if self.high is None else _("{low} to {high}", low=low, high=high)

    def words(self) -> str:
        """Say in a sentence what was found."""
        language = self.language
        if self.day is not None and self.missed:
            found = language.ngettext(
                "{day}: 1 wrote and got no reply",
                "{day}: {n} wrote, none got a reply",
                self.missed,
                day=day_of(language, self.day),
            )
        elif self.value is None or self.day is None:
            return self.reason
        else:
            value = figure(language, self.watch.table.columns[self.watch.column], self.value)
            found = language.gettext("{value} on {day}", value=value, day=day_of(language, self.day))
        if self.state == "held":
            return f"{found} ({self.reason})"
        if self.rule == "target":
            return f"{found}; " + language.gettext("target: {expected}", expected=self.expectation())
        weekday = language.weekday_in_full(self.day.weekday())
        usual = language.gettext("usual on a {weekday}: {expected}", weekday=weekday, expected=self.expectation())
        return f"{found}; {usual}"


def _size(row: Row, sample: Sequence[str]) -> int:
    """What a day's figure is made of."""
    return sum(row[column] for column in sample)


def check(settings: Settings, snapshot: Snapshot) -> list[WatchResult]:
    """Judge every watched figure by the snapshot, in the order of WATCHES."""
    results: list[WatchResult] = []
    with opened(snapshot.path) as one:
        series = {
            table: _rows(one.connection, table, since=snapshot.as_of.astimezone(settings.zone).date() - _LOOK_BACK)
            for table in dict.fromkeys(watch.table for watch in WATCHES)
            if table.full_name() in snapshot.tables
        }
        asked = SnapshotReader.of(one) if one.manifest.settings is not None else None
        for watch in WATCHES:
            days = _Days(watch, settings, series.get(watch.table, {}), as_of=snapshot.as_of)
            if watch.target(settings) is not None:
                results.append(days.newest("target"))
            results.append(_beyond_chance(days.newest("range"), asked))
    return results


def _beyond_chance(result: WatchResult, asked: SnapshotReader | None) -> WatchResult:
    """Hold a figure that is unusual by its size, but of so few that chance explains it."""
    if asked is None or result.state != "broken" or result.day is None:
        return result
    claim = claims.of_weekday(asked, result.watch.table, result.watch.column, result.day, result.before)
    if claim is None or claim.verdict not in {"about_the_same", "too_few"}:
        return result
    reason = result.language.gettext(
        "unusual, but of so few that it may be chance: {n} then, {before} on the days before",
        n=result.language.number(claim.n_current),
        before=result.language.number(claim.n_base),
    )
    return dataclasses.replace(result, state="held", reason=reason)


def _rows(connection: Connection, table: type[KpiTable], *, since: dt.date) -> dict[dt.date, Row]:
    sql = f"select * from {table.full_name()} where day >= ?"
    found = connection.cursor().sql(sql, params=[since]).to_arrow_table()
    return {row["day"]: row for row in found.to_pylist()}


class _Days:
    """The days of one watch, each judged by itself and those before it."""

    def __init__(self, watch: Watch, settings: Settings, rows: Mapping[dt.date, Row], *, as_of: dt.datetime) -> None:
        self._watch = watch
        self._settings = settings
        self._rows = rows
        self._as_of = as_of

    def newest(self, rule: Rule) -> WatchResult:
        """Judge the newest day whose figure stands, and say since when it is broken."""
        standing = [day for day in sorted(self._rows, reverse=True) if self._stands(day)]
        if not standing:
            reason = self._("no complete day yet")
            return WatchResult(self._watch, rule, "held", reason=reason, language=self._settings.language)
        result = self._judge(standing[0], rule)
        if result.state != "broken":
            return result
        since = standing[0]
        for day in standing[1:]:
            earlier = self._judge(day, rule)
            if earlier.state == "well":
                break
            if earlier.state == "broken":
                since = day
        return dataclasses.replace(result, since=since)

    def _stands(self, day: dt.date) -> bool:
        """Whether the day is over and its figure is final, or as good as."""
        end = start_of_day(day + dt.timedelta(days=1), self._settings.zone)
        if self._as_of < end:
            return False
        if self._watch.declared.final == "at once" or self._as_of >= end + self._settings.conversation_gap:
            return True
        row = self._rows[day]
        return self._watch.declared.final == "answered" and row["open_waits"] <= OPEN_SHARE * row["waits"]

    def _judge(self, day: dt.date, rule: Rule) -> WatchResult:
        row = self._rows[day]
        value, coverage = row[self._watch.column], row["coverage"]
        low, high = None, None
        before: tuple[dt.date, ...] = ()
        missed = self._missed(row) if rule == "target" else 0
        reason = self._unfit(row) if not missed else ""
        if not reason and rule == "target":
            reason = "" if self._is_open(day) else self._("closed on that day: the target is not judged")
            limit = self._watch.target(self._settings)
            low, high = (limit, None) if self._watch.bad == "low" else (None, limit)
        elif not reason:
            reason, low, high, before = self._usual(day, row)
        state: State = "held" if reason else "well"
        if not reason and (missed or (low is not None and value < low) or (high is not None and value > high)):
            state = "broken"
        sample = self._watch.declared.sample
        return WatchResult(
            self._watch,
            rule,
            state,
            day,
            value,
            low,
            high,
            coverage,
            reason=reason,
            language=self._settings.language,
            size=_size(row, sample) if sample else None,
            missed=missed,
            before=before,
        )

    def _missed(self, row: Row) -> int:
        """How many asked on a day on which nobody was answered: there is no median, and the target is missed."""
        column, seen = self._watch.declared.missed, row["coverage"]
        if not column or row[self._watch.column] is not None or row["is_provisional"]:
            return 0
        is_known = seen is not None and seen >= WELL_COVERED and row[column] >= LEAST_SAMPLE
        return int(row[column]) if is_known else 0

    def _(self, words: str, **places: object) -> str:
        return self._settings.language.gettext(words, **places)

    def _unfit(self, row: Row) -> str:
        """Why a day's figure tells nothing; empty when it does."""
        if row["coverage"] is None or row["coverage"] < WELL_COVERED:
            seen = share_seen(self._settings.language, row["coverage"])
            return self._("the crawl is behind: coverage {share}", share=seen)
        if row["is_provisional"]:
            return self._("provisional")
        sample = self._watch.declared.sample
        if sample and _size(row, sample) < LEAST_SAMPLE:
            return self._(_FEW[sample], n=_size(row, sample))
        if row[self._watch.column] is None:
            return self._("not known for that day")
        return ""

    def _usual(self, day: dt.date, row: Row) -> tuple[str, float | None, float | None, tuple[dt.date, ...]]:
        """The usual range on the day's weekday: why there is none, low, high, and the days that say so."""
        if day in self._settings.holidays:
            return self._("a holiday: no day to compare it with"), None, None, ()
        weeks = [day - dt.timedelta(weeks=weeks) for weeks in range(1, WEEKS + 1)]
        before = tuple(
            past
            for past in weeks
            if past in self._rows and past not in self._settings.holidays and not self._unfit(self._rows[past])
        )
        history = [float(self._rows[past][self._watch.column]) for past in before]
        if len(history) < LEAST_WEEKS:
            few = self._("{n} of the {least} weeks needed to compare it with", n=len(history), least=LEAST_WEEKS)
            return few, None, None, ()
        sample = self._watch.declared.sample
        column = self._watch.table.columns[self._watch.column]
        low, high = usual_range(history, floor=least_reach(column, statistics.median(history), _size(row, sample)))
        low, high = max(low, 0.0), min(high, 1.0) if column.is_share else high
        if column.type is Type.INTEGER:
            low, high = math.ceil(low), math.floor(high)
        return "", low if self._watch.bad != "high" else None, high if self._watch.bad != "low" else None, before

    def _is_open(self, day: dt.date) -> bool:
        """Whether the tenant works on that day: a promise binds on no other."""
        hours = self._settings.open_hours
        works = hours is None or any(stretch.weekday == day.weekday() for stretch in hours)
        return works and day not in self._settings.holidays


# Telling.

_TITLES: Final[Mapping[Rule, Mapping[str, str]]] = {
    "target": {"low": N_("{figure} is below its target"), "high": N_("{figure} is above its target")},
    "range": {"low": N_("{figure} is below its usual range"), "high": N_("{figure} is above its usual range")},
}


def tell(results: Iterable[WatchResult], alerter: Alerter, *, settings: Settings) -> None:
    """Report what is broken, call over what is well again or no longer watched, leave alone what is held.

    A figure that is off its target is not reported a second time for being unusual.
    """
    language, known = settings.language, set()
    for result in results:
        key = result.watch.key(result.rule)
        known.add(key)
        if result.state == "well":
            alerter.resolve(key, text=f"{result.words()}.\n{_coverage(language, result)}")
        elif result.state == "broken":
            is_off_target = result.rule == "range" and result.watch.key("target") in alerter.open_problems()
            if not is_off_target:
                alerter.report(alert(result, settings=settings))
    for key in alerter.open_problems():
        if key.startswith("kpi:") and key not in known:
            alerter.resolve(key, text=language.gettext("This figure is no longer watched."))


def alert(result: WatchResult, *, settings: Settings) -> Alert:
    """Put a broken figure into words: the figure, what was expected, since when, coverage, where to look."""
    watch = result.watch
    is_low = result.low is not None and result.value is not None and result.value < result.low
    title = _TITLES[result.rule]["low" if is_low else "high"]
    language = settings.language
    return Alert(
        watch.key(result.rule),
        language.gettext(title, figure=language.gettext(watch.declared.title)),
        "\n".join(_lines(result, settings)),
        remind_after=REMIND_AFTER,
    )


def _lines(result: WatchResult, settings: Settings) -> Iterator[str]:
    watch, language = result.watch, settings.language
    yield f"{result.words()}."
    if result.size:
        yield language.ngettext("It is of 1 conversation.", "It is of {n} conversations.", result.size)
    if result.before:
        first, last = (language.day(day) for day in (min(result.before), max(result.before)))
        yield language.ngettext(
            "Usual is what 1 such day before was, {from_} to {to}.",
            "Usual is what {n} such days before were, {from_} to {to}.",
            len(result.before),
            from_=first,
            to=last,
        )
    coverage = _coverage(language, result)
    if result.since is None or result.since == result.day:
        yield coverage
    else:
        yield language.gettext("So since {day}.", day=day_of(language, result.since)) + f" {coverage}"
    if settings.serve_url is not None:
        yield language.gettext("Page: {address}", address=f"{settings.serve_url}{watch.page}")
    command = f"crm explain {watch.table.full_name()} --day {result.day} --column {watch.column}"
    yield language.gettext("Receipt: `{command}`", command=command)


def _coverage(language: Language, result: WatchResult) -> str:
    return language.gettext("Coverage {share}.", share=share_seen(language, result.coverage))
