"""Receipts: what a published figure is made of, down to the requests it came from, and why it moved.

What belongs here: which figure is asked for (keys.py, bounds.py), the rows behind it and its value over a range of days
(behind.py), these rows for people (listing.py), its receipt (receipt.py), a snapshot of some contacts or agents alone
(narrowed.py, choices.py), what may be said of a change (claims.py), two snapshots compared: a figure (moved.py,
reasons.py, redefined.py) or all of them (rebuilt.py). What does not: which rows those are (metrics/), computing what is
published (models/), showing it (serving/, cli). All answers come from published snapshots alone.
"""

from crm_platform.receipts.behind import OpenedSnapshot, opened
from crm_platform.receipts.keys import figure_columns
from crm_platform.receipts.listing import Listing, listing
from crm_platform.receipts.moved import Movement, Reason, moved_since, why
from crm_platform.receipts.rebuilt import Changes, Moved, TableChange, all_moved_since, changes, changes_since, moved
from crm_platform.receipts.receipt import Fetched, Receipt, Taken, receipt

__all__ = [
    "Changes",
    "Fetched",
    "Listing",
    "Moved",
    "Movement",
    "OpenedSnapshot",
    "Reason",
    "Receipt",
    "TableChange",
    "Taken",
    "all_moved_since",
    "changes",
    "changes_since",
    "figure_columns",
    "listing",
    "moved",
    "moved_since",
    "opened",
    "receipt",
    "why",
]
