"""What each figure of the pages is called, what it means, and what it is good for.

What belongs here: English words, marked for the catalogs, in the terms of docs/definitions.md. What does not: computing
a figure, and names of columns (column_words.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from crm_platform.languages import N_, NP_, Words


@dataclass(frozen=True, slots=True)
class FigureWords:
    """A figure in words. `{target}` is the first response target."""

    title: Words
    meaning: str
    use: str


FIGURE_WORDS: Final[Mapping[str, FigureWords]] = {
    "first_response": FigureWords(
        N_("First response time"),
        N_(
            "How long customers wait for the first reply of a conversation: from their oldest message "
            "without a reply to the next reply by your team, day and night, weekends too. The figure is the "
            "median: of the first replies to what was asked on these days half came sooner, half later. A "
            "conversation begins when a chat was quiet for 24 hours. Not in it: chats that never got a reply "
            "(the answer rate tells those), chats still waiting, templates of campaigns, messages that "
            "failed, and conversations whose beginning is not known."
        ),
        N_(
            "Seeing whether customers are kept waiting. Compare it with the target, and look at the chart by "
            "day before blaming anybody: on a day when nobody works the wait lasts until the next morning."
        ),
    ),
    "within_target": FigureWords(
        N_("Answered within {target}"),
        N_(
            "Of the conversations that got a first reply or were missed, the share that got it within "
            "{target}. All of them would be 100 %; no other goal is set for it. Higher is better."
        ),
        N_("Seeing whether the promise is kept. It moves when a few replies are late, before the median does."),
    ),
    "answer_rate": FigureWords(
        N_("Answer rate"),
        N_(
            "Of the conversations that wanted a first reply and either got one or are over (missed), the "
            "share that got one. Chats that still wait count neither way. Higher is better."
        ),
        N_(
            "Seeing whether anybody is forgotten. A quick median with a low answer rate means that the easy "
            "chats are answered."
        ),
    ),
    "missed": FigureWords(
        N_("Missed"),
        N_(
            "Conversations that wanted a first reply, got none and are over: quiet for more than 24 hours. "
            "Fewer is better."
        ),
        N_(
            "Finding days on which nobody answers. These chats are in no response time, so a day can look "
            "quick and still leave half of its customers alone."
        ),
    ),
    "trailing": FigureWords(
        N_("Thanks and the like"),
        N_(
            "A customer wrote once more after your reply, nobody wrote back, and the conversation is over. "
            "Mostly a thank-you, so it counts neither as answered nor as missed."
        ),
        N_("Nothing to chase: they are shown so that the counts add up."),
    ),
    "open_waits": FigureWords(
        N_("Chats waiting"),
        N_(
            "Customers who wrote and have no reply yet, in conversations that are not over. It is compared "
            "with the end of the day a week ago, which is another time of day."
        ),
        N_("Deciding who answers next. The chart of ages tells how many are old."),
    ),
    "windows": FigureWords(
        N_("Lose their window in 2 h"),
        N_(
            "Of the chats waiting, those whose 24-hour window since the customer's last message lapses "
            "within two hours. After that WhatsApp allows templates only. Fewer is better."
        ),
        N_("Answering these first: in two hours only a paid template can reach them."),
    ),
    "resolved": FigureWords(
        N_("Chats resolved"),
        N_(
            "Conversations that somebody marked as done, or that ended answered and stayed quiet for a day. "
            "More of them says little by itself: look at how many came in, and at the chats waiting."
        ),
        N_("Seeing how much is brought to an end. Read it beside the chats waiting."),
    ),
    "total_contacts": FigureWords(
        N_("Contacts"),
        N_("Contacts the CRM lists now. Who was missing from two complete counts running has left."),
        N_("Knowing the size of the audience."),
    ),
    "growth": FigureWords(
        N_("Monthly growth"),
        N_("Contacts at the end of the last complete month against its start. Higher is better."),
        N_("Seeing whether the audience grows, month by month. The running month is not in it."),
    ),
    "active_30d": FigureWords(
        N_("Active contacts"),
        N_("Contacts who wrote at least once in the last 30 full days. Receiving a campaign makes nobody active."),
        N_("Knowing how much of a segment still talks to you."),
    ),
    "campaigns": FigureWords(
        N_("Campaigns sent"),
        N_(
            "Campaigns sent on these days that have recipients and a report that does not contradict itself; "
            "drafts and scheduled ones are not sent yet."
        ),
        N_("Knowing how much the rates rest on."),
    ),
    "recipients": FigureWords(
        N_("Recipients"),
        N_("People these campaigns were sent to, counted once a campaign."),
        N_("Knowing how many were reached for."),
    ),
    "delivery_rate": FigureWords(
        N_("Delivery rate"),
        N_("Of the recipients of campaigns, the share whose message was delivered. Higher is better."),
        N_("Finding dead numbers and blocked templates."),
    ),
    "read_rate": FigureWords(
        N_("Read rate"),
        N_(
            "Of the messages delivered by the campaigns sent on these days, the share that was read. "
            "Campaigns that are not settled are in it: their rates still rise. Readers who hide their read "
            "receipts count as not read. Higher is better."
        ),
        N_(
            "Judging subject and time of sending. Choose campaigns and compare them: the page says whether "
            "the difference may be chance."
        ),
    ),
    "reply_rate": FigureWords(
        NP_("campaigns", "Reply rate"),
        N_(
            "Of the messages delivered by the campaigns sent on these days, the share that got a reply. "
            "Campaigns that are not settled are in it: their rates still rise. Higher is better."
        ),
        N_("Judging whether a campaign starts conversations. A delivered campaign needs three days to settle."),
    ),
    "read_rate_settled": FigureWords(
        N_("Read rate, settled"),
        N_(
            "Of the messages delivered by settled campaigns of the last 30 full days, the share that was "
            "read. Settled: completed or failed, and sent at least 72 hours ago. The campaigns page counts "
            "those that are not settled too, so its rate differs. Higher is better."
        ),
        N_("Comparing months: only campaigns whose numbers have come to rest are in it."),
    ),
    "reply_rate_settled": FigureWords(
        N_("Reply rate, settled"),
        N_(
            "Of the messages delivered by settled campaigns of the last 30 full days, the share that got a "
            "reply. Settled: completed or failed, and sent at least 72 hours ago. Higher is better."
        ),
        N_("Comparing months: only campaigns whose numbers have come to rest are in it."),
    ),
    "active_campaigns": FigureWords(
        N_("Active campaigns"),
        N_("Campaigns that are active or in progress now."),
        N_("Knowing what is being sent now."),
    ),
    "return": FigureWords(
        N_("Return on campaigns"),
        N_("Value gained less cost, over cost, of the campaigns whose cost and value are given in campaign_costs.csv."),
        N_(
            "Judging what campaigns bring, if you keep campaign_costs.csv in the data folder: campaign_id or "
            "name, cost, value, currency. Without the file it is not shown."
        ),
    ),
}

EXPLAINED: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "support": (
        N_("Support"),
        ("first_response", "within_target", "answer_rate", "missed", "trailing", "open_waits", "windows", "resolved"),
    ),
    "contacts": (N_("Contacts"), ("total_contacts", "growth", "active_30d")),
    "campaigns": (
        N_("Campaigns"),
        (
            "campaigns",
            "recipients",
            "delivery_rate",
            "read_rate",
            "reply_rate",
            "read_rate_settled",
            "reply_rate_settled",
            "active_campaigns",
            "return",
        ),
    ),
}
"""Groups of the page of figures: title, and the figures in their order."""
