"""Rows on their way into the warehouse."""

import datetime as dt

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_platform.api import CampaignReport, Fetch, Message, Page
from crm_platform.ingest import open_warehouse
from crm_platform.ingest.batch import Batch, region_of
from crm_platform.schemas import raw
from crm_platform.settings import Settings
from crm_platform_tests.in_process import CRAWL

CALLING_CODES = st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)).map(str)
NUMBERS = st.tuples(
    st.sampled_from(["", "+"]), CALLING_CODES | st.just("0"), st.text("0123456789", max_size=14) | st.just(" x")
)


@given(NUMBERS.map("".join))
def test_a_region_is_what_the_whole_number_says(number):
    try:
        whole = phonenumbers.parse(f"+{number.removeprefix('+')}", None)
        region = phonenumbers.region_code_for_number(whole)
    except phonenumbers.NumberParseException:
        region = None
    assert region_of(number) == (region if region and region.isalpha() else None)


NOW = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)


def fetch(number: int, *, operation: str = "campaign_report") -> Fetch:
    at = NOW + dt.timedelta(minutes=number)
    return Fetch(number, operation, "k", None, None, None, 1, at, at, 200, "ok", 1, None)


def report(extra: dict[str, object], **figures: object) -> CampaignReport:
    names = ("name", "total_recipients", "delivered", "read", "replied", "failed")
    texts = ("delivery_rate", "read_rate", "reply_rate")
    return CampaignReport(campaign_id="k", extra=extra, **{**dict.fromkeys((*names, *texts)), **figures})


def test_a_report_is_another_one_by_its_figures_alone(tmp_path):
    """Field case 27: what else a report says is kept at its newest, and is no change."""
    store = open_warehouse(Settings(data_dir=tmp_path))
    last = None
    given = [({"generated_at": 1}, 5), ({"generated_at": 2}, 5), ({}, 5), ({"generated_at": 3}, 6)]
    for number, (extra, delivered) in enumerate(given, start=1):
        batch = Batch()
        batch.report(report(extra, delivered=delivered), fetch(number), last=last)
        batch.commit(store, CRAWL)
        with store.reading() as session:
            rows = session.query("select * from raw.campaign_reports order by first_fetched_at").to_pylist()
        last = (rows[-1]["content_hash"], rows[-1]["first_fetched_at"])
    told = [(row["delivered"], row["extra"], row["first_fetch_id"], row["fetch_id"]) for row in rows]
    assert told == [(5, None, 1, 3), (6, '{"generated_at": 3}', 4, 4)]


def test_what_the_contract_does_not_name_is_no_change(tmp_path):
    """Field case 27: a version is another one by its declared fields; the rest is kept at its newest."""
    store = open_warehouse(Settings(data_dir=tmp_path))

    def merge(number: int, *contacts: dict[str, object]) -> tuple[int, int, int]:
        at = NOW + dt.timedelta(minutes=number)
        seen = {"created_at_was_naive": False, "first_fetched_at": at, "fetched_at": at}
        rows = [{**seen, "first_fetch_id": number, "fetch_id": number, **contact} for contact in contacts]
        with store.writing() as session:
            written = session.merge(raw.Contacts, raw.Contacts.rows(rows))
        return written.inserted, written.updated, written.unchanged

    assert merge(2, {"chat_id": "a", "extra": '{"v": 1}'}, {"chat_id": "b"}) == (2, 0, 0)
    assert merge(3, {"chat_id": "a", "extra": '{"v": 2}'}, {"chat_id": "b", "extra": '{"v": 9}'}) == (0, 0, 2)
    assert merge(4, {"chat_id": "a", "extra": '{"v": 3}', "name": "A"}, {"chat_id": "b", "extra": None}) == (0, 1, 1)
    assert merge(1, {"chat_id": "a", "extra": '{"v": 0}'}) == (0, 0, 1)
    with store.reading() as session:
        rows = session.query("select chat_id, extra, fetch_id, name from raw.contacts order by chat_id").to_pylist()
    assert [tuple(row.values()) for row in rows] == [("a", '{"v": 3}', 4, "A"), ("b", None, 2, None)]


def test_a_batch_knows_its_bytes(tmp_path):
    """Field case 16."""
    batch = Batch()
    before = batch.bytes
    batch.add(raw.Contacts, {"chat_id": "c" * 100, "name": None})
    assert batch.bytes - before == 100
    sent = Message("m", "text", "x" * 50_000, "inbound", "read", NOW, False, None, {"odd": "y" * 1_000})
    batch.messages("c", Page((sent,) * 3, (), 1, 100, 3, fetch(1, operation="list_messages")))
    assert 150_000 + 3_000 <= batch.bytes < 160_000
    quiet = Batch(keep_text=False)
    quiet.messages("c", Page((sent,), (), 1, 100, 3, fetch(1, operation="list_messages")))
    assert quiet.bytes < 2_000
    batch.rows.clear()
    batch.commit(open_warehouse(Settings(data_dir=tmp_path)), CRAWL)
    assert batch.bytes == 0


@pytest.mark.parametrize("number", ["1" * 100_000, "+" + "2" * 40, "", None, "0712345678", "unknown"])
def test_what_is_no_number_has_no_region(number):
    """Field case 26."""
    assert region_of(number) is None
