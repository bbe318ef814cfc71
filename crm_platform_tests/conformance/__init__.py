"""One SQL, two engines: every model gives the same cells on DuckDB and on ClickHouse's engine.

What belongs here: running both on the same rows and comparing. What does not: what the right figure is (models/, oracle/).
"""
