"""Confirming a snapshot: a later build would give its figures again.

What belongs here: noting in the current manifest when that was found. What does not: whether figures stand
(models/standing.py), how old is too old (settings).

Figures stand where nobody wrote to the warehouse. Nobody does either where the crawl has stopped, and then what stands
is not what the CRM has: where it has not answered within `settings.refresh_every`, nothing is confirmed.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from crm_platform.publish.files import CONFIRMING, replace_sealed
from crm_platform.publish.manifest import CURRENT, MANIFEST, Snapshot, current, read_manifest
from crm_platform.warehouse import leases_of

if TYPE_CHECKING:
    from crm_platform.settings import Settings
    from crm_platform.warehouse import Models, Warehouse


def confirm(
    models: Models, live: Warehouse, *, settings: Settings, now: dt.datetime, wait: float = 60.0
) -> Snapshot | None:
    """The current snapshot where its figures stand, confirmed; None where there is something to compute.

    `now`: aware, the time of the question; `wait`: seconds, for a publisher. Where the CRM was silent for too long the
    snapshot is given as it is. Raises Busy while another process publishes, GiveUp when the current snapshot is broken.
    """
    from crm_platform.models.standing import answered_at, standing_cut  # noqa: PLC0415 - readers need no templates

    as_of, shown = standing_cut(models, live, settings=settings, now=now), current(settings)
    if as_of is None or shown is None or shown.as_of != as_of or not shown.database.is_file():
        return None
    answered = answered_at(models)
    if answered is None or now - answered > settings.refresh_every:
        return shown
    folder = settings.published_dir
    with leases_of(settings).take("publish", purpose="confirm", wait=wait):
        if (folder / CURRENT).resolve() != shown.path:
            return None
        manifest = read_manifest(shown.path).model_copy(update={"confirmed_at": now.astimezone(dt.UTC)})
        replace_sealed(shown.path / MANIFEST, manifest.text(), draft=folder / CONFIRMING)
    return Snapshot.of(manifest, shown.path)
