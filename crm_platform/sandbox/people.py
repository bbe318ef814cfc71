"""Who a contact is: names, numbers, custom fields.

What belongs here: a contact by its index (computed, never stored), the definitions of the custom fields, the team.
What does not: when a contact came and went (`roster.py`), messages, HTTP.

Indexes count contacts in the order they were made. `EXTRA` and above: made through the API.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Final

from crm_platform.sandbox.chance import DAY, NEVER, Ids, derive, mix

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
_COUNTRIES: Final = {
    "+254": "KE", "+256": "UG", "+255": "TZ", "+250": "RW", "+251": "ET", "+211": "SS", "+234": "NG",
    "+27": "ZA", "+44": "GB", "+91": "IN", "+971": "AE", "+49": "DE", "+20": "EG",
}  # fmt: skip
_TEN_MILLION = 10_000_000
_STRIDE = 7_393_913  # coprime to ten million: index → seven digits, one to one

# The custom fields at first: name → type.
_FIELDS: Final = {"Segment": "text", "VIP": "text", "City": "text", "Language": "text", "Loyalty points": "number"}
_CITIES = ("Nairobi",) * 3 + ("Mombasa",) * 2 + ("Kisumu", "Nakuru", "Eldoret", "Thika", "Murang'a", "Malindi")
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


def country_of(number: str) -> str | None:
    """ISO 3166 code of an E.164 number's country; None for one where no contact of the world's lives."""
    return next((code for prefix, code in _COUNTRIES.items() if number.startswith(prefix)), None)


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

    def whatsapp_number(self, index: int) -> str:
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
        return index if self.whatsapp_number(index) == number else None

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
            whatsapp_number=self.whatsapp_number(index),
            name=self.name(index),
            email=self.email(index),
            # An API leaves an empty object out as often as it sends it.
            fields=tuple(fields) if fields or draw & 1 else None,
            status=("blocked", "inactive", "inactive")[(draw >> 57) % 40] if (draw >> 57) % 40 < 3 else "active",
        )


@dataclass(frozen=True, slots=True)
class CustomField:
    """A custom field's definition; times in milliseconds."""

    field_id: str
    name: str
    type: str
    required: bool
    default: str | None
    created_at: int
    deleted_at: int = NEVER

    def exists(self, at: int) -> bool:
        """Whether it exists at a time."""
        return self.created_at <= at < self.deleted_at


class CustomFieldStore:
    """The definitions of a world; `began`: when its history begins."""

    def __init__(self, seed: int, *, began: int) -> None:
        self._seed = seed
        self._all = [
            CustomField(self._id(name), name, kind, required=False, default=None, created_at=began - (9 - k) * DAY)
            for k, (name, kind) in enumerate(_FIELDS.items())
        ]

    def _id(self, *parts: object) -> str:
        return f"fld_{derive(self._seed, *parts) & 0xFFFFFFFF:08x}"

    def existing(self, at: int) -> list[CustomField]:
        """Definitions that exist at a time."""
        return [field for field in self._all if field.exists(at)]

    def create(self, name: str, kind: str, *, required: bool, default: str | None, now: int) -> CustomField:
        """A new definition."""
        field = CustomField(self._id("field", len(self._all)), name, kind, required, default, now)
        self._all.append(field)
        return field

    def delete(self, field_id: str, now: int) -> bool:
        """Take a definition, and with it every value, away. False when there is none of this id."""
        for place, field in enumerate(self._all):
            if field.field_id == field_id and field.exists(now):
                self._all[place] = dataclasses.replace(field, deleted_at=now)
                return True
        return False
