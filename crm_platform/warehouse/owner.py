"""Whose data a warehouse holds: that of one CRM, never of two.

What belongs here: the mark in `ops.meta`, giving one to a warehouse that has none, refusing another CRM's. What does
not: how a CRM is named (settings.crm_name), asking whether a CRM has moved (cli/adopt.py).

Two CRMs in one warehouse give figures of neither: contacts of both are counted, and each one's sweep makes the other's
contacts gone. So whoever fetches into a warehouse or builds from it claims it first.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Final

from crm_platform.errors import FixConfiguration
from crm_platform.schemas import ops
from crm_platform.settings import SANDBOX_NAME
from crm_platform.warehouse.commits import taking_turns

if TYPE_CHECKING:
    from crm_platform.settings import Settings
    from crm_platform.warehouse.port import Lease, Session, Warehouse

CRM: Final = "crm"
"""Name of the mark in ops.meta."""

_PURPOSE: Final = "noting whose data this is"
_UNNAMED: Final = "a CRM that an earlier version did not note"


def owner(session: Session) -> str | None:
    """Whose data a warehouse holds, as settings.crm_name writes it; None when that was never noted."""
    if not session.has(ops.Meta):
        return None
    found = session.query(f"select value from {ops.Meta.full_name()} where name = ?", [CRM])["value"].to_pylist()
    return str(found[0]) if found else None


def claim(store: Warehouse, settings: Settings) -> None:
    """Make sure that a warehouse belongs to the CRM of the settings. A new one becomes its warehouse.

    One of an earlier version has no mark: what was published from it tells whether it was the sandbox's. Raises
    FixConfiguration, naming both, when it is another CRM's.
    """
    with store.reading() as session:
        known = owner(session)
    if known is None:
        known = _claim_first(store, settings)
    if not _is_same(known, settings):
        raise FixConfiguration(refusal(known, settings))


def _claim_first(store: Warehouse, settings: Settings) -> str:
    """Note whose data it is, unless somebody has noted it meanwhile; says whose."""
    with taking_turns(store, purpose=_PURPOSE) as holder:
        with store.reading() as session:
            known = owner(session)
        if known is None:
            known = _published_of(settings) or settings.crm_name
            if _is_same(known, settings):
                _note(store, holder, settings.crm_name)
        return known


def adopt(store: Warehouse, crm: str) -> None:
    """Note whose data a warehouse holds from now on."""
    with taking_turns(store, purpose=_PURPOSE) as holder:
        _note(store, holder, crm)


def _note(store: Warehouse, holder: Lease, crm: str) -> None:
    store.prepare([ops.Meta])
    now = dt.datetime.now(dt.UTC)
    with store.committing(holder) as commit:
        commit.merge(ops.Meta, ops.Meta.rows([{"name": CRM, "value": crm, "changed_at": now}]))


def refusal(known: str, settings: Settings) -> str:
    """Say whose data is there, whose is asked for, and what to do."""
    there = "the sandbox's made-up data" if known == SANDBOX_NAME else f"the data of {known}"
    here = "the sandbox (CRM_BASE_URL is not set)" if settings.is_sandbox else settings.crm_name
    moved = (
        "" if settings.is_sandbox or known == SANDBOX_NAME else "; if it is the same CRM at a new address: crm adopt"
    )
    return (
        f"{settings.root} holds {there}, and this is {here}: two CRMs are never mixed. Give this one a folder of its"
        f" own, CRM_DATA_DIR=…, or set CRM_BASE_URL as it was{moved}"
    )


def _is_same(known: str, settings: Settings) -> bool:
    return known == settings.crm_name or (known == _UNNAMED and not settings.is_sandbox)


def _published_of(settings: Settings) -> str | None:
    """Whose data the snapshot is that this folder published last; None when there is none that can be read."""
    if settings.published_dir.is_symlink():
        return None  # the demo's, shown here until there is one of this folder
    try:
        manifest = json.loads((settings.published_dir / "current" / "manifest.json").read_bytes())
        return manifest.get(CRM) or (SANDBOX_NAME if manifest["is_sandbox"] else _UNNAMED)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
