"""What events tell: the tiles of handoffs from bots to people and of the scores that customers gave.

What belongs here: these tiles with their words, shown where the tenant has such events. What does not: the response
times of all conversations (replies.py).
"""

from __future__ import annotations

from crm_platform.languages import N_
from crm_platform.serving.pages.tiles import Source, Tile, TileWords, over_days
from crm_platform.serving.pages.view import View

HANDED_OVER = TileWords(
    "handed_over",
    subject="support",
    title=N_("Handed to a person"),
    meaning=N_(
        "Of the conversations that began on these days and hold a message from the customer, the share that a bot "
        "handed to a person, then or later. The CRM tells it by events; what was not told is not in it."
    ),
    use=N_(
        "Seeing how much the bot leaves to people. A rising share says that it understands less, or that customers ask "
        "what it was not made for. The share of the newest days still grows."
    ),
    columns=("kpi.handoffs_daily.handoff_share",),
)
HUMAN_REPLY = TileWords(
    "human_reply",
    subject="support",
    title=N_("Reply after a handoff"),
    meaning=N_(
        "How long customers wait for a person once a bot has handed them over: from the first handoff of a "
        "conversation to the next reply in it, day and night, the median over the handoffs of these days that were "
        "answered. A bot that the settings do not name counts as a person."
    ),
    use=N_("Seeing whether somebody takes over when the bot lets go. Look at how many got no reply, too."),
    columns=("kpi.handoffs_daily.human_reply_seconds_median",),
)
SATISFIED = TileWords(
    "satisfied",
    subject="support",
    title=N_("Satisfied"),
    meaning=N_(
        "Of the conversations that customers gave a score of 1 to 5 on these days, the share with 4 or 5; of each "
        "conversation the newest score counts. The CRM tells it by events. Higher is better."
    ),
    use=N_(
        "Seeing whether those whom you helped are content. It is of those who answered: look at how many that is "
        "before you look at the share."
    ),
    columns=("kpi.satisfaction_daily.share_good",),
)


def tiles(view: View) -> list[Tile]:
    """The tiles of what the tenant has events of."""
    handoffs = [_handed_over(view), _human_reply(view)] if view.published.rows("handoffs_daily") else []
    return handoffs + ([_satisfied(view)] if view.published.rows("satisfaction_daily") else [])


def _handed_over(view: View) -> Tile:
    source = Source("kpi.handoffs_daily", "handed_over_conversations,conversations", "ratio")
    begun = view.published.value("handoffs_daily", "conversations", view.period) or 0
    base = view.ngettext("1 conversation that began", "{n} conversations that began", begun)
    return over_days(view, HANDED_OVER, "handoffs_daily", "handoff_share", source, base=base)


def _human_reply(view: View) -> Tile:
    answered, waiting, unanswered = (
        view.published.value("handoffs_daily", name, view.period) or 0
        for name in ("answered_handoffs", "open_handoffs", "unanswered_handoffs")
    )
    base = view.ngettext(
        "1 handoff that was answered; {waiting} still wait, {unanswered} got no reply",
        "{n} handoffs that were answered; {waiting} still wait, {unanswered} got no reply",
        answered,
        waiting=view.count(waiting),
        unanswered=view.count(unanswered),
    )
    source = Source("core.handoffs", "human_reply_seconds", "handoff")
    return over_days(view, HUMAN_REPLY, "handoffs_daily", "human_reply_seconds_median", source, base=base)


def _satisfied(view: View) -> Tile:
    source = Source("kpi.satisfaction_daily", "good,responses", "ratio")
    scores, rate = (
        view.published.value("satisfaction_daily", name, view.period) for name in ("responses", "response_rate")
    )
    base = view.ngettext("1 score", "{n} scores", scores or 0)
    if rate is not None:
        base += view._("; of the conversations marked as done on these days {share} got one", share=view.percent(rate))
    return over_days(view, SATISFIED, "satisfaction_daily", "share_good", source, base=base)
