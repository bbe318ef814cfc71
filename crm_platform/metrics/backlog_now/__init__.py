"""All that kpi.backlog_now is."""
