"""The CRM's API: typed client, its records, and the gate that every request passes.

What belongs here: everything about talking to the CRM, and the published contract's tools. What does not: Dagster, SQL,
deciding what to fetch. With `alerts/`, the only importer of httpx.
"""

from __future__ import annotations

from crm_platform.api.arguments import LARGEST_PAGE, SEARCH_CONDITIONS, SEARCH_FIELDS, SORTS
from crm_platform.api.client import CrmClient
from crm_platform.api.connection import FetchIds, utc_now
from crm_platform.api.gate import Allowance, Closed, Gate, OpenGate, Slot, SqliteGate
from crm_platform.api.instants import FIRST_BELIEVED, FUTURE_TOLERANCE, Believable
from crm_platform.api.operations import OPERATIONS, Operation
from crm_platform.api.records import (
    Answer,
    Assignment,
    Campaign,
    CampaignReport,
    Contact,
    CustomField,
    CustomFieldValue,
    Extra,
    Fetch,
    Message,
    Page,
    Receiver,
    Rejected,
    Trigger,
)

__all__ = [
    "FIRST_BELIEVED",
    "FUTURE_TOLERANCE",
    "LARGEST_PAGE",
    "OPERATIONS",
    "SEARCH_CONDITIONS",
    "SEARCH_FIELDS",
    "SORTS",
    "Allowance",
    "Answer",
    "Assignment",
    "Believable",
    "Campaign",
    "CampaignReport",
    "Closed",
    "Contact",
    "CrmClient",
    "CustomField",
    "CustomFieldValue",
    "Extra",
    "Fetch",
    "FetchIds",
    "Gate",
    "Message",
    "OpenGate",
    "Operation",
    "Page",
    "Receiver",
    "Rejected",
    "Slot",
    "SqliteGate",
    "Trigger",
    "utc_now",
]
