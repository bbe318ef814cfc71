"""One request for one page, and how it is said: language, days, numbers, addresses; and what a page gives back.

What belongs here: what every page asks of its request. What does not: answering it (frame.py), what a page says
(executive.py, audience.py, campaigns.py, support.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal
from urllib.parse import urlencode

from crm_platform.api import Closed
from crm_platform.languages import Language, Words
from crm_platform.receipts.choices import Choice
from crm_platform.receipts.narrowed import DIMENSIONS, SEGMENT
from crm_platform.schemas import WELL_COVERED
from crm_platform.serving.access import Visitor
from crm_platform.serving.pages import numbers
from crm_platform.serving.pages.addresses import Pairs, kept_of, receipt_href
from crm_platform.serving.pages.chart import Chart
from crm_platform.serving.pages.filters import title, value_words
from crm_platform.serving.pages.period import BASES, RANGES, Period
from crm_platform.serving.pages.published import PublishedFigures
from crm_platform.serving.pages.tiles import Source, Tile, TileWords
from crm_platform.settings import Settings

Theme = Literal["light", "dark", "auto"]

NOW: Final = "now"
"""The page that shows one moment."""


@dataclass(frozen=True, slots=True)
class Status:
    """The line that never scrolls away. `look`: the dot."""

    look: Literal["good", "provisional", "stale"]
    words: str
    parts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is on, and the address without it."""

    words: str
    href: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What a page says of itself before all else: something it was given cannot be used."""

    title: str
    text: str
    language: Language


@dataclass(slots=True)
class View:
    """One request for one page: how it is to be said, over which days, and the words and numbers that follow.

    `now`: when it came, aware.
    """

    page: str
    path: str
    query: list[tuple[str, str]]
    language: Language
    theme: Theme
    settings: Settings
    published: PublishedFigures
    period: Period
    visitor: Visitor
    now: dt.datetime
    notice: Notice | None = None
    chips: list[Chip] = field(default_factory=list)

    # Words in the reader's language, by gettext's own names.

    def _(self, message: Words, /, **places: object) -> str:
        return self.language.gettext(message, **places)

    def pgettext(self, context: str, message: str, /, **places: object) -> str:
        """Say words whose translation depends on where they stand."""
        return self.language.pgettext(context, message, **places)

    def ngettext(self, singular: str, plural: str, n: int, /, **places: object) -> str:
        """Say words about `{n}` things."""
        return self.language.ngettext(singular, plural, n, **places)

    def npgettext(self, context: str, singular: str, plural: str, n: int, /, **places: object) -> str:
        """Say words about `{n}` things whose translation depends on where they stand."""
        return self.language.npgettext(context, singular, plural, n, **places)

    def title(self, tile: TileWords) -> str:
        """Say what a figure is called."""
        return self._(tile.title, target=self.target)

    def meaning(self, tile: TileWords) -> str:
        """Say what a figure means."""
        return self._(tile.meaning, target=self.target)

    def is_unread(self, coverage: float | None) -> bool:
        """Whether so much of the messages is missing that finding nothing says nothing; of nobody nothing is."""
        if coverage is None:
            return bool(self.published.everyone.one("executive_summary").get("total_contacts"))
        return coverage < WELL_COVERED

    def why_none(self, figure: Tile) -> str:
        """Say why a figure has no value."""
        if figure.why:
            return figure.why
        is_unread = figure.words.seen_of == "messages" and self.is_unread(figure.coverage)
        if is_unread:
            return self._("not known: too little is read so far")
        if figure.words.name in {"first_response", "business_first_response"} and self.published.value(
            "response_times_daily", "first_waits", self.period
        ):
            return self._("none of those who wrote got a reply")
        return self._("not known: nothing to measure in these days")

    def value(self, kind: numbers.Kind, amount: float | None) -> str:
        """Write a value in the reader's language."""
        return numbers.value(self.language, kind, amount)

    def count(self, value: float) -> str:
        """Write a whole number."""
        return numbers.count(self.language, value)

    def percent(self, value: float) -> str:
        """Write a share of 1."""
        return numbers.percent(self.language, value)

    def seen(self, value: float) -> str:
        """Write a coverage."""
        return numbers.seen(self.language, value)

    def day(self, date: dt.date) -> str:
        """Write a day."""
        return numbers.day(self.language, date, year=date.year != self.period.today.year)

    def duration(self, seconds: float) -> str:
        """Write a duration."""
        return numbers.duration(self.language, seconds)

    def time(self, moment: dt.datetime, *, seconds: bool = False) -> str:
        """Write an aware instant in the tenant's zone: `22 Nov, 14:05 EAT`."""
        local = moment.astimezone(self.published.zone)
        return f"{self.day(local.date())}, {local:{'%H:%M:%S' if seconds else '%H:%M'}} {local.tzname()}"

    def get(self, name: str) -> str:
        """First value of a parameter, empty when it is not there."""
        return next((value for key, value in self.query if key == name), "")

    def all(self, name: str) -> list[str]:
        """Every value of a parameter, those between commas too, each once."""
        values = [part for key, value in self.query if key == name for part in value.split(",")]
        return list(dict.fromkeys(filter(None, values)))

    def href(self, path: str = "", /, *, drop: Sequence[str] = (), **changes: object) -> str:
        """Address of this view with some parameters changed, or left out."""
        gone = {*drop, *changes}
        kept = [(key, value) for key, value in self.query if key not in gone]
        query = urlencode([*kept, *((key, str(value)) for key, value in changes.items())])
        return (path or self.path) + (f"?{query}" if query else "")

    def page_href(self, page: str) -> str:
        """Address of another page over the same days, of the same contacts, agents, teams and origins."""
        return f"/{page}" + (f"?{urlencode(self.kept)}" if self.kept else "")

    def csv_href(self, chart: str) -> str:
        """Address of a chart's rows as CSV."""
        return self.href(f"/charts/{self.page}/{chart}.csv")

    def rows_href(self, figure: Tile) -> str:
        """Address of the rows behind a figure: its receipt; of campaigns, which are rows themselves, the ranking."""
        source = figure.receipt or figure.source
        if source.how == "cell":
            return receipt_href(source.table, source.column, dict(source.key), self.kept)
        return self.href("/charts/campaigns/campaigns.csv")

    def kept_with(self, name: str, value: str) -> Pairs:
        """The same, narrowed to one value of a filter besides."""
        return [*((key, one) for key, one in self.kept if key != name), (name, value)]

    @property
    def kept(self) -> Pairs:
        """What links keep of this address: the days and the filters."""
        return kept_of(self.query)

    @property
    def is_bare(self) -> bool:
        """Whether no contact and no message is stored."""
        everyone = self.published.everyone
        return not everyone.one("executive_summary").get("total_contacts") and not everyone.rows("backlog_daily")

    @property
    def is_of_now(self) -> bool:
        """Whether the page shows one moment, the cut, and no days."""
        return self.page == NOW

    @property
    def age(self) -> float:
        """How long ago the cut was, in seconds."""
        return max(0.0, (self.now - self.published.as_of).total_seconds())

    @property
    def target(self) -> str:
        """The first response target, in words."""
        return self.duration(self.settings.first_response_target_seconds)

    @property
    def window(self) -> str:
        """The chosen days, in words."""
        start, end = self.day(self.period.start), self.day(self.period.end)
        if self.period.length == 1:
            return start
        if self.period.holds_today or self.period.name in {"custom", "month"}:
            return self._("{from_} to {to}", from_=start, to=end)
        return self.ngettext(
            "last full day, {from_} to {to}",
            "last {n} full days, {from_} to {to}",
            self.period.length,
            from_=start,
            to=end,
        )

    @property
    def when(self) -> str:
        """The chosen days, as a sentence says them."""
        if self.period.length == 1:
            return self._("on {day}", day=self.day(self.period.start))
        if self.period.name in {"custom", "month"}:
            return self._("from {from_} to {to}", from_=self.day(self.period.start), to=self.day(self.period.end))
        return self.ngettext("in the last day", "in the last {n} days", self.period.length)

    @property
    def before(self) -> str:
        """The days before, as a sentence says them."""
        previous = self.period.previous()
        places = {"from_": self.day(previous.start), "to": self.day(previous.end)}
        if self.period.against == "year":
            return self._("a year before ({from_} to {to})", **places)
        if self.period.against == "weekdays" and previous.end != self.period.start - dt.timedelta(days=1):
            return self._("on the same weekdays before ({from_} to {to})", **places)
        if previous.length == 1:
            return self._("on the day before ({day})", day=self.day(previous.start))
        return self._(
            "in the {n} days before ({from_} to {to})",
            n=previous.length,
            from_=self.day(previous.start),
            to=self.day(previous.end),
        )

    @property
    def ranges(self) -> list[tuple[str, str, bool]]:
        """Ranges to choose from: words, address, whether it is on. `custom` is a form of its own."""
        return [
            (self._(words), self.href(drop=("from", "to", "page"), range=name), name == self.period.name)
            for name, words in RANGES.items()
            if name != "custom"
        ]

    def difference(self, figure: Tile) -> str:
        """Write how far a figure moved, without a sign."""
        now, before = figure.compared
        if now is None or before is None:
            return ""
        return numbers.difference(self.language, figure.kind, now, before)

    def comparison(self, figure: Tile) -> str:
        """Say what a figure is held against: dates, both values, both n, the interval, the days left out."""
        claim = figure.claim
        if claim is None:
            return self.value(figure.kind, figure.previous)
        base, current = claim.ranges.base, claim.ranges.current
        words = self._(
            "{from_} to {to}: {value}, over {n}; now {now}, over {m}",
            from_=self.day(base.start),
            to=self.day(base.end),
            value=self._one(figure, claim.base),
            n=self.count(claim.n_base),
            now=self._one(figure, claim.current),
            m=self.count(claim.n_current),
        )
        if claim.low is not None and claim.high is not None:
            low, high = (
                self._change(figure, end, is_ratio=claim.measure == "ratio") for end in (claim.low, claim.high)
            )
            words += "; " + self._("the true change lies between {low} and {high} (95 %)", low=low, high=high)
        left = len(current.kept) + len(base.kept)
        if left < current.length + base.length:
            words += "; " + self.ngettext(
                "1 day of both is not compared, because it is not known or not over",
                "{n} days of both are not compared, because they or their counterparts are not known or not over",
                current.length + base.length - left,
            )
        return words

    def _one(self, figure: Tile, value: float | None) -> str:
        """A side's value; of a count, its mean a day."""
        if figure.kind != "count" or value is None:
            return self.value(figure.kind, value)
        return self._("{n} a day", n=self.language.number(value, ",.1f"))

    def _change(self, figure: Tile, change: float, *, is_ratio: bool) -> str:
        """One end of an interval, with its sign."""
        if is_ratio:
            change -= 1
        sign = "+" if change > 0 else "\u2212" if change < 0 else ""
        if is_ratio:
            return sign + numbers.percent(self.language, abs(change))
        if figure.kind == "seconds":
            return sign + numbers.duration(self.language, change)
        return sign + numbers.points(self.language, change)

    @property
    def filters(self) -> list[Chip]:
        """What the page is narrowed to, and what its figures are held against where that is not the days before."""
        found = []
        for choice in self.published.chosen:
            name, value = choice.dimension, choice.value
            words = f"{title(self.language, name)}: {value_words(self.language, name, value)}"
            found.append(Chip(words, self._without(choice)))
        if self.period.against != "before":
            words = self._("against {days}", days=self._(BASES[self.period.against]))
            found.append(Chip(words, self.href(drop=("against", "page"))))
        return found

    @property
    def narrowed_by(self) -> tuple[str, ...]:
        """What the page can be narrowed by; who waits now is narrowed by filters of its own, but for a segment."""
        return ("segment",) if self.is_of_now else DIMENSIONS

    @property
    def without_filters(self) -> str:
        """Address of the same for everyone."""
        return self.href(drop=(*DIMENSIONS, "page"))

    def _without(self, choice: Choice) -> str:
        """Address without one of the values that the page is narrowed to."""
        typed = f"{choice.dimension.removeprefix(SEGMENT)}:{choice.value}"
        gone = {(choice.name, choice.address), (choice.name, typed)}
        kept = [one for one in self.query if one not in gone and one[0] != "page"]
        return self.path + (f"?{urlencode(kept)}" if kept else "")

    def tells(self, source: Source) -> bool:
        """Whether a figure can be told of what the page is narrowed to."""
        return self.published.tells(source.table, source.column)

    def may(self, href: str) -> bool:
        """Whether the reader's role may follow a link: others are not offered."""
        return self.visitor.may(href)

    def _as_of(self) -> str:
        """Say when the cut was, and when its figures were last confirmed: no figures stand over midnight."""
        time, confirmed = self.time(self.published.as_of), self.published.opened.manifest.confirmed_at
        if confirmed is None:
            return self._("As of {time}", time=time)
        clock = f"{confirmed.astimezone(self.published.zone):%H:%M}"
        return self._("As of {time}, confirmed at {clock}", time=time, clock=clock)

    def status(self, *, broken: str = "", pause: Closed | None = None) -> Status:
        """Say how old, how complete and how real the figures are.

        `broken`: why newer ones cannot be shown. `pause`: until when the CRM lets nobody ask, and why.
        """
        published = self.published
        seen = (
            published.everyone.one("backlog_now").get("coverage") if self.is_of_now else published.coverage(self.period)
        )
        parts = [self._as_of()]
        if seen is None:
            parts.append(self._("share of messages seen not known"))
        elif self.published.narrowing:
            parts.append(self._("{share} of everyone's messages seen", share=self.seen(seen)))
        else:
            parts.append(self._("{share} of messages seen", share=self.seen(seen)))
        if self.published.opened.manifest.is_sandbox:
            parts.append(self._("sandbox data, made up"))
        if pause is not None:
            parts.append(
                self._("the CRM may not be asked until {time}: {why}", time=self.time(pause.until), why=pause.why)
            )
        if broken:
            return Status("stale", self._("Old: newer figures are published and cannot be read."), parts)
        if self.now - published.opened.manifest.stood_at > self.settings.stale_after:
            return Status(
                "stale",
                self._(
                    "Old: published {age} ago. What came since is not in these figures; tell whoever runs the "
                    "platform.",
                    age=self.duration(self.age // 60 * 60),
                ),
                parts,
            )
        if self.is_of_now and (seen is None or seen < WELL_COVERED):
            return Status(
                "provisional",
                self._("Provisional: messages are missing that may be questions, or replies to those who wait here."),
                parts,
            )
        if seen is None:
            return Status("provisional", self._("Provisional: how much of these days is seen is not known yet."), parts)
        if seen < WELL_COVERED:
            return Status(
                "provisional",
                self._(
                    "Provisional: less than 95 % of the messages of these days are seen. Figures may move until the "
                    "rest is fetched."
                ),
                parts,
            )
        if self.period.holds_today and not self.is_of_now:
            return Status(
                "provisional",
                self._(
                    "Provisional: {day} is not over. Its figures may move until midnight.",
                    day=self.day(self.period.today),
                ),
                parts,
            )
        return Status("good", self._("Up to date"), parts)


def sentences(*said: str) -> str:
    """Put sentences together; an abbreviated month at an end has its full stop already."""
    return " ".join(one if one.endswith(".") else f"{one}." for one in said if one)


@dataclass(slots=True)
class Content:
    """What a page shows: a sentence, figures, charts by their name, and whatever else its template asks for."""

    sentence: str
    figures: list[Tile]
    charts: dict[str, Chart]
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether it has neither figures nor charts."""
        return not self.figures and not self.charts


def narrowed(view: View, content: Content) -> Content:
    """Leave out what cannot be told of what the page is narrowed to: figures, charts, columns of their tables."""
    if not view.published.narrowing:
        return content
    more = dict(content.more)
    if "second" in more:
        more["second"] = _told(view, more["second"])
    charts = {name: _chart(view, chart) for name, chart in content.charts.items() if view.published.tells(chart.table)}
    return replace(content, figures=_told(view, content.figures), charts=charts, more=more)


def _told(view: View, tiles: Sequence[Tile]) -> list[Tile]:
    return [tile for tile in tiles if view.tells(tile.receipt or tile.source)]


def _chart(view: View, chart: Chart) -> Chart:
    kept = tuple(column for column in chart.columns if view.published.tells(chart.table, column.name))
    return replace(chart, columns=kept)


Build = Callable[[View], Content]
