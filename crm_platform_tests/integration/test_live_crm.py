"""The client against a live CRM: `pytest crm_platform_tests/integration`, with CRM_BASE_URL and CRM_API_KEY set.

Read-only unless `--crm-writes` is given (then name the folder, as above: pytest learns the option from it); what is
created is deleted again in any case, also when a test fails. Campaigns cannot be deleted through the API and send
messages to people, so no campaign is created in a CRM that is not our own sandbox. About 20 requests. Without a
configured CRM a sandbox is started, so that this never goes untested.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import secrets
from collections.abc import Iterator

import pytest

from crm_platform.api import Contact, CrmClient, Receiver
from crm_platform.errors import NotFound, Unauthorized
from crm_platform.settings import load_settings

# The North American plan keeps 555-0100 to 555-0199 free of subscribers: nobody's number.
FREE_NUMBERS = "+120255501"


@pytest.fixture(scope="session")
def some_contact(live: CrmClient) -> Contact:
    page = live.list_contacts(limit=20)
    assert page.records, "the CRM has no contact to look at"
    return page.records[0]


def test_contacts_are_listed(live: CrmClient):
    first = live.list_contacts(page=1, limit=20)
    assert not first.rejected
    assert first.total is not None
    assert len(first.records) == min(20, first.total)
    assert first.fetch.outcome == "ok"


def test_contacts_are_found(live: CrmClient, some_contact: Contact):
    assert some_contact.whatsapp_number
    found = live.search_contacts("whatsapp_number", some_contact.whatsapp_number, "equal to")
    assert some_contact.chat_id in [contact.chat_id for contact in found.records]


def test_messages_are_read_from_both_ends(live: CrmClient, some_contact: Contact):
    newest = live.list_messages(some_contact.chat_id, limit=100, sort="newest")
    oldest = live.list_messages(some_contact.chat_id, limit=100, sort="oldest")
    assert not newest.rejected
    for page, is_backwards in ((newest, True), (oldest, False)):
        moments = [message.timestamp for message in page.records]
        assert moments == sorted(moments, reverse=is_backwards)
    now = dt.datetime.now(dt.UTC)
    assert all(message.timestamp < now + dt.timedelta(minutes=5) for message in newest.records)


def test_custom_fields_are_read(live: CrmClient, some_contact: Contact):
    known = {field.custom_field_id for field in live.list_custom_fields().records}
    values = live.contact_custom_fields(some_contact.chat_id)
    assert not values.rejected
    assert {value.field_id for value in values.records} <= known


def test_campaigns_and_a_report_are_read(live: CrmClient):
    page = live.list_campaigns(limit=20)
    assert not page.rejected
    for campaign in page.records[:1]:
        report = live.campaign_report(campaign.campaign_id).value
        assert report.campaign_id == campaign.campaign_id
        assert report.total_recipients is None or report.total_recipients >= 0


def test_what_is_not_there_is_not_found(live: CrmClient):
    with pytest.raises(NotFound):
        live.campaign_report(f"no-such-{secrets.token_hex(4)}")


def test_a_wrong_key_is_refused(live: CrmClient):
    from pydantic import SecretStr

    with CrmClient(live._base_url, SecretStr("wrong"), gate=live._gate) as stranger, pytest.raises(Unauthorized):
        stranger.list_custom_fields()


@contextlib.contextmanager
def a_contact(live: CrmClient) -> Iterator[Contact]:
    """A contact of ours, gone afterwards."""
    number = f"{FREE_NUMBERS}{secrets.randbelow(100):02}"
    made = live.create_contact(number, name="crm_platform integration test").value
    try:
        yield made
    finally:
        with contextlib.suppress(NotFound):
            live.delete_contact(made.chat_id)


def test_writes_are_seen_by_later_reads_and_cleaned_up(live: CrmClient, may_write: bool):
    """Without leave to write, the same calls are rehearsed: everything but the sending."""
    if not may_write:
        rehearse_writes()
        return
    with a_contact(live) as made:
        assert made.whatsapp_number
        found = live.search_contacts("whatsapp_number", made.whatsapp_number, "equal to")
        assert made.chat_id in [contact.chat_id for contact in found.records]
        assert live.list_messages(made.chat_id).records == ()
        live.mark_as_done(made.chat_id, resolution_notes="integration test")
    with pytest.raises(NotFound):
        live.delete_contact(made.chat_id)
    field = live.create_custom_field(f"crm_platform test {secrets.token_hex(4)}").value
    try:
        assert field.custom_field_id in [one.custom_field_id for one in live.list_custom_fields().records]
    finally:
        live.delete_custom_field(field.custom_field_id)
    assert field.custom_field_id not in [one.custom_field_id for one in live.list_custom_fields().records]


def test_campaigns_of_our_own_sandbox_are_sent(live: CrmClient, may_write: bool):
    if not load_settings().is_sandbox:
        rehearse_writes()
        return
    with a_contact(live) as made:
        assert made.whatsapp_number
        receivers = [Receiver(made.whatsapp_number, {"1": "Amina"})]
        draft = live.create_campaign("integration test", template_name="t", receivers=receivers).value
        copy = live.clone_campaign(draft.campaign_id, new_name="integration test 2", receivers=receivers).value
        live.trigger_campaign(copy.campaign_id)
        statuses = {one.campaign_id: one.status for one in live.list_campaigns().records}
        assert statuses[draft.campaign_id] == "draft"
        assert statuses[copy.campaign_id] != "draft"


def rehearse_writes() -> None:
    """What would be sent is what the contract says."""
    from crm_platform.api.rehearsal import rehearse

    receivers = [Receiver("+254712345678", {})]
    assert rehearse(lambda c: c.create_contact("+254712345678")).path == "/crm/chat"
    assert rehearse(lambda c: c.delete_contact("x")).method == "DELETE"
    assert rehearse(lambda c: c.create_campaign("n", template_name="t", receivers=receivers)).path == "/crm/campaign"
