"""All that kpi.contact_activity_daily is."""
