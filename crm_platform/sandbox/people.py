"""Who is a contact: names, numbers, custom fields, and when each one came and went.

What belongs here: a contact by its index (computed, never stored), the team, and the roster that finds page k of the
present contacts without building pages 1 to k-1. What does not: messages, HTTP.

Indexes count contacts in the order they were made. `EXTRA` and above: made through the API.
"""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass
from typing import Final

from crm_platform.sandbox.chance import DAY, NEVER, WEEK, Ids, derive, mix

EXTRA: Final = 1 << 40

LIVELY: Final = 1  # this contact always writes a lot, so that the smallest world has a chat of several pages

_FIRST = """
    Wanjiku Achieng Otieno Mwangi Njeri Kamau Atieno Kiprop Chebet Mutua Wambui Omondi Akinyi Kariuki Nyambura
    Barasa Fatuma Hassan Zawadi Baraka Amina Juma Grace Peter Mary John Faith Brian Mercy Kevin Esther Samuel Joyce
    David Ruth Daniel Sharon Dennis Lilian Victor Priya Amit José Zoë Björn Chloé Søren Łukasz Nwosu Thandiwe
""".split()  # noqa: SIM905 - easier to read than fifty quoted words
_LAST = """
    Kimani Odhiambo Njoroge Wafula Cheruiyot Maina Ouma Mutiso Gathoni Korir Were Abdi Noor Mohamed Ochieng Waweru
    Kiptoo Muthoni Nyong'o Karanja Simiyu Langat Adhiambo Ndung'u Patel Shah Müller O'Brien García Nguyễn Okafor
    Dlamini Uwase Tesfaye
""".split()  # noqa: SIM905 - easier to read than fifty quoted words
_UNUSUAL = (
    "فاطمة الزهراء",
    "王小明",
    "ሰላም ተስፋዬ",
    "Анна Петрова",
    "さくら",
    "🦋 Neema 🦋",
    "~ Mr. Big ~",
    "D'Àngelo-Wañjirũ",
    "K",
)
_TRADES = ("Shop", "Salon", "Hardware", "Pharmacy", "Boutique", "Agrovet", "Cafe & Bakery", "Motors")

# Seven digits follow each prefix, and every such number is valid for its country.
_KENYA = ("+25470", "+25471", "+25472", "+25479")
_ABROAD = (
    "+25677", "+25677", "+25575", "+25575", "+25078", "+25191", "+21192", "+234803",
    "+2782", "+44741", "+91981", "+97150", "+491511", "+20100",
)  # fmt: skip
_TEN_MILLION = 10_000_000
_STRIDE = 7_393_913  # coprime to ten million: index → seven digits, one to one

_CITIES = (
    "Nairobi",
    "Nairobi",
    "Nairobi",
    "Mombasa",
    "Mombasa",
    "Kisumu",
    "Nakuru",
    "Eldoret",
    "Thika",
    "Murang'a",
    "Malindi",
)
_SEGMENTS = ("Retail", "Retail", "Retail", "Retail", "Wholesale", "Wholesale", "Online", "Corporate")
_LANGUAGES = ("English", "Swahili", "Swahili", "English", "Français")

AGENTS: Final = tuple(
    f"{name}@savanna-traders.example"
    for name in ("amani", "beatrice", "collins", "diana", "evans", "fridah", "george", "halima")
)

_E164 = re.compile(r"\+[1-9]\d{7,14}")


def is_e164(text: str) -> bool:
    """Whether a text is a number in E.164 form."""
    return _E164.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Person:
    """What a contact is made of, apart from ids and dates. Fields: custom field name → text."""

    whatsapp_number: str
    name: str | None
    email: str | None
    fields: tuple[tuple[str, str], ...] | None
    status: str


