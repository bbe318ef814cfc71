"""Opt-outs: decided by the text alone, before it is dropped, and again when the words have changed."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_platform.api import Fetch, Message, Page
from crm_platform.ingest import open_warehouse
from crm_platform.ingest.batch import Batch
from crm_platform.ingest.opt_outs import LONGEST_TEXT, OptOutWords
from crm_platform.models.due import last_change
from crm_platform.settings import Settings
from crm_platform.warehouse import DuckDbWarehouse
from crm_platform_tests.in_process import CRAWL

NOW = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
WORDS = Settings().opt_out_words
DEFAULT = OptOutWords(WORDS)
PUNCTUATION = st.text("!?.,;:'\"()…¡¿*# \t\n\u200b\ufeff🛑🙏🏽", max_size=8)


def page(*messages: tuple[str, str, str | None], number: int = 1) -> Page[Message]:
    """A page of messages: id, direction, text."""
    at = NOW + dt.timedelta(minutes=number)
    fetch = Fetch(number, "list_messages", "chat", 1, 100, "newest", 1, at, at, 200, "ok", len(messages), None)
    records = tuple(
        Message(key, "text", text, direction, "received", NOW, False, None, {}) for key, direction, text in messages
    )
    return Page(records, (), 1, 100, len(messages), fetch)


def stored(warehouse: DuckDbWarehouse) -> dict[str, tuple[bool, str | None]]:
    with warehouse.reading() as session:
        rows = session.query("select message_id, is_opt_out, opt_out_word from raw.messages").to_pylist()
    return {row["message_id"]: (row["is_opt_out"], row["opt_out_word"]) for row in rows}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("STOP", "stop"),
        ("STOP!!!", "stop"),
        ("Stop.", "stop"),
        ("  stop\n", "stop"),
        ("S.T.O.P.", "stop"),
        ("ＳＴＯＰ", "stop"),
        ("𝐒𝐭𝐨𝐩", "stop"),
        ("st\u200bop\ufeff", "stop"),
        ("🛑 STOP 🛑", "stop"),
        ("stop👍🏽❤️", "stop"),
        ("“Stopp”", "stopp"),
        ("opt-out", "opt out"),
        ("Opt\u2013Out", "opt out"),
        ("OPT   \n OUT", "opt out"),
        ("un-subscribe", "unsubscribe"),
        ("Remove me, please", None),
        ("remove me!", "remove me"),
        ("Usinitumie 🙏", "usinitumie"),
        ("SITAKI", "sitaki"),
        ("stop it", None),
        ("st op", None),
        ("removeme", None),
        ("don't stop", None),
        ("stopping", None),
        ("🛑", None),
        ("...", None),
        ("", None),
        (None, None),
        ("none", None),
        ("stop" + "!" * LONGEST_TEXT, None),
        ("Ѕtop", None),  # a Cyrillic letter
    ],
)
def test_a_text_that_is_just_a_word_is_an_opt_out(text, word):
    """Field case 55."""
    assert DEFAULT.word_of(text) == word


@given(st.sampled_from(WORDS), PUNCTUATION, PUNCTUATION, st.sampled_from([str.upper, str.title, str.lower]))
def test_case_and_what_stands_round_a_word_change_nothing(word, before, after, spelt):
    assert DEFAULT.word_of(before + spelt(word) + after) == word


@given(st.text(max_size=60))
def test_no_text_is_an_error(text):
    assert DEFAULT.word_of(text) in {None, *WORDS}


def test_configured_words_are_read_the_same_way():
    named = Settings(opt_out_words="STOP!, Opt-Out , Ｎｏ  More,, opt out").opt_out_words
    assert named == ("stop", "opt out", "no more")
    assert Settings(opt_out_words="None").opt_out_words == ()
    assert OptOutWords(()).word_of("stop") is None


@pytest.mark.parametrize("wrong", ["!!!", "stop, 🛑", "x" * 101, ",".join(f"w{n}" for n in range(201))])
def test_what_is_no_word_is_refused(wrong):
    with pytest.raises(ValueError, match="write at most 200 words"):
        Settings(opt_out_words=wrong)


@pytest.mark.slow
@pytest.mark.parametrize("keep_text", [True, False])
def test_it_is_decided_before_a_text_is_dropped(tmp_path, keep_text):
    store = open_warehouse(Settings(data_dir=tmp_path))
    batch = Batch(keep_text=keep_text, opt_out_words=WORDS)
    batch.messages(
        "chat",
        page(("a", "inbound", "Stop."), ("b", "inbound", "Hi"), ("c", "inbound", None), ("d", "outbound", "STOP")),
    )
    batch.commit(store, CRAWL)
    no = (False, None)
    assert stored(store) == {"a": (True, "stop"), "b": no, "c": no, "d": no}
    with store.reading() as session:
        assert session.query("select count(content) as n from raw.messages")["n"][0].as_py() == (3 if keep_text else 0)


@pytest.mark.slow
def test_other_words_are_compared_with_every_text_that_is_kept(tmp_path):
    settings = Settings(data_dir=tmp_path)
    store = open_warehouse(settings)
    kept, dropped = Batch(opt_out_words=WORDS), Batch(keep_text=False, opt_out_words=WORDS)
    kept.messages("chat", page(("a", "inbound", "STOP"), ("b", "inbound", "Basta!"), ("c", "outbound", "basta")))
    dropped.messages("chat", page(("d", "inbound", "stop"), ("e", "inbound", "basta"), number=2))
    kept.commit(store, CRAWL)
    dropped.commit(store, CRAWL)
    before = stored(store)
    with store.reading() as session:
        changed_at = last_change(session)
    open_warehouse(settings)
    assert stored(store) == before, "the same words"
    open_warehouse(Settings(data_dir=tmp_path, opt_out_words="basta, finito"))
    no = (False, None)
    assert stored(store) == {"a": no, "b": (True, "basta"), "c": no, "d": (True, "stop"), "e": no}
    with store.reading() as session:
        assert last_change(session) > changed_at, "a build is due"
    open_warehouse(settings)
    assert stored(store) == before


def test_a_text_that_comes_again_is_decided_again(tmp_path):
    """A version without its text, of an earlier version of this platform, was no opt-out."""
    store = open_warehouse(Settings(data_dir=tmp_path))
    for number, words in enumerate([(), WORDS, WORDS], start=1):
        batch = Batch(keep_text=False, opt_out_words=words)
        batch.messages("chat", page(("a", "inbound", "stop"), number=number))
        written = batch.commit(store, CRAWL)
        assert stored(store)["a"][0] is (number > 1)
    assert [one.unchanged for one in written.values()] == [1]
