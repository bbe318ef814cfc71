"""The forms that spellings are compared in: stable, the same for every spelling, and never longer than a key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_platform.spellings import LONGEST_KEY, plain_words, staff_key

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@pytest.mark.parametrize(
    "spelling",
    [
        "jane@shop.example",
        "Jane@Shop.example",
        " JANE@SHOP.EXAMPLE\n",
        "\u00a0jane@shop.example\u3000",
        "ｊａｎｅ＠ｓｈｏｐ．ｅｘａｍｐｌｅ",
    ],
)
def test_spellings_of_an_address_have_one_key(spelling):
    """Field case 44."""
    assert staff_key(spelling) == "jane@shop.example"


@pytest.mark.parametrize(("one", "other"), [("Zoë", "ZOE\u0308"), ("STRASSE", "straße"), ("ﬁona", "FIONA"), ("Σ", "ς")])
def test_letters_have_one_form(one, other):
    assert staff_key(one) == staff_key(other)


@pytest.mark.parametrize("nothing", [None, "", " ", "\u3000\t"])
def test_an_empty_identifier_is_absent(nothing):
    assert staff_key(nothing) is None


@given(TEXTS)
def test_the_key_of_a_key_is_that_key(text):
    key = staff_key(text)
    assert staff_key(key) == key
    assert plain_words(plain_words(text)) == plain_words(text)


@pytest.mark.parametrize("long", ["a" * 10_000, "\ufdfa" * LONGEST_KEY, "a" * (LONGEST_KEY - 1) + " b"])
def test_a_key_is_bounded(long):
    key = staff_key(long)
    assert key is not None
    assert len(key) <= LONGEST_KEY
    assert staff_key(key) == key


def test_marks_that_belong_to_letters_stay():
    """Hindi for "stop" and for "wait" differ in a vowel sign alone."""
    assert plain_words("रोको!") == "रोको" != plain_words("रुको")