class People:
    """Attributes of a contact by its index."""

    def __init__(self, seed: int) -> None:
        self._seed = derive(seed, "people")
        self.ids = Ids(derive(seed, "chat ids"))

    def draw(self, index: int) -> int:
        """64 bits that belong to this contact."""
        return mix(self._seed ^ (index * 0x9E3779B1))

    def number(self, index: int) -> str:
        """E.164."""
        draw = self.draw(index)
        prefixes = _KENYA if draw % 100 < 84 else _ABROAD
        return f"{prefixes[(draw >> 8) % len(prefixes)]}{(index * _STRIDE + self._seed) % _TEN_MILLION:07d}"

    def index_of(self, number: str) -> int | None:
        """The contact whose number this is or will be."""
        if not is_e164(number):
            return None
        # Python's % is never negative, so the inverse of an affine map is one too.
        index = (int(number[-7:]) - self._seed) * pow(_STRIDE, -1, _TEN_MILLION) % _TEN_MILLION
        return index if self.number(index) == number else None

    def name(self, index: int) -> str | None:
        """A name; sometimes empty, sometimes missing."""
        draw = self.draw(index) >> 16
        kind = draw % 100
        first, last = _FIRST[(draw >> 8) % len(_FIRST)], _LAST[(draw >> 16) % len(_LAST)]
        if kind < 76:
            return f"{first} {last}"
        if kind < 80:
            return None
        if kind < 83:
            return ""
        if kind < 88:
            return first
        if kind < 92:
            return f"{first} {'✨🌸🙏💼'[(draw >> 24) % 4]}"
        if kind < 96:
            return f"{last}'s {_TRADES[(draw >> 24) % len(_TRADES)]}"
        return _UNUSUAL[(draw >> 24) % len(_UNUSUAL)]

    def email(self, index: int) -> str | None:
        """An e-mail address for two in five, an empty one for a few."""
        draw = mix(self.draw(index) ^ 0xE)
        if draw % 100 >= 43:
            return None
        return "" if draw % 100 >= 40 else f"contact{index}.{draw >> 48:04x}@mail.example"

    def person(self, index: int) -> Person:
        """Everything about one contact."""
        draw = mix(self.draw(index) ^ 0xF)
        fields: list[tuple[str, str]] = []
        if draw % 100 < 88:
            fields.append(("Segment", _SEGMENTS[(draw >> 8) % len(_SEGMENTS)]))
        if (draw >> 12) % 100 < 60:
            fields.append(("VIP", "Yes" if (draw >> 20) % 100 < 12 else "No"))
        if (draw >> 24) % 100 < 70:
            fields.append(("City", _CITIES[(draw >> 32) % len(_CITIES)]))
        if (draw >> 36) % 100 < 40:
            fields.append(("Language", _LANGUAGES[(draw >> 40) % len(_LANGUAGES)]))
        if (draw >> 44) % 100 < 25:
            fields.append(("Loyalty points", str((draw >> 50) % 5000)))
        return Person(
            whatsapp_number=self.number(index),
            name=self.name(index),
            email=self.email(index),
            # An API leaves an empty object out as often as it sends it.
            fields=tuple(fields) if fields or draw & 1 else None,
            status=("blocked", "inactive", "inactive")[(draw >> 57) % 40] if (draw >> 57) % 40 < 3 else "active",
        )


