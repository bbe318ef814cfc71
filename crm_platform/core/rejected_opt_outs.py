"""core.rejected_opt_outs: its declaration; a build's freeze fills it."""

from __future__ import annotations

from crm_platform.schemas.base import CoreTable, text


class RejectedOptOuts(CoreTable):
    """Words and messages that are no opt-outs, as people said by hand."""

    key = ("kind", "value")
    is_published = False

    kind = text("Whether a word or one message.", allowed=("word", "message"))
    value = text("The word as raw.messages has it, or the message's id.")
