"""core.campaigns: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.languages import N_, NN_
from crm_platform.schemas.base import CoreTable, flag, integer, text, timestamp


class Campaigns(CoreTable):
    """Campaigns as they stood at the cut."""

    key = ("campaign_id",)
    row_words = NN_("1 campaign", "{n} campaigns")
    fetches = (
        "select fetch_id from behind",
        """
        select reports.fetch_id
        from behind
        join core.campaign_reports as reports on reports.campaign_id = behind.campaign_id
        """,
        """
        select statuses.fetch_id
        from behind
        join core.campaign_statuses as statuses on statuses.campaign_id = behind.campaign_id
        """,
    )

    campaign_id = text("The campaign.", label=N_("Campaign"))
    name = text("Its name.", nullable=True, published="masked", label=N_("Name"))
    status = text("Its status.", nullable=True, label=N_("Status"))
    sent_at = timestamp(
        "When it was sent, by the best that is known; NULL for a draft.",
        nullable=True,
        # Translators: when a campaign was sent
        label=N_("Sent"),
    )
    total_recipients = integer("Recipients by the campaign itself.", nullable=True)
    is_report_current = flag("Its report was fetched after its last change of status.")
    fetch_id = integer("Request that brought this version.")
