"""Ingest: what to fetch next, fetching, cleaning, committing, quarantine.

What belongs here: the planner (pure), crawl runs, parsing of API records into rows, and the one transaction that keeps
rows and crawl state together. What does not: Dagster, engine-specific SQL, KPI logic.
"""

from crm_platform.ingest.connect import existing_store, open_client, open_gate, open_warehouse
from crm_platform.ingest.crawler import Outcome, Progress
from crm_platform.ingest.memory import PlannerMemory, expected_unseen
from crm_platform.ingest.outlook import Outlook, outlook, pace, seconds_by_schedule, seconds_of
from crm_platform.ingest.presence import JudgedSweep, accept_sweep, judged_sweeps
from crm_platform.ingest.runs import crawl, refresh
from crm_platform.ingest.standing import standing
from crm_platform.ingest.trouble import missed
from crm_platform.ingest.upgrade import upgrade

__all__ = [
    "JudgedSweep",
    "Outcome",
    "Outlook",
    "PlannerMemory",
    "Progress",
    "accept_sweep",
    "crawl",
    "existing_store",
    "expected_unseen",
    "judged_sweeps",
    "missed",
    "open_client",
    "open_gate",
    "open_warehouse",
    "outlook",
    "pace",
    "refresh",
    "seconds_by_schedule",
    "seconds_of",
    "standing",
    "upgrade",
]
