"""Ingest: what to fetch next, fetching, cleaning, committing, quarantine.

What belongs here: the planner (pure), crawl runs, parsing of API records into rows, and the one transaction that keeps
rows and crawl state together. What does not: Dagster, engine-specific SQL, KPI logic.
"""
