"""core.work: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.core.requests import of_message
from crm_platform.languages import N_, NN_
from crm_platform.schemas.base import CoreTable, date, text, timestamp


class Work(CoreTable):
    """Replies and resolutions within the leaderboard's reach, each with the agent it is credited to."""

    key = ("kind", "chat_id", "message_id")
    row_words = NN_("1 thing that an agent did", "{n} things that agents did")
    fetches = (of_message("message_id"),)
    done_by = (("agent", ()),)

    kind = text("What was done.", allowed=("reply", "resolution"))
    chat_id = text("The chat.", published="chat")
    message_id = text("The reply, or the first message of the conversation.", published="message")
    # Translators: when an agent did something, or marked a wait as done
    done_at = timestamp("When.", label=N_("Done"))
    day = date("Local day of it.")
    agent = text("The sender or marker, else the chat's assignee at that time.", nullable=True)
