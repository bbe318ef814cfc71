"""KPI tables."""
