"""Opt-outs: which word a message's text is, before any text is dropped.

What belongs here: comparing a text with the configured words, and deciding again for stored texts when the words have
changed. What does not: the form that both are compared in (spellings.py), the default words (settings/), taking one
back by hand, what follows from an opt-out (core/).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

from crm_platform.schemas import raw
from crm_platform.spellings import plain_words

if TYPE_CHECKING:
    from crm_platform.warehouse import Commit

LONGEST_TEXT: Final = 200
"""Characters of a text that may be an opt-out: a word, and what stands round it. A longer one says more than that."""

_DASHES: Final = (" ", "")  # what a dash may stand for: opt-out, un-subscribe

_SHORT_TEXTS: Final = "select distinct content from raw.messages where direction = 'inbound' and length(content) <= ?"

_DECIDED_OTHERWISE: Final = """
    select
        messages.chat_id,
        messages.message_id,
        decided.word is not null as is_opt_out,
        decided.word as opt_out_word
    from raw.messages as messages
    left join decided on decided.content = messages.content
    where messages.direction = 'inbound' and messages.content is not null
        and messages.opt_out_word is distinct from decided.word
"""


class OptOutWords:
    """The words that say that somebody wants no more messages, in the form that settings give them."""

    def __init__(self, words: tuple[str, ...] = ()) -> None:
        self._words = frozenset(words)
        self._letters = {word.replace(" ", "") for word in words}

    def word_of(self, text: str | None) -> str | None:
        """Give the word that a text is, whatever its case, punctuation and spaces; None where it is none of them."""
        if not text or not self._words or len(text) > LONGEST_TEXT:
            return None
        if plain_words(text).replace(" ", "") not in self._letters:  # a dash more or less changes no letter
            return None
        return next((word for dash in _DASHES if (word := plain_words(text, dash=dash)) in self._words), None)


def decide_again(commit: Commit, words: tuple[str, ...]) -> int:
    """Decide for every inbound message whose text is kept; one without a text stays as it was decided.

    Returns how many changed.
    """
    known, found = OptOutWords(words), commit.query(_SHORT_TEXTS, [LONGEST_TEXT])["content"]
    texts = (text for chunk in found.chunks for text in chunk.to_pylist())
    decided = {text: word for text in texts if (word := known.word_of(text)) is not None}
    columns = {"content": pa.array(decided.keys(), pa.string()), "word": pa.array(decided.values(), pa.string())}
    changed = commit.query(_DECIDED_OTHERWISE, tables={"decided": pa.table(columns)})
    commit.touch(raw.Messages, changed)
    return int(changed.num_rows)
