"""All that kpi.engagement_monthly is."""
