"""Looking a contact up by its number: one search, whatever form the CRM shows numbers in.

What belongs here: this. What does not: the operation (client.py), what becomes of who is found (ingest/, bulk/).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crm_platform.api.scalars import digits_of

if TYPE_CHECKING:
    from crm_platform.api.client import CrmClient
    from crm_platform.api.records import Contact, Page


def contacts_of_number(client: CrmClient, number: str, *, retries: int | None = None) -> Page[Contact]:
    """Find the contacts that have a number (with or without its plus), by one search; one page of these alone.

    Some CRMs show numbers without their plus: it is asked what ends with the digits, and all digits are compared.
    Raises what `search_contacts` does.
    """
    digits = digits_of(number)
    page = client.search_contacts("whatsapp_number", digits, "ends with", retries=retries)
    mine = tuple(one for one in page.records if digits_of(one.whatsapp_number or "") == digits)
    return replace(page, records=mine, rejected=())
