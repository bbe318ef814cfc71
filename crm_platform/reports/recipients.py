"""Who gets a report: `reports.csv` in the data folder.

What belongs here: reading that file, strictly: a line is a recipient, or is named with what to write. What does not:
what has been sent to whom (memory.py), sending (sending.py).

Columns, in any order, with a heading: `to` (`mailto:lead@example.com`, or a webhook's `https://…`) and `every` (`week`
or `month`); where they are wanted `language` (else CRM_LANGUAGE), `pages` (else all) and `format` (else `pdf xlsx`),
with blanks between several. A webhook's address is a secret: no message, log or list shows more of it than its host.
"""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args
from urllib.parse import urlsplit

from pydantic import SecretStr

from crm_platform.errors import FixConfiguration, quoted
from crm_platform.languages import languages
from crm_platform.reports.spans import EVERY, Every
from crm_platform.settings import LONGEST_LIST, is_loopback, text_in
from crm_platform.settings.addresses import mail_address, webhook

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from crm_platform.languages import Language
    from crm_platform.settings import Settings

FILE: Final = "reports.csv"

Form = Literal["pdf", "html", "xlsx"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)
USUAL_FORMS: Final[tuple[Form, ...]] = ("pdf", "xlsx")
PAGES: Final = ("executive", "campaigns", "support", "audience")
"""Pages that a report can hold, in their order."""

_COLUMNS: Final = ("to", "every", "language", "pages", "format")
_MOST: Final = 200  # recipients: each is a message that a run sends
_MAILTO: Final = "mailto:"


@dataclass(frozen=True, slots=True)
class Recipient:
    """A line of the file. `to`: a mail address, or a webhook's."""

    to: SecretStr
    way: Literal["e-mail", "webhook"]
    every: Every
    language: Language
    pages: tuple[str, ...]
    forms: tuple[Form, ...]
    line: int

    @property
    def id(self) -> str:
        """What is remembered of it: the same for the same address, which it does not tell, and the same turn."""
        return f"{hashlib.sha256(self.to.get_secret_value().encode()).hexdigest()[:16]}-{self.every}"

    @property
    def name(self) -> str:
        """Who it is, for whoever may see this machine's settings: the mail address, of a webhook its host."""
        address = self.to.get_secret_value()
        return address if self.way == "e-mail" else f"https://{urlsplit(address).hostname}/…"

    @property
    def place(self) -> str:
        """Who it is, for a log."""
        return f"{FILE}, line {self.line} ({self.way})"


def read_recipients(settings: Settings) -> list[Recipient]:
    """Read the data folder's file, in its order; empty where there is none.

    Raises FixConfiguration with the line that is wrong and what to write.
    """
    if not (settings.root / FILE).exists():
        return []
    try:
        text = text_in(settings.root / FILE, of="a list of who gets a report", most=LONGEST_LIST)
    except ValueError as problem:
        raise FixConfiguration(f"{FILE}: {problem}") from None
    found: dict[str, Recipient] = {}
    for number, row in _rows(text):
        place = f"{FILE}, line {number}"
        try:
            one = _recipient(row, number, settings)
        except ValueError as problem:
            raise FixConfiguration(f"{place}: {problem}") from None
        if one.id in found:
            first = found[one.id].line
            raise FixConfiguration(f"{place}: line {first} sends there every {one.every} already; keep one of them")
        found[one.id] = one
        if len(found) > _MOST:
            raise FixConfiguration(f"{place}: more than {_MOST} lines; write to a list of readers instead")
    return list(found.values())


def _rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The lines below the heading that say something, each with its number."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        heading = [cell.strip().casefold() for cell in next(reader, [])]
        if not {"to", "every"} <= set(heading) <= set(_COLUMNS) or len(set(heading)) < len(heading):
            raise FixConfiguration(f"{FILE}: the first line must name the columns: {','.join(_COLUMNS)}")
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(heading):
                raise FixConfiguration(
                    f"{FILE}, line {reader.line_num}: it has more values than the heading; write blanks between"
                    " several pages or formats"
                )
            yield reader.line_num, {name: cell.strip() for name, cell in zip(heading, cells, strict=False)}
    except csv.Error as problem:
        raise FixConfiguration(f"{FILE}, line {reader.line_num}: it is no CSV ({problem})") from None


def _recipient(row: Mapping[str, str], number: int, settings: Settings) -> Recipient:
    """Read a line. Raises ValueError with what is wrong and what to write; never with the address."""
    to = row.get("to", "")
    is_mail = "://" not in to and "@" in to
    every = next((one for one in EVERY if one == row.get("every", "").casefold()), None)
    if every is None:
        raise ValueError(f"every is {quoted(row.get('every', ''))}; write week or month")
    return Recipient(
        to=_mail(to) if is_mail else _webhook(to, settings),
        way="e-mail" if is_mail else "webhook",
        every=every,
        language=_language(row.get("language", ""), settings),
        pages=read_pages(row.get("pages", "")),
        forms=read_forms(row.get("format", "")),
        line=number,
    )


def _mail(to: str) -> SecretStr:
    try:
        return SecretStr(mail_address(to.removeprefix(_MAILTO)))
    except ValueError:
        raise ValueError("to is no mail address; write one such as mailto:lead@example.com, one a line") from None


def _webhook(to: str, settings: Settings) -> SecretStr:
    try:
        address = webhook(SecretStr(to))
    except ValueError:
        raise ValueError("to is neither; write mailto:lead@example.com, or a webhook's address, https://…") from None
    parts = urlsplit(to)
    if parts.scheme == "http" and not is_loopback(parts.hostname or "") and settings.allow_plain_http == "no":
        raise ValueError(
            "over http:// the address, which is a secret, and the report would cross the network in clear; write"
            " https://, or set CRM_ALLOW_PLAIN_HTTP=yes to take that risk"
        )
    return address


def _language(code: str, settings: Settings) -> Language:
    if code and code not in languages():
        raise ValueError(f"language {quoted(code)} has no words; write one of {', '.join(languages())}")
    return languages()[code] if code else settings.language


def read_pages(text: str) -> tuple[str, ...]:
    """Read names of pages, in the order that a report has them; all where none is named. Raises ValueError."""
    named = text.casefold().split()
    _require_known("page", named, PAGES)
    return tuple(page for page in PAGES if not named or page in named)


def read_forms(text: str) -> tuple[Form, ...]:
    """Read names of formats; the usual ones where none is named. Raises ValueError."""
    named = text.casefold().split()
    _require_known("format", named, FORMS)
    return tuple(form for form in FORMS if form in named) if named else USUAL_FORMS


def _require_known(what: str, named: Sequence[str], known: Sequence[str]) -> None:
    for one in named:
        if one not in known:
            raise ValueError(f"{what} {quoted(one)} is none; write {', '.join(known)}, with blanks between several")
