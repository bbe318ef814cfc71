"""Ingest: what to fetch next, fetching, cleaning, committing, quarantine.

What belongs here: the planner (pure), crawl runs, parsing of API records into rows, and the one transaction that keeps
rows and crawl state together. What does not: Dagster, engine-specific SQL, KPI logic.
"""

from crm_platform.ingest.accounts import Outcome, Progress
from crm_platform.ingest.completeness import Completeness, completeness, pace, seconds_by_schedule, seconds_of
from crm_platform.ingest.connect import existing_store, open_client, open_gate, open_warehouse
from crm_platform.ingest.crawl_run import crawl
from crm_platform.ingest.planner_store import PlannerStore, expected_unseen
from crm_platform.ingest.presence import JudgedSweep, accept_sweep, judged_sweeps
from crm_platform.ingest.refresh_run import refresh
from crm_platform.ingest.timeliness import timeliness
from crm_platform.ingest.trouble import missed
from crm_platform.ingest.upgrade import upgrade

__all__ = [
    "Completeness",
    "JudgedSweep",
    "Outcome",
    "PlannerStore",
    "Progress",
    "accept_sweep",
    "completeness",
    "crawl",
    "existing_store",
    "expected_unseen",
    "judged_sweeps",
    "missed",
    "open_client",
    "open_gate",
    "open_warehouse",
    "pace",
    "refresh",
    "seconds_by_schedule",
    "seconds_of",
    "timeliness",
    "upgrade",
]
