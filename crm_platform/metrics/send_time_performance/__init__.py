"""All that kpi.send_time_performance is."""
