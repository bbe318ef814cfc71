"""All that kpi.campaign_performance is."""
