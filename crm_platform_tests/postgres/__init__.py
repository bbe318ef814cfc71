"""What needs a real Postgres: leases of several hosts, Dagster's storage, and what becomes of both when it is killed."""
