"""Catalogs hold every word of the code and no other, with the same places; and what a language makes of them."""

from __future__ import annotations

import ast
import datetime as dt
import io
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages import Catalog, Message
from babel.messages.pofile import read_po

import crm_platform
from crm_platform import languages
from crm_platform.errors import FixConfiguration
from crm_platform.languages import ENGLISH, NP_, Language, catalog_path
from crm_platform.settings import load_settings
from tools import words as tool

ROOT = Path(crm_platform.__file__).parent
CODES = [code for code in languages.languages() if catalog_path(code).exists()]
SAYING = {"_": 1, "gettext": 1, "N_": 1, "pgettext": 2, "NP_": 2, "ngettext": 2, "NN_": 2, "npgettext": 3}
"""Functions that say words, or mark them, and how many of their arguments are words."""
NO_BREAK = "\u00a0\u202f"
"""Blanks that some languages have before a semicolon."""


@pytest.fixture(scope="module")
def words() -> Catalog:
    return tool.words()


def catalog(code: str) -> Catalog:
    with catalog_path(code).open("rb") as file:
        return read_po(file)


def key(message: Message) -> tuple[str | None, object]:
    return message.context, message.id


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("code", CODES)
def test_a_catalog_says_every_word_and_no_other(code: str, words: Catalog):
    there = {key(message): message for message in catalog(code) if message.id}
    needed = {key(message) for message in words if message.id}
    assert needed - there.keys() == set(), "missing: `make words`, then translate what it adds"
    assert there.keys() - needed == set(), "not used any more: `make words`"
    assert [one for one, message in there.items() if not all(tool.forms(message))] == [], "not translated"
    assert [one for one, message in there.items() if message.fuzzy] == [], "to be looked at"


@pytest.mark.slow
@pytest.mark.parametrize("code", CODES)
def test_a_translation_has_the_places_of_its_source(code: str):
    for message in catalog(code):
        if not message.id:
            continue
        sources = [message.id] if isinstance(message.id, str) else list(message.id)
        for translation in tool.forms(message):
            # A plural form may leave out the number, as `1` does, or `both` would.
            assert places(translation) - {"n"} == places(sources[-1]) - {"n"}, (message.id, translation)
            assert places(translation) <= places(sources[-1]), (message.id, translation)
    many = [message for message in catalog(code) if isinstance(message.id, tuple)]
    assert len(many) > 20
    assert all("n" in places(tool.forms(message)[-1]) or "{n}" not in message.id[1] for message in many)


@pytest.mark.parametrize("code", CODES)
def test_blanks_and_stops_at_the_ends_are_those_of_the_source(code: str):
    """Sentences are put together of parts: ` · not the chosen days`, `, {n} joined {when}`."""
    for message in catalog(code):
        source = message.id if isinstance(message.id, str) else message.id[1]
        for translation in tool.forms(message) if source else ():
            assert translation.strip(" ") == translation or source != source.strip(), (source, translation)
            began = source[: len(source) - len(source.lstrip(" ,;·"))]
            assert translation.lstrip(NO_BREAK).startswith(began), (source, translation)
            assert translation.endswith(".") == source.endswith(".") or " " not in source, (source, translation)


