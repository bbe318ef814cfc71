"""All that kpi.agents_daily is."""
