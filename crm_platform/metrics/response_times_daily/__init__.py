"""All that kpi.response_times_daily is."""