@pytest.mark.slow
@pytest.mark.parametrize("code", CODES)
def test_a_catalog_is_as_make_words_writes_it(code: str, words: Catalog, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(tool, "catalog_path", lambda _: tmp_path / "crm.po")
    monkeypatch.setattr(tool, "SOURCE", tmp_path / "crm_platform")
    (tmp_path / "crm.po").write_bytes(catalog_path(code).read_bytes())
    tool.refresh(code, words)
    assert (tmp_path / "crm.po").read_text("utf-8") == catalog_path(code).read_text("utf-8")


def said() -> Iterator[tuple[Path, ast.expr]]:
    """Every argument of the code that should be words."""
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                inside = {getattr(one.func, "attr", getattr(one.func, "id", "")) for one in _calls(node)}
                assert not inside & SAYING.keys(), (path, ast.unparse(node))
            if isinstance(node, ast.Call):
                function = getattr(node.func, "attr", getattr(node.func, "id", ""))
                for argument in node.args[: SAYING.get(function, 0)]:
                    yield path, argument


def _calls(within: ast.AST) -> Iterator[ast.Call]:
    calls = (node for node in ast.walk(within) if isinstance(node, ast.Call) and node.args)
    return (node for node in calls if isinstance(node.args[0], ast.Constant))


def test_what_the_code_says_is_found(words: Catalog):
    """Extraction reads tokens: it overlooks words inside f-strings, and those put together as they are said."""
    found = {
        part for message in words if message.id for part in (message.context, *_parts(message)) if part is not None
    }
    literals = 0
    for path, argument in said():
        assert not isinstance(argument, ast.JoinedStr | ast.BinOp), (path, ast.unparse(argument))
        if isinstance(argument, ast.Constant) and path.name != "languages.py":
            literals += 1
            assert argument.value in found, (path, argument.value)
    assert literals > 300


def _parts(message: Message) -> tuple[str, ...]:
    return (message.id,) if isinstance(message.id, str) else message.id


# What a language makes of them.


def test_english_is_what_a_language_says_where_its_catalog_has_no_words():
    swahili = Language("sw")
    assert swahili.gettext("Never heard {name}", name="of") == "Never heard of"
    assert swahili.gettext(NP_("nowhere", "Executive")) == "Executive"
    assert swahili.ngettext("1 elephant", "{n} elephants", 1) == "1 elephant"
    assert swahili.ngettext("1 elephant", "{n} elephants", 2000) == "2,000 elephants"
    assert Language("xx").gettext("Median") == "Median"


def test_a_place_that_only_a_catalog_knows_ends_in_english(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    made = Catalog(locale="sw")
    made.add("It was {value}", "Ilikuwa {thamani}")
    made.add("As of {time}", "Hadi {time")
    file = io.BytesIO()
    tool.write_po(file, made)
    path = tmp_path / "crm.po"
    path.write_bytes(file.getvalue())
    monkeypatch.setattr(languages, "catalog_path", lambda _: path)
    language = Language("made-for-this-test")
    assert language.gettext("It was {value}", value=3) == "It was 3"
    assert language.gettext("As of {time}", time="noon") == "As of noon"


def test_context_and_number_choose_the_words():
    swahili = Language("sw")
    assert (swahili.gettext("Executive"), swahili.gettext(NP_("title", "Executive"))) == (
        "Muhtasari",
        "Muhtasari wa uongozi",
    )
    assert swahili.ngettext("1 campaign", "{n} campaigns", 1) == "kampeni 1"
    assert swahili.ngettext("1 campaign", "{n} campaigns", 1234) == "kampeni 1,234"


@pytest.mark.parametrize("code", languages.languages())
def test_a_language_writes_numbers_durations_and_dates(code: str):
    language, day = Language(code), dt.date(2026, 9, 22)
    assert language.name
    assert language.day(day) != language.day(day, year=False)
    assert "22" in language.day(day)
    assert "2026" in language.month(day)
    assert len({language.weekday(number) for number in range(7)}) == 7
    assert len({language.weekdays(number) for number in range(7)}) == 7
    assert len({language.duration(seconds) for seconds in (1, 60, 3600, 86_400)}) == 4
    assert language.number(1234.5, ",.1f")[-1] == "5"
    assert language.region("KE")
    assert language.tag == code.replace("_", "-")


def test_english_dates_are_as_they_always_were():
    assert ENGLISH.day(dt.date(2026, 9, 2)) == "2 Sep 2026"
    assert ENGLISH.day(dt.date(2026, 9, 2), year=False) == "2 Sep"
    assert ENGLISH.month(dt.date(2026, 9, 2)) == "Sep 2026"
    assert ENGLISH.month(dt.date(2026, 9, 2), year=False) == "Sep"
    assert ENGLISH.duration(11_400) == "3 h 10 min"
    assert ENGLISH.duration(11_100) == "3 h 05 min"


def test_the_setting_names_the_languages_there_are():
    assert load_settings(language="sw").language == Language("sw")
    with pytest.raises(FixConfiguration, match=r"CRM_LANGUAGE: 'tlh' is no language .*; write one of en, .*sw"):
        load_settings(language="tlh")
