"""All that kpi.conversations_daily is."""
