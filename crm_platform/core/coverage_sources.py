"""core.coverage_sources: its declaration; the SQL that fills it stands beside it."""

from __future__ import annotations

from crm_platform.schemas.base import CoreTable, rate


class CoverageSources(CoreTable):
    """One row: how complete the reports and the contact list are."""

    key = ()

    reports = rate("Campaigns whose report was fetched after their last change of status, of all.")
    contacts = rate("Contacts seen by the newest sweep, of its total (or of those in doubt); NULL before one.")
