"""One SQL, two engines: every model and every question gives the same on DuckDB and on a ClickHouse server.

What belongs here: running both on the same rows, comparing. What does not: which figure is right (models/, oracle/).
"""
