"""The languages that people are spoken to in: their catalogs, and how each writes numbers, durations and dates.

What belongs here: gettext's functions over `locale/<language>/LC_MESSAGES/crm.po`, the marks of words that are declared
in one place and said in another, and formats that differ by language. What does not: the words. The English ones stand
where they are said, those of other languages in their catalogs; docs/languages.md tells how to add one.

English is the source. It needs no catalog, and it is what every language says where its catalog has no words.
"""

from __future__ import annotations

import datetime as dt
import functools
import gettext
import io
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from babel import Locale
    from babel.messages import Catalog

CATALOGS: Final = Path(__file__).parent / "locale"
DOMAIN: Final = "crm"


class InContext(NamedTuple):
    """Words whose translation depends on where they stand."""

    context: str
    message: str


Words = str | InContext


# Marks: `make words` finds what is declared in them, and a Language's functions say it.


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for it
    """Mark words."""
    return message


def NP_(context: str, message: str) -> InContext:  # noqa: N802
    """Mark words in a context."""
    return InContext(context, message)


def NN_(singular: str, plural: str) -> tuple[str, str]:  # noqa: N802
    """Mark words about one thing and about `{n}` things."""
    return singular, plural


# Largest first: a unit of time in seconds, and how so many of it are written.
_UNITS: Final = (
    # Translators: days, as short as can be: 2 d 4 h
    (86_400, N_("{n} d")),
    # Translators: hours, as short as can be: 3 h 10 min
    (3600, N_("{n} h")),
    # Translators: minutes, as short as can be
    (60, N_("{n} min")),
    # Translators: seconds, as short as can be
    (1, N_("{n} s")),
)
# From Monday on. Babel's short names of some languages, such as Swahili, are the long ones.
_WEEKDAYS: Final = (
    # Translators: the weekday beside a date and in charts: three letters or so
    N_("Mon"),
    N_("Tue"),
    N_("Wed"),
    N_("Thu"),
    N_("Fri"),
    N_("Sat"),
    N_("Sun"),
)
_EVERY_WEEKDAY: Final = (
    # Translators: the weekday as it comes every week: On Mondays …
    N_("Mondays"),
    N_("Tuesdays"),
    N_("Wednesdays"),
    N_("Thursdays"),
    N_("Fridays"),
    N_("Saturdays"),
    N_("Sundays"),
)
# Unicode's English is American in its order of day and month. Ours is not.
_ENGLISH_DATES: Final[Mapping[str, str]] = {"MMMd": "d MMM", "yMMMd": "d MMM y", "MMM": "MMM", "yMMM": "MMM y"}


