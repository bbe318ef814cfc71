"""What needs a real Postgres: the leases of several hosts, Dagster's storage, and both while it is killed."""
