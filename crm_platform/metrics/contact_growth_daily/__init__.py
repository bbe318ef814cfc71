"""All that kpi.contact_growth_daily is."""