@dataclass(frozen=True, slots=True)
class Language:
    """A language by its code, such as `sw` or `pt_BR`. Places are written `{name}` and filled by keyword."""

    code: str

    def gettext(self, message: Words, /, **places: object) -> str:
        """Say words."""
        if isinstance(message, InContext):
            return self.pgettext(*message, **places)
        return _filled(_translations(self.code).gettext(message), message, places)

    def pgettext(self, context: str, message: str, /, **places: object) -> str:
        """Say words whose translation depends on where they stand."""
        return _filled(_translations(self.code).pgettext(context, message), message, places)

    def ngettext(self, singular: str, plural: str, n: int, /, **places: object) -> str:
        """Say words about `{n}` things."""
        words = _translations(self.code).ngettext(singular, plural, n)
        return _filled(words, singular if n == 1 else plural, {"n": self.number(n), **places})

    def npgettext(self, context: str, singular: str, plural: str, n: int, /, **places: object) -> str:
        """Say words about `{n}` things whose translation depends on where they stand."""
        words = _translations(self.code).npgettext(context, singular, plural, n)
        return _filled(words, singular if n == 1 else plural, {"n": self.number(n), **places})

    @property
    def tag(self) -> str:
        """Its code as HTML and HTTP write it: `pt-BR`."""
        return self.code.replace("_", "-")

    @property
    def name(self) -> str:
        """Its own name: `Kiswahili`."""
        name = _locale(self.code).get_display_name() or self.code
        return name[0].upper() + name[1:]

    @property
    def is_reviewed(self) -> bool:
        """Whether somebody who speaks it has read its catalog: the catalog's head is then no longer `fuzzy`."""
        return _is_reviewed(self.code)

    def number(self, value: float, form: str = ",d") -> str:
        """Write a number in a form of Python's, `,d` or `,.1f`, with the language's own comma and point."""
        return f"{value:{form}}".translate(_separators(self.code))

    @property
    def units(self) -> list[tuple[int, str]]:
        """Units of time, largest first: its seconds, and how `{n}` of it are written."""
        return [(size, self.gettext(words, n="{n}")) for size, words in _UNITS]

    def duration(self, seconds: float) -> str:
        """Write seconds in their two largest units: `0.4 s`, `42 s`, `4 min 12 s`, `1 h 05 min`, `2 d 4 h`."""
        whole = round(seconds)
        for (size, words), (part, part_words) in itertools.pairwise(_UNITS):
            if whole >= size:
                rest = whole % size // part
                largest = self.gettext(words, n=whole // size)
                written = f"{rest:02d}" if size == 3600 else rest
                return f"{largest} {self.gettext(part_words, n=written)}" if rest else largest
        written = self.number(seconds, ".1f") if seconds < 10 and round(seconds, 1) != whole else whole
        return self.gettext(_UNITS[-1][1], n=written)

    def day(self, date: dt.date, *, year: bool = True) -> str:
        """Write a day: `22 Nov 2026`, without the year `22 Nov`."""
        return _date(self.code, "yMMMd" if year else "MMMd", date)

    def month(self, date: dt.date, *, year: bool = True) -> str:
        """Write a month: `Nov 2026`, without the year `Nov`."""
        return _date(self.code, "yMMM" if year else "MMM", date)

    def weekday(self, number: int) -> str:
        """Short name of a weekday, 0 = Monday."""
        return self.gettext(_WEEKDAYS[number])

    def weekdays(self, number: int) -> str:
        """Name of a weekday as it comes every week, 0 = Monday: `Saturdays`."""
        return self.gettext(_EVERY_WEEKDAY[number])

    def weekday_in_full(self, number: int) -> str:
        """Name of a weekday, 0 = Monday: `Saturday`."""
        return str(_locale(self.code).days["format"]["wide"][number])

    def region(self, code: str) -> str:
        """Name of a country by its ISO code: `Kenya`; the code itself where there is none."""
        return str(_locale(self.code).territories.get(code, code))


ENGLISH: Final = Language("en")


@functools.cache
def languages() -> Mapping[str, Language]:
    """Every language there is, by its code: English, and each that has a catalog."""
    found = sorted(path.parent.parent.name for path in CATALOGS.glob(f"*/LC_MESSAGES/{DOMAIN}.po"))
    return {code: Language(code) for code in (ENGLISH.code, *found)}


def catalog_path(code: str) -> Path:
    """Where a language's catalog is, or would be."""
    return CATALOGS / code / "LC_MESSAGES" / f"{DOMAIN}.po"


def _filled(words: str, source: str, places: Mapping[str, object]) -> str:
    if not places:
        return words
    try:
        return words.format_map(places)
    except (LookupError, ValueError):  # a place that only the catalog knows: better English words than none
        return source.format_map(places)


# Babel is imported when a language other than English, or a date, is asked for: most commands do without it.


@functools.cache
def _translations(code: str) -> gettext.NullTranslations:
    """A language's catalog, read from its text: 12 ms for 780 messages, and nothing to compile or to forget."""
    if not catalog_path(code).exists():
        return gettext.NullTranslations()
    from babel.messages.mofile import write_mo  # noqa: PLC0415

    compiled = io.BytesIO()
    write_mo(compiled, _catalog(catalog_path(code).read_bytes()))  # without what is fuzzy, which means to be looked at
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


@functools.cache
def _is_reviewed(code: str) -> bool:
    if not catalog_path(code).exists():
        return True
    head, _, _ = catalog_path(code).read_bytes().partition(b"\n\n")
    return not _catalog(head).fuzzy


def _catalog(text: bytes) -> Catalog:
    from babel.messages.pofile import read_po  # noqa: PLC0415

    return read_po(io.BytesIO(text))


@functools.cache
def _locale(code: str) -> Locale:
    from babel import Locale  # noqa: PLC0415

    return Locale.parse(code)


@functools.cache
def _separators(code: str) -> Mapping[int, str]:
    """What stands for Python's comma and point."""
    if code == ENGLISH.code:
        return {}
    from babel.numbers import get_decimal_symbol, get_group_symbol  # noqa: PLC0415

    return {ord(","): get_group_symbol(_locale(code)), ord("."): get_decimal_symbol(_locale(code))}


@functools.lru_cache(maxsize=4096)
def _date(code: str, skeleton: str, date: dt.date) -> str:
    """Write a date. A page says the same days many times over."""
    from babel.dates import format_date, format_skeleton  # noqa: PLC0415

    if code == ENGLISH.code:
        return format_date(date, _ENGLISH_DATES[skeleton], _locale(code))
    return format_skeleton(skeleton, date, locale=_locale(code))
