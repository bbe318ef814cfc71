"""Why a report is held back: its days are not over, or not known, in the published figures.

What belongs here: the rule, and its words. What does not: when a day is known (verdicts/days.py), marking a report that
goes out all the same (document.py).

A report goes out once its figures stand: every day of it is over, 95 % or more of the day's messages are fetched, and
at most one in a hundred of its first waits is still open. These are the days that the verdicts compare.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from crm_platform.serving.pages import numbers
from crm_platform.serving.pages.claims import known_days

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crm_platform.languages import Language
    from crm_platform.reports.spans import Span
    from crm_platform.serving.pages.published import PublishedFigures
    from crm_platform.verdicts import Day

_NAMED: Final = 3  # days that are named; of more, how many


def held_by(published: PublishedFigures | None, span: Span, language: Language) -> str:
    """Say what holds a report back, in a sentence without its full stop; empty when nothing does."""
    if published is None:
        return language.gettext("nothing is published yet")
    if published.today <= span.end:
        moment = published.as_of.astimezone(published.zone)
        return language.gettext(
            "{day} is not over in the published figures, which are as of {time}",
            day=language.day(span.end),
            time=f"{language.day(moment.date())}, {moment:%H:%M} {moment.tzname()}",
        )
    unknown = list(_unknown(published, span, language))
    if not unknown:
        return ""
    named = "; ".join(unknown[:_NAMED])
    more = len(unknown) - _NAMED
    if more > 0:
        named += "; " + language.ngettext("1 day more", "{n} days more", more)
    return language.gettext("not known yet: {days}", days=named)


def _unknown(published: PublishedFigures, span: Span, language: Language) -> Iterator[str]:
    """Each day that is not known, and why."""
    period = span.period(today=published.today)
    known: dict[dt.date, Day] = {day.day: day for day in known_days(published, period)}
    for date in period.days:
        day, words = known.get(date), language.day(date)
        reason = day.lacks() if day else "no data"
        if day is None or (reason == "coverage" and day.coverage is None):
            yield language.gettext("{day} (share of messages seen not known)", day=words)
        elif reason == "coverage":
            assert day.coverage is not None
            share = numbers.seen(language, day.coverage)
            yield language.gettext("{day} ({share} of messages seen)", day=words, share=share)
        elif reason == "open waits":
            yield language.gettext(
                "{day} ({n} of {m} conversations still wait for their first reply)",
                day=words,
                n=language.number(day.open_first_waits),
                m=language.number(day.first_waits),
            )
