"""All that kpi.contact_retention_monthly is."""
