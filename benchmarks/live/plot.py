"""The plot of a live run: what share of a customer's messages stood on the open page within so many seconds.

What belongs here: drawing noted seconds. What does not: measuring (__main__.py).

    python -m benchmarks.live.plot live.svg "10,000 contacts=a.json" "1,000,000 contacts=b.json"
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.processes import percentile

COLOURS = ("#2f7ed8", "#b3261e", "#1b6e53", "#8a5bd1")
WIDTH, HEIGHT, LEFT, TOP = 620, 260, 60, 20


def draw(runs: Mapping[str, Sequence[float]]) -> str:
    """The plot as SVG. `runs`: of each by its name the seconds of every message."""
    last = max(seconds for run in runs.values() for seconds in run) * 1.05
    return "\n".join(_parts(runs, last)) + "\n"


def _parts(runs: Mapping[str, Sequence[float]], last: float) -> Iterator[str]:
    width, height = LEFT + WIDTH + 40, TOP + HEIGHT + 70 + 22 * len(runs)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
    )
    for share in (0, 25, 50, 75, 95, 100):
        down = TOP + HEIGHT * (1 - share / 100)
        yield f'<path d="M{LEFT} {down:.1f}h{WIDTH}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 8}" y="{down + 4:.1f}" text-anchor="end">{share} %</text>'
    step = next(one for one in (1, 2, 5, 10, 20, 50, 100, 500, 1000) if last / one <= 12)
    for number in range(int(last / step) + 1):
        across = LEFT + number * step / last * WIDTH
        yield f'<text x="{across:.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{number * step} s</text>'
    for place, (name, run) in enumerate(runs.items()):
        colour, points = COLOURS[place % len(COLOURS)], [f"{LEFT},{TOP + HEIGHT}"]
        for number, seconds in enumerate(sorted(run)):
            across = LEFT + seconds / last * WIDTH
            points += [f"{across:.1f},{TOP + HEIGHT * (1 - one / len(run)):.1f}" for one in (number, number + 1)]
        yield f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>'
        down = TOP + HEIGHT + 46 + place * 22
        yield f'<path d="M{LEFT} {down}h22" stroke="{colour}" stroke-width="3"/>'
        yield (
            f'<text x="{LEFT + 28}" y="{down + 4}">{name}: {len(run)} messages, p50 {percentile(run, 0.5):.1f} s, '
            f"p95 {percentile(run, 0.95):.1f} s</text>"
        )
    yield f'<text x="{LEFT}" y="{TOP + HEIGHT + 56 + 22 * len(runs)}">seconds from message to open page</text></svg>'


def main() -> None:
    """Draw the files that are named."""
    target, *named = sys.argv[1:]
    runs = {}
    for one in named:
        name, _, file = one.rpartition("=")
        noted = json.loads(Path(file).read_text(encoding="utf-8"))
        runs[name] = noted["told"] + noted["lost"]
    Path(target).write_text(draw(runs), encoding="utf-8")


if __name__ == "__main__":
    main()
