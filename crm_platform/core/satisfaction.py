"""core.satisfaction: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.core.requests import VISIT, of_message
from crm_platform.languages import N_, NN_
from crm_platform.schemas.base import CoreTable, date, integer, text, timestamp


class Satisfaction(CoreTable):
    """Scores that contacts gave, by events: of each conversation the newest."""

    key = ("chat_id", "first_message_id")
    row_words = NN_("1 score that a customer gave", "{n} scores that customers gave")
    fetches = (of_message("first_message_id"), VISIT)
    is_by_chat = True
    done_by = (("agent", ()),)

    chat_id = text("The chat.", published="chat")
    first_message_id = text("First message of the conversation that the score is of.", published="message")
    # Translators: when a customer gave a score
    scored_at = timestamp("When the score was given.", label=N_("Scored"))
    # Translators: what a customer answered to a survey, from 1 to 5
    score = integer("From 1 (worst) to 5 (best).", minimum=1, maximum=5, label=N_("Score"))
    origin = text("Origin of its conversation.", nullable=True, allowed=("campaign", "organic"))
    agent = text("Who resolved its conversation, else who wrote its last reply.", nullable=True)
    region = text("ISO country code of the contact's number.", nullable=True)
    day = date("Local day of scored_at.")
