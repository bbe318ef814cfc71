"""Values as settings write them: numbers, days, lists, names of things that there are, secrets and their files.

What belongs here: reading one. Each function gives what is meant, or raises ValueError with what to write. What does
not: which setting holds which (variables.py), addresses (addresses.py), business hours (business_hours.py).
"""

from __future__ import annotations

import codecs
import contextlib
import datetime as dt
import functools
import importlib.resources
import io
import os
import re
import stat
from pathlib import Path

from pydantic import BeforeValidator, SecretStr

from crm_platform.errors import quoted
from crm_platform.languages import languages
from crm_platform.spellings import plain_words, staff_key

_LEAST_SECRET = 16  # characters of a role's secret: more than anybody guesses over the network
LONGEST = 65_536  # characters of a setting, bytes of a secret's file: a list of a thousand senders is half of it
LONGEST_LIST = 1_000_000  # bytes of a file that people keep by hand: 50,000 numbers
_MOST_FIELDS, _LONGEST_FIELD = 50, 200  # custom fields: each is a table's column of values, and a choice on a page
_MOST_WORDS, _LONGEST_OPT_OUT = 200, 100  # what people write to opt out is short


def number(least: float, most: float, *, or_none: bool = False) -> BeforeValidator:
    """Read a number, whole where the bounds are. ASCII digits alone: `٣`, `1_000`, `inf` and `nan` are none.

    `or_none`: the word `none` gives 0, a limit that is lifted on purpose; None is one that is not set.
    """
    is_whole = isinstance(least, int)
    pattern = r"[0-9]{1,18}" if is_whole else r"([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,3})?"

    def read(value: object) -> object:
        if or_none and (value == 0 or (isinstance(value, str) and value.lower() == "none")):
            return 0
        number = value
        if isinstance(value, str) and re.fullmatch(pattern, value, re.IGNORECASE):
            number = int(value) if is_whole else float(value)
        if number is None or (isinstance(number, int | float) and least <= number <= most):
            return number
        kind = "whole number" if is_whole else "number"
        advice = f"write a {kind} from {least:,.12g} to {most:,.12g}{', or none' if or_none else ''}"
        raise ValueError(f"{quoted(value)} is refused; {advice}")

    return BeforeValidator(read)


def separated(value: object) -> object:
    """Read a list with commas between its parts."""
    return tuple(filter(None, (part.strip() for part in value.split(",")))) if isinstance(value, str) else value


def custom_fields(names: tuple[str, ...]) -> tuple[str, ...]:
    """Read names of custom fields, not too many."""
    if len(names) > _MOST_FIELDS or any(len(name) > _LONGEST_FIELD for name in names):
        raise ValueError(
            f"write at most {_MOST_FIELDS} names of custom fields, each of at most {_LONGEST_FIELD} characters"
        )
    return names


def custom_field(name: str) -> str:
    """Read the name of a custom field."""
    return custom_fields((name,))[0]


def staff(identifiers: tuple[str, ...]) -> tuple[str, ...]:
    """Read identifiers of staff, in the form that they are compared in."""
    return tuple(dict.fromkeys(filter(None, map(staff_key, identifiers))))


def opt_out_words(words: tuple[str, ...]) -> tuple[str, ...]:
    """Read what people write to opt out, in the form that messages are compared with; `none` alone: no word is one."""
    plain = tuple(dict.fromkeys(map(plain_words, words)))
    if plain == ("none",):
        return ()
    if len(plain) > _MOST_WORDS or not all(0 < len(word) <= _LONGEST_OPT_OUT for word in plain):
        raise ValueError(
            f"write at most {_MOST_WORDS} words or short phrases of letters and digits, each of at most"
            f" {_LONGEST_OPT_OUT} characters, or none"
        )
    return plain


def days(value: object) -> object:
    """Read a list of days."""
    texts = separated(value)
    return tuple(map(_day, texts)) if isinstance(texts, tuple) else texts


def _day(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        day = dt.date.fromisoformat(value) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value) else dt.date.min
    except ValueError:
        day = dt.date.min
    if not 1970 <= day.year <= 2200:
        raise ValueError(f"{quoted(value)} is no date; write 2026-12-25,2026-12-26")
    return day


