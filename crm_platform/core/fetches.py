"""core.fetches: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.schemas.base import CoreTable, count, integer, text, timestamp


class Fetches(CoreTable):
    """The requests that what is published came from, and the last visit of each chat."""

    key = ("fetch_id",)

    fetch_id = integer("The request.")
    operation = text("Which of the API's operations.")
    chat_id = text("The chat asked about.", nullable=True, published="chat")
    campaign_id = text("The campaign asked about.", nullable=True)
    page = integer("Page asked for.", nullable=True)
    started_at = timestamp("When it was sent.")
    finished_at = timestamp("When the answer came.")
    http_status = integer("HTTP status.", nullable=True)
    outcome = text("ok, or what went wrong.")
    records = count("Records in the answer.")
