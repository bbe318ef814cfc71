"""Receipts: what a published figure is made of, down to the requests it came from, and why it moved.

What belongs here: which figure is asked for (keys.py, bounds.py), the rows behind it and its value over a range of days
(behind.py), these rows for people (listing.py), its receipt (receipt.py), two snapshots compared (moved.py,
reasons.py). What does not: which rows those are (metrics/), computing what is published (models/), showing it
(serving/, cli). All answers come from published snapshots alone.
"""

from crm_platform.receipts.behind import OpenedSnapshot, opened
from crm_platform.receipts.keys import figure_columns
from crm_platform.receipts.listing import Listing, listing
from crm_platform.receipts.moved import Moved, Movement, Reason, all_moved_since, moved, moved_since, why
from crm_platform.receipts.receipt import Fetched, Receipt, Taken, receipt

__all__ = [
    "Fetched",
    "Listing",
    "Moved",
    "Movement",
    "OpenedSnapshot",
    "Reason",
    "Receipt",
    "Taken",
    "all_moved_since",
    "figure_columns",
    "listing",
    "moved",
    "moved_since",
    "opened",
    "receipt",
    "why",
]
