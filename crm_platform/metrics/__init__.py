"""KPI tables: a folder a table, which is all that the table is.

What belongs here: `<table>/table.py` (the declaration: of each figure the rows it is computed from, which of them, how,
and what readers call it), `<table>/reading.md` (what its figures are for), `<table>/example.md` (worked by hand, and
run as a test), a SQL file where a figure is no aggregate of rows; rows that several tables share (rows.py). What does
not: anything that is said of a figure elsewhere. A folder that is put here is found: its asset, checks, snapshot,
receipts, API, pages and documents follow.
"""

from __future__ import annotations

import importlib
import pkgutil

for _folder in pkgutil.iter_modules(__path__):
    if _folder.ispkg:
        importlib.import_module(f"{__name__}.{_folder.name}.table")
