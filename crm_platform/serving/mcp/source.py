"""What a tool answers from: the snapshot, or what is left of it when it is narrowed.

What belongs here: reading what `only` chooses, and saying it. What does not: which rows stay (receipts/narrowed.py),
one figure of it (asking.py).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from crm_platform.errors import FixConfiguration, InvalidRequest, quoted
from crm_platform.publish.reading import told_when_broken
from crm_platform.receipts.choices import Choice, UnknownValue, chosen_of, narrowing_of
from crm_platform.receipts.narrowed import DIMENSIONS, Narrowing

if TYPE_CHECKING:
    from crm_platform.serving.mcp.gives import Cell
    from crm_platform.serving.snapshots import OpenSnapshot, Snapshots
    from crm_platform.settings import Settings

_EVERYTHING: Final = Narrowing()
_NEAR: Final = 5
_FREQUENT: Final = 20  # so many values are offered where none is near


class NoSuchValue(InvalidRequest):
    """`only` names a value that is not there. `there_is`: some that are; they are data, and in no message."""

    def __init__(self, message: str, there_is: list[dict[str, Cell]]) -> None:
        super().__init__(message)
        self.there_is = there_is


@dataclass(frozen=True, slots=True)
class Source:
    """A snapshot, narrowed to what is chosen; `chosen` is empty where it is of everything."""

    settings: Settings
    opened: OpenSnapshot
    narrowing: Narrowing = _EVERYTHING
    chosen: tuple[Choice, ...] = ()

    @classmethod
    def of(cls, settings: Settings, snapshots: Snapshots, only: Mapping[str, str | Sequence[str]]) -> Source:
        """Open the current snapshot and narrow it. `only`: a name of DIMENSIONS with a value, or several.

        Raises FixConfiguration when there is no snapshot, NoSuchValue, and InvalidRequest where it cannot be narrowed.
        """
        opened = snapshots.current()
        if opened is None:
            raise FixConfiguration(
                "nothing has been published yet: run `crm refresh`, then ask again; no restart is needed"
            )
        if not only:
            return cls(settings, opened)
        with told_when_broken(opened.snapshot.path):
            return cls._narrowed(settings, snapshots, opened, only)

    @classmethod
    def _narrowed(
        cls, settings: Settings, snapshots: Snapshots, opened: OpenSnapshot, only: Mapping[str, str | Sequence[str]]
    ) -> Source:
        known = snapshots.choices(opened)
        if not known:
            raise InvalidRequest("the published snapshot is from before it could be narrowed: run `crm build`")
        asked = [
            (name, value)
            for name, values in only.items()
            for value in ([values] if isinstance(values, str) else values)
        ]
        try:
            narrowing = narrowing_of(asked, known)
        except UnknownValue as problem:
            raise _no_such_value(problem, [one.address for one in known if one.name == problem.name]) from None
        chosen = tuple(chosen_of(narrowing, known))
        return cls(settings, snapshots.narrowed(opened, narrowing), narrowing, chosen)

    def about(self) -> dict[str, Any]:
        """What every answer says: of the snapshot, and what it is narrowed to."""
        manifest = self.opened.manifest
        only: dict[str, list[str]] = {}
        for one in self.chosen:
            only.setdefault(one.name, []).append(one.address)
        return {
            "snapshot": manifest.id,
            "as_of": manifest.as_of,
            "timezone": manifest.timezone,
            "is_made_up": manifest.is_sandbox,
            "only": only,
        }


def narrowable(table: str, column: str) -> list[str]:
    """The names of DIMENSIONS that a figure of a KPI table, by its full name, can be narrowed by."""
    return [name for name in DIMENSIONS if Narrowing.of([(name, "")]).tells(table, column)]


def _no_such_value(problem: UnknownValue, known: Sequence[str]) -> InvalidRequest:
    name = problem.name
    if not known:
        return InvalidRequest(f"there is no {name} to narrow to: leave it out of `only`")
    near = difflib.get_close_matches(problem.value, known, n=_NEAR, cutoff=0.5) or known[:_FREQUENT]
    form = "; a segment is <field>:<value>" if name == "segment" else ""
    message = (
        f"there is no {name} {quoted(problem.value)}; there_is names {len(near)} of {len(known)} that there are{form}"
    )
    return NoSuchValue(message, [{name: one} for one in near])
