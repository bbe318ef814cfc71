"""core.campaign_reports: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.languages import N_
from crm_platform.schemas.base import CoreTable, integer, text, timestamp


class CampaignReports(CoreTable):
    """The newest report of each campaign."""

    key = ("campaign_id",)

    campaign_id = text("The campaign.")
    first_fetched_at = timestamp("Start of the request that first brought this content.")
    last_fetched_at = timestamp("Start of the last request that still brought it.")
    total_recipients = integer("Recipients.", nullable=True)
    delivered = integer("Delivered.", nullable=True)
    read = integer("Read.", nullable=True)
    replied = integer("Replied.", nullable=True)
    failed = integer("Failed.", nullable=True)
    delivery_rate = text("The API's own text.", nullable=True)
    read_rate = text("The API's own text.", nullable=True, label=N_("Read rate as the CRM writes it"))
    reply_rate = text("The API's own text.", nullable=True, label=N_("Reply rate as the CRM writes it"))
    fetch_id = integer("Request that brought this content.")