class Roster:
    """When contacts come and go, and which stand on which page.

    `size` contacts are present at the anchor (`began` + `days`), three fifths of them since before `began`; they go on
    coming at the same pace after it, and a few go. All of it follows from the index, but for what the API changes.
    """

    _BEFORE = 540 * DAY  # how long before `began` the first contacts were made

    def __init__(self, seed: int, *, size: int, began: int, anchor: int) -> None:
        self._seed = derive(seed, "roster")
        self._began = began
        self._old = round(size * 0.6)
        to_go = round(size * 0.02)
        self._from = WEEK.activity(began)
        busy_hours = WEEK.activity(anchor) - self._from
        self._pace = (size - self._old + to_go) / busy_hours  # contacts a busy hour
        self._leaving = to_go / busy_hours
        self._departures: list[tuple[int, int]] = []  # (when, index), in order of time
        self._departed: dict[int, int] = {}  # index → when
        self._removed: dict[int, int] = {}  # the same for deletes through the API; apart, so that plans do not change
        self._next_departure = self._departure(0)
        self._now = began
        self._due = 0  # how many departures lie in the past
        self._gone: list[int] = []  # indexes of the gone, sorted
        self._extras: list[
            tuple[int, int]
        ] = []  # present contacts made through the API: (world contacts before it, index)

    # Coming and going

    def created_at(self, index: int) -> int:
        """When the world made this contact, in milliseconds; rises with the index."""
        jitter = 0.05 + 0.9 * (mix(self._seed ^ index) >> 11) / (1 << 53)
        place = index - self._old + jitter
        if index < self._old:
            return self._began + int(place / self._old * self._BEFORE)
        return WEEK.time(self._from + place / self._pace)

    def count_at(self, at: int) -> int:
        """How many contacts the world had ever made by then."""
        if at < self._began:
            place = self._old * (1 + (at - self._began) / self._BEFORE)
        else:
            place = self._old + (WEEK.activity(at) - self._from) * self._pace
        count = max(0, int(place) - 1)
        while self.created_at(count) <= at:
            count += 1
        while count and self.created_at(count - 1) > at:
            count -= 1
        return count

    def departed_at(self, index: int, *, until: int) -> int:
        """When this contact was deleted, NEVER if it was not by `until`."""
        self._plan_departures(until)
        at = min(self._departed.get(index, NEVER), self._removed.get(index, NEVER))
        return at if at <= until else NEVER

    def _plan_departures(self, until: int) -> None:
        while self._next_departure <= until:
            at = self._next_departure
            count = self.count_at(at)
            victim = derive(self._seed, "victim", len(self._departures)) % count
            while victim in self._departed or victim == LIVELY:
                victim = (victim + 1) % count
            self._departures.append((at, victim))
            self._departed[victim] = at
            self._next_departure = self._departure(len(self._departures))

    def _departure(self, number: int) -> int:
        """When the n-th contact goes."""
        if not self._leaving:
            return NEVER
        place = number + 0.05 + 0.9 * (mix(self._seed ^ ~number & 0xFFFFFFFF) & 0xFFFF) / 0x10000
        return WEEK.time(self._from + place / self._leaving)

    # What the API changes

    def add(self, index: int, *, at: int) -> None:
        """A contact made through the API now."""
        self.move_to(at)
        self._extras.append((self.count_at(at), index))

    def remove(self, index: int, *, at: int) -> None:
        """A contact deleted through the API now."""
        self.move_to(at)
        self._removed[index] = at
        if index >= EXTRA:
            self._extras = [extra for extra in self._extras if extra[1] != index]
        else:
            bisect.insort(self._gone, index)

    # Pages

    def move_to(self, now: int) -> None:
        """Apply the departures up to now."""
        self._now = max(self._now, now)
        self._plan_departures(self._now)
        while self._due < len(self._departures) and self._departures[self._due][0] <= self._now:
            _, index = self._departures[self._due]
            if index not in self._removed:  # else the API was quicker
                bisect.insort(self._gone, index)
            self._due += 1

    def total(self, now: int) -> int:
        """How many contacts are present."""
        self.move_to(now)
        return self.count_at(self._now) - len(self._gone) + len(self._extras)

    def page(self, now: int, *, offset: int, limit: int) -> tuple[int, list[int]]:
        """The number of present contacts, and the indexes of one page of them, newest first."""
        total = self.total(now)
        first, last = max(total - offset - limit, 0), total - offset  # as counted from the oldest
        if last <= first:
            return total, []
        extras = self._extras
        skipped = bisect.bisect_left(range(len(extras)), first, key=lambda j: self._before(extras[j][0]) + j)
        index = self._select(first - skipped)
        gone = bisect.bisect_left(self._gone, index)
        found: list[int] = []
        while len(found) < last - first:
            if gone < len(self._gone) and self._gone[gone] == index:
                gone += 1
                index += 1
            elif skipped < len(extras) and extras[skipped][0] <= index:
                found.append(extras[skipped][1])
                skipped += 1
            else:
                found.append(index)
                index += 1
        return total, found[::-1]

    def _before(self, index: int) -> int:
        return index - bisect.bisect_left(self._gone, index)

    def _select(self, rank: int) -> int:
        """The present world contact with so many present ones before it."""
        gone = self._gone
        return rank + bisect.bisect_right(range(len(gone)), rank, key=lambda k: gone[k] - k)
