"""All that kpi.satisfaction_daily is."""
