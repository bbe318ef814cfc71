"""A CRM server written by a stranger to the contract alone, and the platform run against it as a user would.

What belongs here: `server.py` (that CRM), `reading.py` (what was published, against what the CRM really served), the
test. What does not: anything of `crm_platform.sandbox`, or of the platform's insides beyond its published files.
"""
