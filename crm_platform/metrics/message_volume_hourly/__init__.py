"""All that kpi.message_volume_hourly is."""
