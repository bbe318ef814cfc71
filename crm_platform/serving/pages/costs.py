"""What campaigns cost and brought, if the tenant says so: `campaign_costs.csv` in the data folder.

What belongs here: reading that file, strictly: each line counts as what it says, or is named with what to write. What
does not: the CRM's own figures. Columns, in any order, with a heading: `campaign_id` or `name` (where both stand there,
the id says which campaign), `cost`, `value` (may be empty: not known), `currency` (may be left out). The file is UTF-8,
separated by commas, semicolons or tabs.

Amounts are numbers such as 1250.50. People in half the world write 1250,50, 1.250,50 or 1 250,50: that is read, too,
where it can mean one thing only. 1.250 can be a thousand and something or one and a quarter: it is refused.
"""

from __future__ import annotations

import csv
import io
import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from crm_platform.errors import FixConfiguration

FILE: Final = "campaign_costs.csv"
MOST_BYTES: Final = 5_000_000

_COLUMNS: Final = ("campaign_id", "name", "cost", "value", "currency")
_SEPARATORS: Final = (",", ";", "\t")
# Marks inside a number: decimal ones, and those that group thousands alone (spaces of three widths, apostrophes).
_DECIMAL_MARKS: Final = ".,"
_LONGEST_NUMBER: Final = 30
_NUMBER: Final = re.compile(r"[0-9]+(?:[.,' \u00a0\u202f\u2019][0-9]+)*")


@dataclass(frozen=True, slots=True)
class Cost:
    """One campaign's cost and value, in `currency`; `value` is None where it is not known."""

    cost: float
    value: float | None
    currency: str

    @property
    def gain(self) -> float | None:
        """(value − cost) / cost; None without a value or with a cost of 0."""
        return (self.value - self.cost) / self.cost if self.value is not None and self.cost else None


@dataclass(frozen=True, slots=True, order=True)
class Wrong:
    """A line that does not count: which, and what is wrong with it and what to write."""

    line: int
    words: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.words}"


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that says a cost. `name` is empty where there is a `campaign_id`."""

    number: int
    campaign_id: str
    name: str
    cost: Cost


@dataclass(frozen=True, slots=True)
class CampaignCosts:
    """Costs by campaign id, and the lines that are not in them, in their order."""

    by_id: Mapping[str, Cost]
    wrong: Sequence[Wrong]


@dataclass(frozen=True, slots=True)
class CostFile:
    """The file's lines, and those that are wrong by themselves."""

    lines: Sequence[_Line]
    wrong: Sequence[Wrong]

    def of(self, campaigns: Iterable[Mapping[str, Any]]) -> CampaignCosts:
        """Costs of campaigns (`campaign_id`, `name`): a line that names none of them, or one twice, is wrong."""
        ids: set[str] = set()
        named: defaultdict[str, list[str]] = defaultdict(list)
        for campaign in campaigns:
            ids.add(campaign["campaign_id"])
            named[(campaign["name"] or "").strip()].append(campaign["campaign_id"])
        wrong = list(self.wrong)
        found: defaultdict[str, list[_Line]] = defaultdict(list)
        for line in self.lines:
            known = [key for key in (line.campaign_id,) if key in ids] if line.campaign_id else named[line.name]
            if len(known) == 1:
                found[known[0]].append(line)
            else:
                wrong.append(Wrong(line.number, _unknown(line, known)))
        for key, lines in found.items():
            if len(lines) > 1:
                numbers = ", ".join(str(line.number) for line in lines)
                words = f"the lines {numbers} are of one campaign, {_short(key)}: add them up in one line"
                wrong += [Wrong(line.number, words) for line in lines]
        return CampaignCosts({key: lines[0].cost for key, lines in found.items() if len(lines) == 1}, sorted(wrong))


def _unknown(line: _Line, known: Sequence[str]) -> str:
    if line.campaign_id:
        return f"no campaign has the id {_short(line.campaign_id)}: correct it, or build anew if it is a new one"
    if known:
        ids = ", ".join(map(_short, sorted(known)[:3]))
        return f"{len(known)} campaigns are called {_short(line.name)}: write a campaign_id ({ids})"
    return f"no campaign is called {_short(line.name)}: copy its name from the page, or its campaign_id"


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")


_lock = threading.Lock()
_read: dict[Path, tuple[int, CostFile]] = {}


def stamp(root: Path) -> int:
    """When the file was last written, in ns; 0 when there is none."""
    try:
        return (root / FILE).stat().st_mtime_ns
    except OSError:
        return 0


def read_costs(root: Path) -> CostFile | None:
    """Read the data folder's file, None when there is none. Raises FixConfiguration where no line can be read."""
    path, written = root / FILE, stamp(root)
    if not written:
        return None
    with _lock:
        if path not in _read or _read[path][0] != written:
            _read[path] = (written, parse_costs(path))
        return _read[path][1]


