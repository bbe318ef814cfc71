"""What campaigns cost and brought, if the tenant says so: `campaign_costs.csv` in the data folder.

What belongs here: reading and checking that file. What does not: the CRM's own figures. Columns, in any order, with
a heading: `campaign_id` or `name` (an id wins; a name that several campaigns share counts for none of them), `cost`,
`value` (may be empty: not known), `currency` (may be left out). Amounts are plain numbers such as 1250.50.
"""

from __future__ import annotations

import csv
import math
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from crm_platform.errors import FixConfiguration

FILE: Final = "campaign_costs.csv"


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


@dataclass(frozen=True, slots=True)
class Costs:
    """The file's rows by campaign id and by name."""

    by_id: Mapping[str, Cost]
    by_name: Mapping[str, Cost]

    def of(self, campaigns: Iterable[Mapping[str, Any]]) -> dict[str, Cost]:
        """Costs by id of those campaigns that have any."""
        campaigns = list(campaigns)
        names = Counter(campaign["name"] for campaign in campaigns)
        found = {}
        for campaign in campaigns:
            cost = self.by_id.get(campaign["campaign_id"])
            if cost is None and names[campaign["name"]] == 1:
                cost = self.by_name.get(campaign["name"] or "")
            if cost is not None:
                found[campaign["campaign_id"]] = cost
        return found


_lock = threading.Lock()
_read: dict[Path, tuple[int, Costs]] = {}


def stamp(root: Path) -> int:
    """When the file was last written, in ns; 0 when there is none."""
    try:
        return (root / FILE).stat().st_mtime_ns
    except OSError:
        return 0


def read_costs(root: Path) -> Costs | None:
    """Read the data folder's file, None when there is none. Raises FixConfiguration with the line that is wrong."""
    path, written = root / FILE, stamp(root)
    if not written:
        return None
    with _lock:
        if path not in _read or _read[path][0] != written:
            _read[path] = (written, parse_costs(path))
        return _read[path][1]


def parse_costs(path: Path) -> Costs:
    """Read such a file. Raises FixConfiguration with the line that is wrong and what to write."""
    by_id: dict[str, Cost] = {}
    by_name: dict[str, Cost] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            headings = set(reader.fieldnames or ())
            if not {"cost", "value"} <= headings or not headings & {"campaign_id", "name"}:
                raise FixConfiguration(f"{FILE}: the first line must name campaign_id or name, cost, value, currency")
            for row in reader:
                place = f"{FILE}, line {reader.line_num}"
                cost = _amount(row.get("cost"), f"{place}: cost")
                if cost is None:
                    raise FixConfiguration(f"{place}: cost is empty; write 0 if it cost nothing")
                one = Cost(cost, _amount(row.get("value"), f"{place}: value"), (row.get("currency") or "").strip())
                key, name = (row.get("campaign_id") or "").strip(), (row.get("name") or "").strip()
                if not key and not name:
                    raise FixConfiguration(f"{place}: neither campaign_id nor name is given")
                chosen, known = (key, by_id) if key else (name, by_name)
                if chosen in known:
                    raise FixConfiguration(f"{place}: {chosen} stands there twice; add its costs up")
                known[chosen] = one
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise FixConfiguration(f"{FILE} cannot be read ({type(problem).__name__}): save it as CSV in UTF-8") from None
    return Costs(by_id, by_name)


def _amount(text: str | None, place: str) -> float | None:
    text = (text or "").strip()
    if not text:
        return None
    try:
        amount = float(text)
    except ValueError:
        amount = math.nan
    if not math.isfinite(amount) or amount < 0:
        raise FixConfiguration(f"{place} {text[:20]!r} is no amount; write a plain number such as 1250.50")
    return amount
