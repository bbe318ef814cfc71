"""One thing, spelt in many ways: the forms that spellings of an identifier, or of a word, are compared in.

What belongs here: these forms, for settings, ingest and models alike. What does not: who an identifier belongs to
(core.agent_aliases), which words mean what (settings/), telephone numbers (api/scalars.py).
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

LONGEST_KEY: Final = 512
"""Characters of a staff identifier that are compared."""

_IS_DASH: Final = frozenset({"Pd", "Pc"})  # hyphens, dashes, underscores
# Marks that change how a sign is drawn and no word: variation selectors, the grapheme joiner.
_DRAWS: Final = frozenset(map(chr, (0x034F, *range(0x180B, 0x180E), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))


@lru_cache(maxsize=4096)
def staff_key(identifier: str | None) -> str | None:
    """Give the form that identifiers of staff are compared in: NFKC, case-folded, trimmed; None for an empty one.

    The key of a key is that key.
    """
    return (_folded(identifier).strip()[:LONGEST_KEY].rstrip() or None) if identifier else None


def plain_words(text: str, *, dash: str = " ") -> str:
    """Give the form that a text is compared with words in: letters and digits, case-folded, with single spaces.

    Punctuation, symbols, emoji and invisible characters are left out, marks that belong to letters stay. A dash
    between words becomes `dash`: `opt-out` is `opt out`, or `optout` with an empty one.
    """
    return " ".join(_folded(text).translate(_characters(dash)).split())


def _folded(text: str) -> str:
    """Fold compatibility forms and case: full-width letters are letters. Folded once more it stays the same."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


class _Characters(dict[int, str | None]):
    """What each character is in a word: itself, a space, or nothing; decided when it is first met."""

    def __init__(self, dash: str) -> None:
        super().__init__()
        self._dash = dash

    def __missing__(self, code: int) -> str | None:
        char = chr(code)
        category = unicodedata.category(char)
        if char.isspace():
            word = " "
        elif category in _IS_DASH:
            word = self._dash
        else:
            word = char if category[0] in "LMN" and category != "Me" and char not in _DRAWS else ""
        self[code] = word or None  # nothing: Python is quick at leaving out a character, and slow at an empty text
        return self[code]


_characters: Final = lru_cache(maxsize=16)(_Characters)
