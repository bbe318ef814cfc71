"""All that kpi.support_by is."""
