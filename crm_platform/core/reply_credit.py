"""core.reply_credit: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.core.requests import of_message
from crm_platform.languages import N_, NN_
from crm_platform.schemas.base import CoreTable, date, text, timestamp


class ReplyCredit(CoreTable):
    """Every counted reply with the agent it is credited to."""

    key = ("chat_id", "message_id")
    row_words = NN_("1 reply", "{n} replies")
    fetches = (of_message("message_id"),)
    done_by = (("agent", ()),)
    is_by_chat = True

    chat_id = text("The chat.", published="chat")
    message_id = text("The reply.", published="message")
    replied_at = timestamp("When it was sent.", label=N_("Replied"))
    day = date("Local day of it.")
    agent = text("Its sender, else the chat's assignee at that time.", nullable=True)
