"""Ingest: what to fetch next, fetching, cleaning, committing, quarantine.

What belongs here: the planner (pure), crawl runs, parsing of API records into rows, and the one transaction that keeps
rows and crawl state together. What does not: Dagster, engine-specific SQL, KPI logic.
"""

from crm_platform.ingest.connect import open_client, open_gate, open_warehouse
from crm_platform.ingest.crawler import Outcome, Progress
from crm_platform.ingest.memory import PlannerMemory, expected_unseen
from crm_platform.ingest.operations import record_operation, record_requests
from crm_platform.ingest.outlook import Outlook, outlook, pace, seconds_by_schedule, seconds_of
from crm_platform.ingest.runs import RAW_TABLES, crawl, refresh
from crm_platform.ingest.standing import Standing, standing

__all__ = [
    "RAW_TABLES",
    "Outcome",
    "Outlook",
    "PlannerMemory",
    "Progress",
    "Standing",
    "crawl",
    "expected_unseen",
    "open_client",
    "open_gate",
    "open_warehouse",
    "outlook",
    "pace",
    "record_operation",
    "record_requests",
    "refresh",
    "seconds_by_schedule",
    "seconds_of",
    "standing",
]
