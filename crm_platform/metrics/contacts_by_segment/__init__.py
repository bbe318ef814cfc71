"""All that kpi.contacts_by_segment is."""
