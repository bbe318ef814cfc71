"""The plot of what builds cost against messages, both on logarithmic scales.

What belongs here: drawing noted figures. What does not: measuring (__main__.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

LINES: dict[str, tuple[str, Callable[[dict[str, Any]], float]]] = {
    "full build and snapshot": ("#b3261e", lambda builds: _all(builds["full"])),
    "full build": ("#e57368", lambda builds: _all(builds["full"]) - builds["full"]["cpu"]["publish"]),
    "floor: one stored window pass": ("#777777", lambda builds: _all(builds["floor"])),
    "1 % of chats changed": ("#1b6e53", lambda builds: _all(builds["1 % of chats"])),
    "5 chats changed": ("#2f7ed8", lambda builds: _all(builds["5 chats"])),
    "nothing changed": ("#8a5bd1", lambda builds: _all(builds["nothing changed, asked"])),
}
WIDTH, HEIGHT, LEFT, TOP = 620, 340, 70, 20


def _all(build: dict[str, Any]) -> float:
    return float(sum(build["cpu"].values()))


def draw(noted: Sequence[dict[str, Any]]) -> str:
    """The plot as SVG."""
    sizes = sorted(noted, key=lambda one: one["messages"])
    values = [value for one in sizes for _, figure in LINES.values() if (value := figure(one["builds"]))]
    low, high = (math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))))
    first, last = math.log10(sizes[0]["messages"]), math.log10(sizes[-1]["messages"])

    def x(messages: float) -> float:
        return LEFT + (math.log10(messages) - first) / max(last - first, 1e-9) * WIDTH

    def y(seconds: float) -> float:
        return TOP + (high - math.log10(seconds)) / (high - low) * HEIGHT

    return "\n".join(_parts(sizes, range(low, high + 1), x, y)) + "\n"


def _parts(
    sizes: Sequence[dict[str, Any]], powers: range, x: Callable[[float], float], y: Callable[[float], float]
) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 40} {TOP + HEIGHT + 110}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
    )
    for power in powers:
        yield f'<path d="M{LEFT} {y(10**power):.1f}h{WIDTH}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 8}" y="{y(10**power) + 4:.1f}" text-anchor="end">{10**power:g} s</text>'
    for one in sizes:
        at = x(one["messages"])
        yield f'<path d="M{at:.1f} {TOP}v{HEIGHT}" stroke="#eee"/>'
        yield f'<text x="{at:.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{one["messages"] / 1e6:g} M</text>'
    for place, (name, (colour, figure)) in enumerate(LINES.items()):
        points = [(x(one["messages"]), y(value)) for one in sizes if (value := figure(one["builds"]))]
        line = " ".join(f"{across:.1f},{down:.1f}" for across, down in points)
        yield f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield from (f'<circle cx="{across:.1f}" cy="{down:.1f}" r="3" fill="{colour}"/>' for across, down in points)
        left, down = LEFT + place % 3 * 215, TOP + HEIGHT + 48 + place // 3 * 22
        yield f'<path d="M{left} {down}h22" stroke="{colour}" stroke-width="3"/>'
        yield f'<text x="{left + 28}" y="{down + 4}">{name}</text>'
    yield f'<text x="{LEFT}" y="{TOP + HEIGHT + 100}">seconds of CPU against stored messages</text></svg>'