def parse_costs(path: Path) -> CostFile:
    """Read such a file. Raises FixConfiguration where it is no such file, and says what to write."""
    try:
        with path.open("rb") as file:
            written = file.read(MOST_BYTES + 1)
        text = written.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise FixConfiguration(f"{FILE} cannot be read ({type(problem).__name__}): save it as CSV in UTF-8") from None
    if len(written) > MOST_BYTES:
        raise FixConfiguration(f"{FILE} is larger than {MOST_BYTES:,} bytes: write a line for each campaign alone")
    records, headings = _records(text)
    lines: list[_Line] = []
    wrong: list[Wrong] = []
    for number, cells in records:
        if not any(cell.strip() for cell in cells):
            continue
        try:
            lines.append(_line(number, cells, headings))
        except ValueError as problem:
            wrong.append(Wrong(number, str(problem)))
    return CostFile(lines, wrong)


def _records(text: str) -> tuple[Iterator[tuple[int, list[str]]], list[str]]:
    """The records below the heading, each with the number of its first line; and the heading."""
    rows = list(io.StringIO(text, newline=""))
    # Excel writes and reads a first line that says what separates.
    first = 1 if rows and re.fullmatch(r"sep=.\s*", rows[0]) else 0
    for separator in _SEPARATORS:
        records = _numbered(rows[first:], separator, first)
        headings = [re.sub(r"\s+", "_", cell.strip().casefold()) for cell in next(records, (0, []))[1]]
        known = [name for name in headings if name in _COLUMNS]
        if {"cost", "value"} <= set(known) and {"campaign_id", "name"} & set(known):
            if len(known) > len(set(known)):
                raise FixConfiguration(f"{FILE}: the heading names a column twice; name each once")
            return records, headings
    raise FixConfiguration(f"{FILE}: the first line must name campaign_id or name, cost, value, currency")


def _numbered(rows: Sequence[str], separator: str, before: int) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(rows, delimiter=separator)
    ended = 0
    try:
        for cells in reader:
            yield before + ended + 1, cells
            ended = reader.line_num
    except csv.Error as problem:
        raise FixConfiguration(f"{FILE}, line {before + ended + 1} cannot be read: {problem}") from None


def _line(number: int, cells: Sequence[str], headings: Sequence[str]) -> _Line:
    """Read a line. Raises ValueError that says what is wrong and what to write."""
    if any("\n" in cell or "\r" in cell for cell in cells):
        raise ValueError("a quotation mark is not closed, and so takes in what follows: close it, or take it out")
    if any(cell.strip() for cell in cells[len(headings) :]):
        raise ValueError("it has more values than the heading: write amounts with a point, such as 1250.50")
    row = {name: cell.strip() for name, cell in zip(headings, cells, strict=False)}
    key, name, currency = row.get("campaign_id", ""), row.get("name", ""), row.get("currency", "")
    if not key and not name:
        raise ValueError("neither campaign_id nor name is given: write one of them")
    if re.search(r"[0-9]", currency) or len(currency) > 10:
        raise ValueError(f"currency {_short(currency)} is none: write one such as KES, and amounts such as 1250.50")
    cost = read_amount("cost", row.get("cost", ""))
    if cost is None:
        raise ValueError("cost is empty: write 0 if it cost nothing")
    return _Line(number, key, "" if key else name, Cost(cost, read_amount("value", row.get("value", "")), currency))


def read_amount(column: str, text: str) -> float | None:
    """An amount; None of an empty text. Raises ValueError for what is none, or can mean two."""
    if not text:
        return None
    if len(text) <= _LONGEST_NUMBER and _NUMBER.fullmatch(text):
        *whole, last = re.split("[^0-9]", text)
        *grouping, mark = list(re.sub("[0-9]", "", text) or " ")
        as_groups = _are_thousands([*whole, last]) and {*grouping, mark} == {mark}
        as_decimal = mark in _DECIMAL_MARKS and mark not in grouping and (len(whole) == 1 or _are_thousands(whole))
        if as_groups and as_decimal:
            one, other = f"{whole[0]}{last}", f"{whole[0]}.{last}0"
            raise ValueError(f"{column} {_short(text)} can mean two things: write {one} or {other}")
        if as_groups or not whole:
            return float("".join([*whole, last]))
        if as_decimal and len(set(grouping)) <= 1:
            return float(f"{''.join(whole)}.{last}")
    raise ValueError(f"{column} {_short(text)} is no amount: write a plain number such as 1250.50")


def _are_thousands(groups: Sequence[str]) -> bool:
    """Whether these digits, with a mark between them, are one number: the first does not begin with 0, three each."""
    first, *others = groups
    return re.fullmatch("[1-9][0-9]{0,2}", first) is not None and all(len(group) == 3 for group in others)
