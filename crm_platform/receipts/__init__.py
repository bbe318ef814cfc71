"""Receipts: what a published figure is made of, down to the requests it came from, and why it moved.

What belongs here: the rows behind each figure (lineage.py), one figure's receipt (receipt.py), two snapshots compared
(moved.py). What does not: computing what is published (models/), showing it (serving/, cli). All answers come from
published snapshots alone.
"""

from crm_platform.receipts.lineage import POOLED
from crm_platform.receipts.moved import Moved, Movement, Reason, moved, moved_since, why
from crm_platform.receipts.receipt import Fetched, OpenedSnapshot, Receipt, Taken, figure_columns, opened, receipt

__all__ = [
    "POOLED",
    "Fetched",
    "Moved",
    "Movement",
    "OpenedSnapshot",
    "Reason",
    "Receipt",
    "Taken",
    "figure_columns",
    "moved",
    "moved_since",
    "opened",
    "receipt",
    "why",
]
