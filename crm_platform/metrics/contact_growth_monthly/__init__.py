"""All that kpi.contact_growth_monthly is."""
