"""All that kpi.contacts_by_country is."""
