"""Tests of the core and KPI tables."""
