"""Short commits beside the crawl: what people write down and decide, and what a new version brings.

What belongs here: taking turns at them. What does not: what is written.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crm_platform.warehouse.port import Commit, Lease, Warehouse

_PATIENCE: Final = 120.0  # seconds to wait for another one


@contextlib.contextmanager
def one_commit(store: Warehouse, *, purpose: str) -> Iterator[Commit]:
    """Commit once; others who write beside the crawl wait meanwhile. Raises Busy where one takes too long."""
    with taking_turns(store, purpose=purpose) as holder, store.committing(holder) as commit:
        yield commit


@contextlib.contextmanager
def taking_turns(store: Warehouse, *, purpose: str) -> Iterator[Lease]:
    """Be the only one who writes beside the crawl, for several commits."""
    with store.leases.take("write", purpose=purpose, wait=_PATIENCE) as holder:
        store.recover(holder)
        yield holder
