"""Field case 72: what looks like a person's never leaves in a value or a name; field case 76: nor does a megabyte."""

from __future__ import annotations

import time

import duckdb
import pytest

from crm_platform.publish.masking import LONGEST, masked_sql
from crm_platform.publish.pseudonyms import bind_key
from crm_platform.warehouse import DuckDbSession


def published(*texts: str | None) -> list[str | None]:
    with duckdb.connect() as connection:
        bind_key(DuckDbSession(connection), b"a key of this test")
        connection.execute("create table words as select unnest(?::varchar[]) as word", [list(texts)])
        return [word for (word,) in connection.execute(f"select {masked_sql('word')} from words").fetchall()]


@pytest.mark.parametrize(
    "text",
    [
        "jane@shop.example",
        "Jane <jane.doe+vip@mail.shop.example>",
        "mailto:jane@xn--bcher-kva.example",
        "joão@café.example",
        "jane＠shop.example",
        "254712345678@c.us",
        "for jane@shop.example, and john@shop.example",
    ],
)
def test_an_address_is_masked(text: str) -> None:
    (found,) = published(text)
    assert found is not None
    assert "[e-mail]" in found
    for part in ("jane", "joão", "254712", "john", "@", "＠"):
        assert part not in found.lower().replace("jane <", "")


@pytest.mark.parametrize(
    "text",
    [
        "254712345678",
        "+254712345678",
        "+254 712 345 678",
        "0712-345-678",
        "0712 345 678",
        "(020) 123 45 67",
        "+1 (555) 123-4567",
        "00254.712.345.678",
        "whatsapp:+254712345678",
        "+49 30 12 34 5",
        "٠٧١٢٣٤٥٦٧٨",
        "0712\u00a0345\u00a0678",
        "0712\u200b345\u200b678",
        "wa.me/254712345678",
        "call 0712345678 or 0722345678",
    ],
)
def test_a_number_is_masked(text: str) -> None:
    (found,) = published(text)
    assert found is not None
    assert "[number]" in found
    words = found.partition(" #")[0]
    assert sum(letter.isdigit() for letter in words) == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "(none)",
        "VIP",
        "Karibu 2026",
        "Black Friday 2026-11-27 10:00",
        "Sale 20261127-20261130",
        "27.11.2026 - 30.11.2026",
        "2026/11/27 2026/11/30",
        "Order 12345678",
        "50 % @ home",
        "#1 @shop",
        "x" * LONGEST,
        "naïve — “quoted” 😀",
        "it's",
    ],
)
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert published(text) == [text]


def test_nothing_stays_nothing_and_two_values_stay_two() -> None:
    one, other, again, nothing = published("jane@shop.example", "john@shop.example", "jane@shop.example", None)
    assert nothing is None
    assert one == again
    assert one != other


def test_a_megabyte_is_cut_with_a_mark_and_costs_no_time() -> None:
    began = time.process_time()
    long = "1 " * 500_000
    cut, other, hidden = published(long, long + "1", "a" * 150 + " jane@shop.example " + "b" * 1_000_000)
    assert cut is not None
    assert hidden is not None
    assert len(cut) < LONGEST + 20
    assert cut != other
    assert "…" in hidden
    assert "jane" not in hidden
    assert published("a@" * 400_000, "(" * 400_000, "1" * 400_000)
    assert time.process_time() - began < 10
