"""Bring every catalog up to the words of the code, or begin one: `make words`, `make words NEW=de`.

What belongs here: finding the words and merging them into the catalogs. What does not: using them
(crm_platform/languages.py).

What is new in the code stands in each catalog with an empty translation; what has changed stands there with the old
translation, marked `fuzzy`, and is not used until somebody has looked at it and removed the mark; what is gone is gone.
"""

from __future__ import annotations

import argparse
import datetime as dt
import io
from difflib import SequenceMatcher
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.messages import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po, write_po

from crm_platform.languages import CATALOGS, ENGLISH, catalog_path, languages

SOURCE = CATALOGS.parent
KEYWORDS = {**DEFAULT_KEYWORDS, "NN_": (1, 2), "NP_": ((1, "c"), 2)}
METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2.ext:babel_extract")]
FOR_TRANSLATORS = "Translators:"  # how a comment of the code begins that is meant for them
CLOSE = 0.85  # of 1, the same: a translation of less alike words is no help
WIDTH = 110  # characters
HEAD = """\
# {name}: every word that people read. The English ones stand in the code.
# docs/languages.md tells how to work on this file.
# While the next line says `fuzzy`, the pages call this language unreviewed. Remove it
# when somebody who speaks the language has read all of it."""


def words() -> Catalog:
    """Give all words of the code, in its order."""
    found = Catalog()
    for file, _, message, comments, context in extract_from_dir(
        SOURCE, METHODS, keywords=KEYWORDS, comment_tags=(FOR_TRANSLATORS,), strip_comment_tags=True
    ):
        found.add(message, locations=[(Path(file).as_posix(), 0)], auto_comments=comments, context=context)
    return found


def begin(code: str) -> Catalog:
    """Begin a language's catalog."""
    locale = Locale.parse(code)
    return Catalog(
        locale=locale,
        header_comment=HEAD.format(name=locale.english_name),
        project="crm_platform",
        version="1",
        msgid_bugs_address="the maintainers",
        revision_date=dt.datetime.now(dt.UTC),
        last_translator="nobody yet",
        language_team=locale.english_name,
        fuzzy=True,
    )


def forms(message: Message) -> list[str]:
    """The translations of a message: one, or one for each plural form."""
    return [message.string or ""] if isinstance(message.string, str | None) else list(message.string)


def is_close(message: Message) -> bool:
    """Whether a message is one that was there before, in slightly other words."""
    words = message.id if isinstance(message.id, str) else message.id[0]
    return SequenceMatcher(None, words, message.previous_id[0]).ratio() > CLOSE


def refresh(code: str, found: Catalog) -> str:
    """Write a language's catalog with these words, and say what is left to do."""
    path = catalog_path(code)
    catalog = read_po(io.BytesIO(path.read_bytes())) if path.exists() else begin(code)
    catalog.update(found, update_creation_date=False)
    for message in catalog:
        message.flags.discard("python-format")  # `95 % of` is none: places are written {so}
        if message.previous_id and not is_close(message):
            message.string = "" if isinstance(message.id, str) else ("",) * catalog.num_plurals
            message.previous_id = []
            message.flags.discard("fuzzy")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:  # no line numbers and nothing that is gone: only what changed differs
        write_po(file, catalog, width=WIDTH, include_lineno=False, ignore_obsolete=True)
    every = [message for message in catalog if message.id]
    missing = sum(not all(forms(message)) for message in every)
    fuzzy = sum(message.fuzzy for message in every)
    return f"{path.relative_to(SOURCE.parent)}: {len(every)} messages, {missing} missing, {fuzzy} to be looked at"


def main() -> None:
    """Write every catalog anew, and that of a language that is begun."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("language", nargs="?", help="A language to begin: de, pt_BR.")
    new = parser.parse_args().language
    there = [code for code in languages() if catalog_path(code).exists()]
    try:
        is_known = new is None or (str(Locale.parse(new)) == new and new != ENGLISH.code)
    except (UnknownLocaleError, ValueError):
        is_known = False
    if not is_known:
        parser.error(f"{new} is no language to translate to; write a code such as de or pt_BR")
    found = words()
    for code in dict.fromkeys([*there, *([new] if new else [])]):
        print(refresh(code, found))


if __name__ == "__main__":
    main()
