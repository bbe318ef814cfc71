"""core.campaign_statuses: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.languages import NN_
from crm_platform.schemas.base import CoreTable, flag, integer, text, timestamp


class CampaignStatuses(CoreTable):
    """Every status that a campaign was seen in by the cut."""

    key = ("campaign_id", "observed_at")
    row_words = NN_("1 campaign", "{n} campaigns")
    fetches = ("select fetch_id from behind",)

    campaign_id = text("The campaign.")
    observed_at = timestamp("Start of the request that saw the status.")
    status = text("The status.", nullable=True)
    is_change = flag("A change that was observed; false for the status a campaign was first seen in.")
    fetch_id = integer("Request that saw it.")
