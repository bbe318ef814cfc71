"""What comes after the first reply: the tiles of later replies and of the time to resolution.

What belongs here: these tiles with their words. What does not: first replies (replies.py), charts by day (daily.py,
support.py).
"""

from __future__ import annotations

from dataclasses import replace

from crm_platform.languages import N_
from crm_platform.serving.pages.hours import Hours
from crm_platform.serving.pages.tiles import Source, Tile, TileWords, over_days
from crm_platform.serving.pages.view import View

LATER_RESPONSE = TileWords(
    "later_response",
    subject="support",
    title=N_("Later replies"),
    meaning=N_(
        "How long customers wait for each reply after the first of a conversation, day and night: the median over all "
        "such replies to what was asked on these days. A last word that nobody answered, mostly a thank-you, is not in "
        "it."
    ),
    use=N_("Seeing whether chats are picked up and then left. It should not be longer than the first response time."),
    columns=("kpi.response_times_daily.later_response_seconds_median",),
)
BUSINESS_LATER_RESPONSE = TileWords(
    "business_later_response",
    subject="support",
    title=N_("Later replies in business hours"),
    meaning=N_(
        "How long customers wait for each reply after the first of a conversation, where only time inside business "
        "hours counts: the median over all such replies to what was asked on these days."
    ),
    use=N_("Seeing whether chats are picked up and then left while the team is at work."),
    columns=("kpi.response_times_daily.business_later_response_seconds_median",),
)


def later_response(view: View, hours: Hours) -> Tile:
    """Median time of the replies that are not the first of their conversation."""
    words = BUSINESS_LATER_RESPONSE if hours.is_business else LATER_RESPONSE
    waits = (
        view.published.value("response_times_daily", name, view.period) or 0
        for name in ("answered_waits", "first_answered_waits")
    )
    answered, first = waits
    return over_days(
        view,
        words,
        "response_times_daily",
        hours.column("later_response_seconds_median"),
        Source("core.response_waits", hours.column("response_seconds"), "later"),
        base=view.ngettext("1 later reply", "{n} later replies", answered - first),
    )


RESOLUTION = TileWords(
    "resolution",
    subject="support",
    title=N_("Time to resolution"),
    meaning=N_(
        "From a customer's first message to the end of the conversation, day and night: the median over the "
        "conversations resolved on these days, be it by a mark as done or by ending answered."
    ),
    use=N_("Seeing how long it takes until a matter is settled. Long ones are not bad: some matters take long."),
    columns=("kpi.chats_resolved_daily.resolution_seconds_median",),
)


def resolution(view: View, hours: Hours) -> Tile:
    """Median time from a customer's first message to the resolution."""
    source = Source("core.conversations", "resolution_seconds", "resolution")
    base = view._("conversations that were resolved on these days")
    figure = over_days(view, RESOLUTION, "chats_resolved_daily", "resolution_seconds_median", source, base=base)
    return replace(figure, tag=view._("day and night")) if hours.is_business else figure