def language(value: object) -> object:
    """Read the code of a language that there is."""
    if not isinstance(value, str):
        return value
    if value not in languages():
        raise ValueError(
            f"{quoted(value)} is no language that there are words for; write one of {', '.join(languages())}"
        )
    return languages()[value]


def time_zone(name: str) -> str:
    """Read the name of a time zone that there is."""
    if name not in _zones():
        meant = next((zone for zone in _zones() if zone.lower() == name.lower()), "")
        advice = f"did you mean {meant}?" if meant else "write an IANA name such as Africa/Nairobi"
        raise ValueError(f"{quoted(name)} is not a time zone; {advice}")
    return name


@functools.cache
def _zones() -> frozenset[str]:
    """Every zone there is by IANA. A machine's own files hold others, such as `localtime`, that no engine knows."""
    names = importlib.resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    return frozenset(names) - {"Factory"}  # a placeholder for a machine whose zone was never set


def data_folder(path: Path) -> Path:
    """Read the path of a folder that is there, or can be made."""
    advice = "name a folder of yours, which is made if it is not there"
    try:
        folder = path.expanduser().resolve()
        if any(len(os.fsencode(part)) > 255 for part in folder.parts) or len(os.fsencode(folder)) > 3000:
            raise ValueError(f"{quoted(str(path))} is too long for a file system; {advice}")
        is_folder = True
        with contextlib.suppress(FileNotFoundError):
            is_folder = stat.S_ISDIR(folder.stat().st_mode)
    except (OSError, RuntimeError) as problem:  # RuntimeError: links in a circle, `~somebody` who is not there
        why = getattr(problem, "strerror", None) or "no such path"
        raise ValueError(f"{quoted(str(path))} cannot be used ({why}); {advice}") from None
    if not is_folder:
        raise ValueError(f"{quoted(str(path))} is a file; {advice}")
    return path


def api_key(key: SecretStr) -> SecretStr:
    """Read the CRM's key, which goes into a header."""
    if not re.fullmatch(r"[\x21-\x7e]+", key.get_secret_value()):
        raise ValueError("the key holds spaces, line breaks or characters that no header can carry")
    return key


def role_secret(secret: SecretStr) -> SecretStr:
    """Read a secret that opens pages, which must be hard to guess."""
    if not re.fullmatch(rf"[\x21-\x7e]{{{_LEAST_SECRET},}}", secret.get_secret_value()):
        raise ValueError(
            f"write {_LEAST_SECRET} or more letters, digits and signs, no spaces; openssl rand -hex 32 makes one"
        )
    return secret


def secret_in(path: Path) -> str:
    """Read the one line of a secret's file."""
    text = text_in(path, of="the secret", most=LONGEST).strip()
    if len(text.splitlines()) != 1:
        found = "several lines" if text else "nothing"
        raise ValueError(f"{quoted(str(path))} holds {found}; write the secret alone, in one line")
    return text


def text_in(path: Path, *, of: str, most: int) -> str:
    """Read a plain file of at most `most` bytes, of whatever encoding it says itself to be in. `of`: what it holds."""
    try:
        path = path.expanduser()
        # What is no file, a device or a pipe, may have no end, or wait for a writer for ever.
        is_plain = stat.S_ISREG(path.stat().st_mode)
        with path.open("rb") if is_plain else io.BytesIO() as file:
            content = file.read(most + 1)
    except (OSError, RuntimeError, ValueError) as problem:
        why = getattr(problem, "strerror", None) or "it is no path"
        raise ValueError(f"{quoted(str(path))} cannot be read: {why}") from None
    if not is_plain:
        raise ValueError(f"{quoted(str(path))} is no plain file; name a file that holds {of}")
    if len(content) > most:
        raise ValueError(f"{quoted(str(path))} holds more than {most:,} bytes, which is not {of}; name the right file")
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeError:
        text = "\0"
    if "\0" in text:
        raise ValueError(f"{quoted(str(path))} is not written in UTF-8; save it as plain text in UTF-8")
    return text
