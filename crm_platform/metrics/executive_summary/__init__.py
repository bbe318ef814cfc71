"""All that kpi.executive_summary is."""
