"""What Dagster's storage in Postgres costs a refresh, beside SQLite."""
