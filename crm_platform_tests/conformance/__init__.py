"""One SQL, two engines: every model gives the same cells on DuckDB and on ClickHouse's engine.

What belongs here: running both on the same rows, comparing. What does not: which figure is right (models/, oracle/).
"""
