"""All that kpi.satisfaction_by_agent is."""
