"""How soon an own CRM shows figures: see __main__."""
