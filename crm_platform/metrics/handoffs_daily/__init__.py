"""All that kpi.handoffs_daily is."""
