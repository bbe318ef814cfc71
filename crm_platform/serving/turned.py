"""What is done when a new snapshot stands, where a Redis is configured: its answers are put there, and it is told.

What belongs here: that one step, for who publishes. What does not: publishing (publish/), the answers (kpi_api.py), how
they are kept (hot.py).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from crm_platform.errors import CrmPlatformError

if TYPE_CHECKING:
    from crm_platform.settings import Settings

_log = logging.getLogger(__name__)


def tell_turned(settings: Settings) -> None:
    """Put the answers of the current snapshot into Redis and tell that it stands; without a Redis, nothing.

    A Redis that is away is logged and no more: readers have the snapshot's file.
    """
    if settings.redis_url is None:
        return
    from crm_platform.serving.hot import put  # noqa: PLC0415 - who has no Redis needs none of it
    from crm_platform.serving.kpi_api import answers  # noqa: PLC0415
    from crm_platform.serving.snapshots import Snapshots  # noqa: PLC0415

    try:
        found = Snapshots(settings).current()
        if found is not None:
            put(settings, found.version, answers(found), turned=found.snapshot.id)
    except CrmPlatformError as problem:
        _log.warning("the new snapshot stands, and Redis was not told: %s", problem)
