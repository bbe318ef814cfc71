"""Thin Dagster bindings: assets, checks, resources, jobs, schedules, sensors.

What belongs here: what Dagster needs to know of the other packages, a few lines each. What does not: logic that a test
would want to call without Dagster.
"""
