"""All hours or business hours: which of them the support page's durations are of.

What belongs here: the switch in the address, and what follows from it: columns, words. What does not: which hours those
are (settings/business_hours.py), how time in them is counted (core/).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crm_platform.languages import N_
from crm_platform.serving.pages.period import BadAddress
from crm_platform.serving.pages.view import View

_ALL: Final = "all"
_BUSINESS: Final = "business"


@dataclass(frozen=True, slots=True)
class Hours:
    """Whose seconds count: all, or those inside business hours alone."""

    is_business: bool = False

    def column(self, name: str) -> str:
        """The published column that holds a duration, or a share by it, in these hours."""
        return f"business_{name}" if self.is_business else name

    def duration(self, view: View, seconds: float) -> str:
        """Write a duration with the hours that it is of, where these are not all."""
        words = view.duration(seconds)
        return view._("{duration} of business hours", duration=words) if self.is_business else words

    def target(self, view: View) -> str:
        """Write the first response target."""
        return self.duration(view, view.settings.first_response_target_seconds)

    def told(self, view: View, subtitle: str) -> str:
        """Add to a chart's subtitle which hours its durations are of, where these are not all."""
        return subtitle + view._(" · only time in business hours counts") if self.is_business else subtitle

    def other(self, view: View, subtitle: str) -> str:
        """Add to a chart's subtitle that its durations are of all hours, where the page's are not."""
        return subtitle + view._(" · day and night") if self.is_business else subtitle


ALL_HOURS: Final = Hours()


def are_kept(view: View) -> bool:
    """Whether the tenant keeps business hours."""
    return view.settings.open_hours is not None


def read_hours(view: View) -> Hours:
    """Read `hours` out of the address. Raises BadAddress with what to write instead."""
    asked = view.get("hours") or _ALL
    if asked not in {_ALL, _BUSINESS}:
        raise BadAddress(N_("hours={name} is not known; write hours=business, or leave it out"), name=asked[:30])
    if asked == _BUSINESS and not are_kept(view):
        raise BadAddress(N_("hours=business asks for business hours, and none are kept; leave it out"))
    return Hours(is_business=asked == _BUSINESS)


def choices(view: View, hours: Hours) -> Sequence[tuple[str, str, bool]]:
    """The switch: words, address, whether it is on; nothing where no business hours are kept."""
    if not are_kept(view):
        return ()
    return (
        (view._("All hours"), view.href(drop=("hours",)), not hours.is_business),
        (view._("Business hours"), view.href(hours=_BUSINESS), hours.is_business),
    )
