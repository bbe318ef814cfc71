"""The executive summary in sentences: each figure, and what may be said of its change.

What belongs here: the sentences on the week, on contacts and on campaigns. What does not: figures of its own; values
are those of `kpi.executive_summary` and `kpi.backlog_now`, and a change is judged by receipts/claims.py.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from crm_platform.alerts.words import figure, judged
from crm_platform.metrics.backlog_now.table import BacklogNow
from crm_platform.metrics.chats_resolved_daily.table import ChatsResolvedDaily
from crm_platform.metrics.contact_growth_monthly.table import ContactGrowthMonthly
from crm_platform.metrics.engagement_monthly.table import EngagementMonthly
from crm_platform.metrics.executive_summary.table import ExecutiveSummary
from crm_platform.metrics.response_times_daily.table import ResponseTimesDaily
from crm_platform.receipts import claims
from crm_platform.schemas import WELL_COVERED, KpiTable
from crm_platform.verdicts import Claim, is_told_as_numbers, on_one_page

if TYPE_CHECKING:
    from crm_platform.languages import Language
    from crm_platform.receipts.behind import SnapshotReader

# What is judged: a figure of the summary, the same over any days, and how many days it is over.
_JUDGED: Final[Mapping[str, tuple[type[KpiTable], str, int]]] = {
    "first_response_seconds_median_7d": (ResponseTimesDaily, "first_response_seconds_median", 7),
    "answer_rate_7d": (ResponseTimesDaily, "answer_rate", 7),
    "chats_resolved_7d": (ChatsResolvedDaily, "resolved", 7),
    "read_per_delivered_30d": (EngagementMonthly, "read_per_delivered", 30),
    "reply_per_delivered_30d": (EngagementMonthly, "reply_per_delivered", 30),
}


@dataclass(frozen=True, slots=True)
class Summary:
    """A snapshot's summary. `judged`: claims, by Holm's rule."""

    asked: SnapshotReader
    language: Language
    row: Mapping[str, Any]
    judged: Mapping[str, Claim]

    @classmethod
    def of(cls, asked: SnapshotReader, language: Language) -> Summary:
        """Read it, and judge what can be judged."""
        found = {name: _judge(asked, *one) for name, one in _JUDGED.items()}
        known = {name: claim for name, claim in found.items() if claim is not None}
        decided = on_one_page(list(known.values()))
        row = asked.row(ExecutiveSummary, {}, "total_contacts") or {}
        return cls(asked, language, row, dict(zip(known, decided, strict=True)))

    def support(self) -> Iterator[str]:
        """Replies of the last 7 days, and who waits now."""
        _, claim = self.language.gettext, self.judged["first_response_seconds_median_7d"]
        yield self._heading(_("{from_} to {to}, compared with {before} to {until}"), claim)
        if self.row["first_response_seconds_median_7d"] is None:
            yield self._none()
        else:
            yield _("First reply, median: {figure}.", figure=self._judged("first_response_seconds_median_7d"))
            yield _("Conversations answered: {figure}.", figure=self._judged("answer_rate_7d"))
        yield _("Resolved: {figure}.", figure=self._judged("chats_resolved_7d"))
        words = _("Waiting now: {figure}.", figure=self._stock("open_waits"))
        backlog = self.asked.row(BacklogNow, {}, "windows_expiring_2h") or {}
        if expiring := backlog["windows_expiring_2h"]:
            n = self.language.number(expiring)
            words += " " + _("{n} of them lose their 24-hour window within 2 hours.", n=n)
        yield words

    def growth(self) -> Iterator[str]:
        """Contacts, and how many more they became last month."""
        _ = self.language.gettext
        yield _("Contacts: {figure}.", figure=self._stock("total_contacts"))
        rate, before = self.row["monthly_growth_rate"], self.row["monthly_growth_rate_previous"]
        if rate is None:
            return
        month = (self.asked.today.replace(day=1) - dt.timedelta(days=1)).replace(day=1)
        places = {"month": self.language.month(month)}
        row = self.asked.row(ContactGrowthMonthly, {"month": month}, "closing") or {}
        if row and row["opening"] is not None and is_told_as_numbers(row["opening"], row["closing"]):
            numbers = {name: self.language.number(row[name]) for name in ("opening", "closing")}
            yield _("Contacts at the end of {month}: {closing}, {opening} at its beginning.", **places, **numbers)
            return
        words = self._figure("monthly_growth_rate", rate)
        if before is not None:
            earlier = self.language.month((month - dt.timedelta(days=1)).replace(day=1))
            was = self._figure("monthly_growth_rate_previous", before)
            words = _("{now}; {before} in {month}", now=words, before=was, month=earlier)
        yield _("Growth in {month}: {figure}.", figure=words, **places)

    def campaigns(self) -> Iterator[str]:
        """What is sent now, and how the settled ones of 30 days did."""
        _ = self.language.gettext
        yield _("Campaigns active: {figure}.", figure=self._stock("active_campaigns"))
        if self.row["read_per_delivered_30d"] is not None:
            words = _("Settled campaigns sent {from_} to {to}, compared with {before} to {until}")
            yield self._heading(words, self.judged["read_per_delivered_30d"])
            yield _("Read, of what they delivered: {figure}.", figure=self._judged("read_per_delivered_30d"))
            yield _("Replied to: {figure}.", figure=self._judged("reply_per_delivered_30d"))

    def _heading(self, words: str, claim: Claim) -> str:
        """Say which days are compared, and how many of them are not."""
        current, base = claim.ranges.current, claim.ranges.base
        days = {"from_": current.start, "to": current.end, "before": base.start, "until": base.end}
        told = words.format(**{name: self.language.day(day) for name, day in days.items()})
        if left := len(claim.ranges.dropped):
            told += "; " + self.language.ngettext(
                "1 day of both is not compared, because it is not known or not over",
                "{n} days of both are not compared, because they or their counterparts are not known or not over",
                left,
            )
        return f"{told}:"

    def _none(self) -> str:
        """Say that nobody wrote, or nobody got a reply, or that it is not known."""
        language, first = self.language, self.asked.today - dt.timedelta(days=7)
        wrote, answered, missed = (
            self._sum(column, first) for column in ("first_waits", "first_answered_waits", "missed_waits")
        )
        if wrote:
            told = language.ngettext(
                "1 customer began a conversation and got no reply",
                "{n} conversations were begun by customers, none got a reply",
                wrote,
            )
            if waiting := wrote - answered - missed:
                told += "; " + language.ngettext("1 still waits", "{n} still wait", waiting)
            return f"{told}."
        seen = self.asked.coverage(first, self.asked.today)
        if seen is None:
            return language.gettext("First replies: not known, nothing is read of these days.")
        if seen < WELL_COVERED:
            return language.gettext("First replies: not known. Of what is read so far, nobody had to be answered.")
        return language.gettext("First replies: nobody had to be answered.")

    def _sum(self, column: str, first: dt.date) -> int:
        line = self.asked.lineage(ResponseTimesDaily, column)
        assert line is not None, f"{column} declares no rows"
        found = self.asked.value(self.asked.over(line, first, self.asked.today))
        return found if isinstance(found, int) else 0

    def _figure(self, name: str, value: float | None) -> str:
        return figure(self.language, ExecutiveSummary.columns[name], value)

    def _judged(self, name: str) -> str:
        column, claim = ExecutiveSummary.columns[name], self.judged.get(name)
        return judged(self.language, column, self.row[name], claim, parts=name == "answer_rate_7d")

    def _stock(self, name: str) -> str:
        """What stands now, beside the end of the day a week ago: it gets no verdict."""
        now, before = self._figure(name, self.row[name]), self.row[f"{name}_previous"]
        if before is None:
            return now
        day = self.language.day(self.asked.today - dt.timedelta(days=7))
        was = self._figure(name, before)
        return self.language.gettext("{now}; {before} at the end of {day}", now=now, before=was, day=day)


def _before(today: dt.date, days: int) -> claims.Dates:
    """So many days before today."""
    return today - dt.timedelta(days=days), today - dt.timedelta(days=1)


def _judge(asked: SnapshotReader, table: type[KpiTable], column: str, days: int) -> Claim | None:
    current, base = _before(asked.today, days), _before(asked.today - dt.timedelta(days=days), days)
    known = claims.known_days(asked, current, base)
    return claims.over_days(asked, table, column, current=current, base=base, days=known)
