"""All that kpi.backlog_daily is."""
