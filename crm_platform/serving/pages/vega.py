"""A chart as a Vega-Lite 6 specification: the drawing that can be zoomed, moved and picked apart.

What belongs here: turning a description (charts.py) and its table (chart.py) into plain dicts. What does not: running
the result in the page (static/explore.js), which charts there are.

There are two drawings of every chart because each is good at one thing. The SVG of charts.py takes under 1 ms at the
server and needs no script: a first view of the support page is 58 kB. This one brings 270 kB of scripts (packed), 0.3 s
at the first press and 0.05 s at each later one, and answers what a still picture cannot. So it is fetched when a reader
asks for it, and not before.

A specification stands on its own: its rows are inline, its words are written out (no formatter of ours is needed to
say "4 min 12 s"), its colours are parameters with the light theme's values. The page sets those to the colours of the
theme it is in. Days are the tenant's local days; they are written without a zone and drawn as UTC, so that no
browser's own zone can move them.

Every datum holds `row`, its number in the chart's table; the table's columns by their published names; `say`, the
same in words; and what the drawing adds.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from crm_platform.languages import Language
from crm_platform.serving.pages import numbers
from crm_platform.serving.pages.chart import WIDTHS, Chart
from crm_platform.serving.pages.charts import BarChart, ColumnChart, HeatMap, LineChart

Json = dict[str, Any]

SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v6.json"

# Tokens of the style sheet, `-` written `_`, in the light theme.
COLOURS: Final[Mapping[str, str]] = {
    "panel": "#ffffff",
    "grid": "#eceef0",
    "ink": "#16191d",
    "quiet": "#59616b",
    "faint": "#9aa2ab",
    "accent": "#0068a3",
    "accent_soft": "#e3f0f9",
    "second_mark": "#d55e00",
    "third": "#b9c0c8",
    "heat0": "#eef5fa",
    "heat1": "#d9e9f4",
    "heat2": "#bfdaec",
    "heat3": "#9fc8e2",
    "heat4": "#7bb3d6",
    "heat5": "#559cc8",
    "heat6": "#3083b7",
    "heat7": "#12699f",
    "heat8": "#034b78",
}
# A look of the style sheet: what fills it, what runs around it.
_FILL: Final = {"first": "accent", "second": "second_mark", "third": "third", "quiet": "third", "soft": "accent_soft"}
_STROKE: Final = {**_FILL, "soft": "accent"}

_FONT: Final = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif'
_DAY: Final = 86_400_000  # ms
_LETTER: Final = 6.7  # px: mean width of a character at 12 px
_DASHES: Final = [3, 4]


def specification(chart: Chart, language: Language) -> Json | None:
    """The chart in Vega-Lite, as wide and high as on a wide page; None when there is nothing to draw."""
    drawing = chart.drawing
    if drawing is None or not chart.wide:
        return None
    rows = _rows(chart, language)
    if isinstance(drawing, LineChart):
        values, layers, more = _lines(drawing, chart, rows)
    elif isinstance(drawing, ColumnChart):
        values, layers, more = _columns(drawing, chart, rows)
    elif isinstance(drawing, BarChart):
        values, layers, more = _bars(drawing, chart, rows)
    else:
        values, layers, more = _heat(drawing, chart, rows)
    return {
        "$schema": SCHEMA,
        "title": {"text": chart.title, "subtitle": chart.subtitle},
        "description": f"{chart.title}. {drawing.description}",
        "width": WIDTHS[chart.span],
        "height": drawing.row * len(drawing.bars) + 4 if isinstance(drawing, BarChart) else chart.height,
        "autosize": {"type": "fit", "contains": "padding"},
        "padding": {"left": 2, "top": 6, "right": 12, "bottom": 2},
        "background": _colour("panel"),
        "params": [*({"name": name, "value": value} for name, value in COLOURS.items()), *_hoisted(layers)],
        "data": {"values": values},
        "layer": layers,
        "config": _config(language),
        **more,
    }


# Lines by day or month.

_Parts = tuple[list[Json], list[Json], Json]
"""Data, layers, and what else the specification says."""


def _lines(drawing: LineChart, chart: Chart, rows: list[Json]) -> _Parts:
    by, ticks = chart.key[0], drawing.ticks
    names = _names([line.name for line in drawing.lines], chart)
    fields = [f"line{number}" for number in range(len(names))]
    for field, line in zip(fields, drawing.lines, strict=True):
        for row, value in zip(rows, line.values, strict=True):
            row[field] = value
    x = _time(by, len(rows))
    x["scale"]["padding"] = 5  # px: the last point is drawn whole
    y: Json = {
        "field": "drawn",
        "type": "quantitative",
        "title": None,
        "scale": {
            "type": "log" if drawing.scale == "time" else "linear",
            "domain": [ticks[0], ticks[-1]],
            "clamp": True,
            "nice": False,
        },
        "axis": _levels(ticks, [drawing.words(tick) for tick in ticks]),
    }
    colour = _series(names, [_FILL[line.look] for line in drawing.lines])
    # A level of 0 has no place on a logarithmic scale: it is drawn at the lowest level that is named.
    drawn = f"isValid(datum.value) ? max(datum.value, {ticks[0]}) : null"
    long: list[Json] = [
        {"fold": fields, "as": ["field", "value"]},
        {"calculate": f"{_lookup(dict(zip(fields, names, strict=True)))}[datum.field]", "as": "series"},
        {"calculate": drawn if drawing.scale == "time" else "datum.value", "as": "drawn"},
    ]
    count = len(rows)
    edge = count if drawing.open_from is None else drawing.open_from
    shared: Json = {"x": x, "y": y, "color": colour, "opacity": _picked()}
    stroke: Json = {"type": "line", "strokeWidth": 2, "strokeCap": "round", "strokeJoin": "round"}
    layers = [
        *_band(drawing, x),
        {
            "name": "drawn",
            "transform": [*long, {"filter": f"datum.row < {edge}"}],
            "mark": stroke,
            "params": [_pick()],
            "encoding": shared,
        },
    ]
    if edge < count:
        tail = {"transform": [*long, {"filter": f"datum.row >= {edge - 1}"}], "mark": stroke | {"strokeDash": _DASHES}}
        ends = {
            "transform": [*long, {"filter": f"datum.row >= {edge} && isValid(datum.value)"}],
            "mark": {"type": "point", "size": 40, "strokeWidth": 2, "filled": False, "fill": _colour("panel")},
        }
        layers += [part | {"encoding": shared} for part in (tail, ends)]
    found = {"and": [{"param": "near", "empty": False}, {"param": "pick"}]}
    near = {
        "transform": [*long, {"filter": "isValid(datum.value)"}, {"filter": found}],
        "mark": {"type": "point", "filled": True, "size": 44, "opacity": 1, "tooltip": None},
        "encoding": {"x": x, "y": y, "color": colour},
    }
    pointer = {
        "name": "pointer",
        "mark": {"type": "rule", "color": _colour("faint")},
        "params": [_nearest(encodings=["x"]), _zoom()],
        "encoding": {"x": x, "opacity": _near(1), "tooltip": _tooltip(chart)},
    }
    return rows, [*layers, *_rule(drawing, y), near, pointer], {}


def _band(drawing: LineChart, x: Json) -> list[Json]:
    """The chosen range, shaded when more than that is drawn; from midnight to midnight around its days."""
    if drawing.shaded is None:
        return []
    first, last = (_instant(drawing.days[number]) for number in drawing.shaded)
    lowest, highest = _instant(drawing.days[0]), _instant(drawing.days[-1])
    place = {"from": max(lowest, first - _DAY // 2), "to": min(highest, last + _DAY // 2)}
    return [
        {
            "data": {"values": [place]},
            "mark": {"type": "rect", "color": _colour("accent_soft"), "opacity": 0.7},
            "encoding": {"x": {**x, "field": "from"}, "x2": {"field": "to"}},
        }
    ]


def _rule(drawing: LineChart, y: Json) -> list[Json]:
    """The target: a dashed line with its name."""
    if drawing.rule is None:
        return []
    place = {"y": {**{name: part for name, part in y.items() if name != "field"}, "datum": drawing.rule.value}}
    text: Json = {"type": "text", "text": drawing.rule.name, "align": "left", "dx": 6, "dy": -7}
    halo = {"stroke": _colour("panel"), "strokeWidth": 3, "strokeJoin": "round"}
    return [
        {
            "data": {"values": [{}]},
            "mark": {"type": "rule", "color": _colour("ink"), "strokeDash": [6, 4], "opacity": 0.7},
            "encoding": place,
        },
        *(
            {"data": {"values": [{}]}, "mark": text | look, "encoding": {"x": {"value": 0}, **place}}
            for look in (halo, {"color": _colour("ink")})
        ),
    ]


# Columns by day or month.


def _columns(drawing: ColumnChart, chart: Chart, rows: list[Json]) -> _Parts:
    by, ticks = chart.key[0], drawing.ticks()
    names = _names([line.name for line in drawing.stacks], chart)
    fields = [f"part{number}" for number in range(len(names))]
    for field, line in zip(fields, drawing.stacks, strict=True):
        for row, value in zip(rows, line.values, strict=True):
            row[field] = value
    x = _time_bands(by, len(rows), chart.rows[-1][by])
    scale = {"domain": [0, ticks[-1]], "nice": False, "zero": True}
    axis = _levels(ticks, [drawing.words(tick) for tick in ticks])
    y: Json = {"field": "value", "type": "quantitative", "title": None, "stack": "zero", "scale": scale, "axis": axis}
    edge = len(rows) if drawing.open_from is None else drawing.open_from
    is_open = f"datum.row >= {edge}"
    fill = _series(names, [_FILL[line.look] for line in drawing.stacks])
    around = ", ".join(f"{field}: {_STROKE[line.look]}" for field, line in zip(fields, drawing.stacks, strict=True))
    soft = [field for field, line in zip(fields, drawing.stacks, strict=True) if line.look == "soft"]
    rim = f"{is_open} ? 1.5 : indexof({json.dumps(soft)}, datum.field) >= 0 ? 1 : 0"
    bars = {
        "name": "drawn",
        "transform": [
            {"fold": fields, "as": ["field", "value"]},
            {"calculate": f"{_lookup(dict(zip(fields, names, strict=True)))}[datum.field]", "as": "series"},
            {"calculate": f"indexof({json.dumps(fields)}, datum.field)", "as": "order"},
            {"filter": "datum.value > 0"},
        ],
        "mark": {"type": "bar", "width": {"band": 0.76}, "tooltip": None},
        "params": [_pick()],
        "encoding": {
            "x": x,
            "y": y,
            "fill": {"condition": {"test": is_open, "value": _colour("panel")}, **fill},
            "stroke": {"value": {"expr": f"({{{around}}})[datum.field]"}},
            "strokeWidth": {"value": {"expr": rim}},
            "strokeDash": {"condition": {"test": is_open, "value": [3, 3]}, "value": [1, 0]},
            "order": {"field": "order", "type": "ordinal"},
            "opacity": _picked(),
        },
    }
    pointer = {
        "name": "pointer",
        "mark": {"type": "rect", "color": _colour("ink")},
        "params": [_nearest(fields=["row"]), _zoom()],
        "encoding": {"x": x, "opacity": _near(0.07), "tooltip": _tooltip(chart)},
    }
    return rows, [bars, *_labels(drawing, chart, rows, x, y), pointer], {}


def _labels(drawing: ColumnChart, chart: Chart, rows: list[Json], x: Json, y: Json) -> list[Json]:
    """Words on the columns: as many as do not touch, the last one always."""
    if not drawing.labels:
        return []
    step = (WIDTHS[chart.span] - 48) / len(rows)
    every = -int(-(max(map(len, drawing.labels)) * _LETTER + 4) // step)
    for number, (row, words) in enumerate(zip(rows, drawing.labels, strict=True)):
        row["label"] = words if (len(rows) - 1 - number) % every == 0 else ""
        row["total"] = sum(line.values[number] or 0 for line in drawing.stacks)
    place = {"x": {**x, "bandPosition": 0.5}, "y": {**y, "field": "total", "stack": None}}
    mark = {"type": "text", "baseline": "bottom", "dy": -3, "color": _colour("ink")}
    return [{"mark": mark, "encoding": {**place, "text": {"field": "label"}}}]


# Ranked bars.


def _bars(drawing: BarChart, chart: Chart, rows: list[Json]) -> _Parts:
    values = rows[: len(drawing.bars)]
    said = dict(chart.keys)
    for row, bar in zip(values, drawing.bars, strict=True):
        row |= {"bar_text": bar.text, "bar_value": bar.value, "bar_low": bar.low, "bar_high": bar.high}
        row |= {"series": said.get(bar.look, bar.look), "bar_end": drawing.most}
    longest = max(len(bar.name) for bar in drawing.bars) * _LETTER + 16
    named = {str(number): bar.name for number, bar in enumerate(drawing.bars)}
    axis = {
        "labelExpr": f"{_lookup(named)}[datum.value]",
        "labelColor": _colour("ink"),
        "labelFontSize": 12,
        "labelLimit": round(min(longest, WIDTHS[chart.span] * 0.36)),
    }
    y: Json = {"field": "row", "type": "ordinal", "title": None, "axis": axis, "scale": {"padding": 0.4}}
    across = {"type": "quantitative", "title": None, "axis": None}
    scale = {"domain": [0, drawing.most], "nice": False, "zero": True}
    looks = list(dict.fromkeys(bar.look for bar in drawing.bars))
    colour = _series([said.get(look, look) for look in looks], [_FILL[look] for look in looks])
    if not chart.keys:
        colour["legend"] = None
    bar_mark: Json = {"type": "bar", "height": {"band": 0.92}, "tooltip": None}
    whole = {"field": "bar_end", **across, "scale": scale}
    layers: list[Json] = [
        {"mark": bar_mark | {"color": _colour("grid")}, "encoding": {"y": y, "x": whole}},
        {
            "name": "drawn",
            "mark": bar_mark,
            "params": [_pick()],
            "encoding": {
                "y": y,
                "x": {"field": "bar_value", **across, "scale": scale},
                "color": colour,
                "opacity": _picked(),
            },
        },
    ]
    if any(bar.low is not None and bar.high is not None for bar in drawing.bars):
        ends = {"type": "tick", "thickness": 1.25, "size": 8, "color": _colour("ink"), "tooltip": None}
        low, high = ({"field": field, **across, "scale": scale} for field in ("bar_low", "bar_high"))
        span = {"type": "rule", "strokeWidth": 1.25, "color": _colour("ink")}
        layers += [
            {"mark": span, "encoding": {"y": y, "x": low, "x2": {"field": "bar_high"}}},
            {"mark": ends, "encoding": {"y": y, "x": low}},
            {"mark": ends, "encoding": {"y": y, "x": high}},
        ]
    text = {"type": "text", "align": "left", "dx": 8, "color": _colour("ink"), "clip": False}
    layers += [
        {"mark": text, "encoding": {"y": y, "x": whole, "text": {"field": "bar_text"}}},
        _cells({"y": {**y, "scale": {"padding": 0.4}}}, chart),
    ]
    return values, layers, {}


# A heat map.


def _heat(drawing: HeatMap, chart: Chart, rows: list[Json]) -> _Parts:
    values = []
    for line, cells in enumerate(drawing.cells):
        for column, value in enumerate(cells):
            if value is not None:
                few = drawing.marks is not None and drawing.marks[line][column]
                place = {"cell_line": line, "cell_column": column, "cell_value": value, "cell_few": few}
                values.append(rows[drawing.row(line, column)] | place)
    every = 3 if len(drawing.columns) > 12 else 1
    shown = {str(number): name if number % every == 0 else "" for number, name in enumerate(drawing.columns)}
    x = _place("cell_column", shown, len(drawing.columns)) | {"title": None}
    x["axis"] |= {"labelAngle": 0, "labelOverlap": False}
    y = _place("cell_line", {str(number): name for number, name in enumerate(drawing.rows)}, len(drawing.rows))
    steps = [_colour(f"heat{level}") for level in range(9)]
    top = drawing.high if drawing.high is not None and drawing.high > drawing.low else drawing.low + 1
    shade = {
        "field": "cell_value",
        "type": "quantitative",
        "legend": None,
        "scale": {"type": "quantize", "domain": [drawing.low, top], "range": steps, "nice": False, "zero": False},
    }
    cells_mark = {"type": "rect", "stroke": _colour("panel"), "strokeWidth": 2, "tooltip": None}
    layers: list[Json] = [
        {
            "mark": cells_mark,
            "encoding": {
                "x": x,
                "y": y,
                "color": shade,
                "opacity": {"condition": {"test": "datum.cell_few", "value": 0.5}, "value": 1},
            },
        }
    ]
    if any(value["cell_few"] for value in values):
        struck = {
            "x": {**x, "bandPosition": 0.08},
            "x2": {"field": "cell_column", "bandPosition": 0.92},
            "y": {**y, "bandPosition": 0.92},
            "y2": {"field": "cell_line", "bandPosition": 0.08},
        }
        stroke = {"type": "rule", "color": _colour("ink"), "opacity": 0.45, "tooltip": None}
        layers.append({"transform": [{"filter": "datum.cell_few"}], "mark": stroke, "encoding": struck})
    layers.append(_cells({"x": x, "y": y}, chart))
    return values, layers, {"view": {"fill": _colour("grid"), "stroke": None}}


def _place(field: str, names: Mapping[str, str], count: int) -> Json:
    axis = {"labelExpr": f"{_lookup(names)}[datum.value]", "grid": False}
    domain = list(range(count))
    return {"field": field, "type": "ordinal", "title": None, "axis": axis, "scale": {"domain": domain, "padding": 0}}


# What the drawings share.


def _hoisted(layers: list[Json]) -> list[Json]:
    """Take the selections out of their layers: Altair reads them only where all parameters of a chart stand."""
    return [one | {"views": [layer["name"]]} for layer in layers for one in layer.pop("params", [])]


def _rows(chart: Chart, language: Language) -> list[Json]:
    """The chart's table: exact values, and the same in words."""
    return [
        {
            "row": number,
            **{column.name: _json(row.get(column.name)) for column in chart.columns},
            "say": {column.name: column.write(language, row.get(column.name)) for column in chart.columns},
        }
        for number, row in enumerate(chart.rows)
    ]


def _json(value: object) -> object:
    return value.isoformat() if isinstance(value, dt.date) else value


def _colour(name: str) -> Json:
    return {"expr": name}


def _names(names: Sequence[str], chart: Chart) -> list[str]:
    """Names of series; one that stands alone may have none, and is called what the chart is."""
    return [name or chart.title for name in names]


def _instant(day: dt.date) -> int:
    """A day's beginning, drawn as UTC, in ms."""
    return int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp() * 1000)


def _time(by: str, count: int) -> Json:
    """The time axis of so many days or months. Marks between two of them, when zoomed far in, have no name."""
    midnight = "utchours(datum.value) == 0 && utcminutes(datum.value) == 0"
    when = midnight if by == "day" else f"utcdate(datum.value) == 1 && {midnight}"
    axis: Json = {"grid": False, "labelExpr": f"{when} ? datum.label : ''", "labelOverlap": True, "labelSeparation": 8}
    if by == "day":
        axis |= {"format": "%-d %b" if count < 366 else "%-d %b %Y", "tickCount": {"expr": "max(2, ceil(width / 90))"}}
    else:
        axis |= {"format": "%b", "tickCount": {"interval": "month", "step": 1}}
    scale = {"type": "utc", "nice": False}
    return {"field": by, "type": "temporal", "title": None, "scale": scale, "axis": axis}


def _time_bands(by: str, count: int, last: dt.date) -> Json:
    """The time axis of columns, each as wide as its day or month, its name beneath its middle."""
    x = _time(by, count)
    x["timeUnit"] = "utcyearmonthdate" if by == "day" else "utcyearmonth"
    half = _DAY // 2 if by == "day" else 15 * _DAY
    x["axis"]["labelOffset"] = {"expr": f"scale('x', {half}) - scale('x', 0)"}
    x["axis"]["labelExpr"] = f"datum.value > {_instant(last)} ? '' : {x['axis']['labelExpr']}"
    return x


def _levels(ticks: Sequence[float], words: Sequence[str]) -> Json:
    named = {str(int(tick)) if tick == int(tick) else repr(tick): word for tick, word in zip(ticks, words, strict=True)}
    return {"values": list(ticks), "labelExpr": f"{_lookup(named)}[datum.value]"}


def _lookup(names: Mapping[str, str]) -> str:
    """A table of names as an expression."""
    return json.dumps(dict(names))


def _series(names: Sequence[str], colours: Sequence[str]) -> Json:
    """Colours by series, in one order everywhere; a legend when there is more than one."""
    legend = {"legend": None} if len(names) < 2 else {}
    scale = {"domain": list(names), "range": [_colour(colour) for colour in colours]}
    return {"field": "series", "type": "nominal", "title": None, "scale": scale, **legend}


def _pick() -> Json:
    """What a press on the legend singles out."""
    return {"name": "pick", "select": {"type": "point", "fields": ["series"]}, "bind": "legend"}


def _picked() -> Json:
    return {"condition": {"param": "pick", "value": 1}, "value": 0.15}


def _near(opacity: float) -> Json:
    return {"condition": {"param": "near", "empty": False, "value": opacity}, "value": 0}


def _nearest(*, encodings: Sequence[str] = (), fields: Sequence[str] = ()) -> Json:
    """The row under the pointer; by `encodings` the nearest one."""
    by: Json = {"encodings": list(encodings), "nearest": True} if encodings else {"fields": list(fields)}
    return {"name": "near", "select": {"type": "point", "on": "pointerover", "clear": "pointerout", **by}}


def _zoom() -> Json:
    return {"name": "zoom", "select": {"type": "interval", "encodings": ["x"]}, "bind": "scales"}


def _cells(places: Json, chart: Chart) -> Json:
    """What takes the pointer over bars and cells."""
    return {
        "name": "pointer",
        "mark": {"type": "rect", "color": _colour("ink")},
        "params": [_nearest(fields=["row"])],
        "encoding": {**places, "opacity": _near(0.12), "tooltip": _tooltip(chart)},
    }


def _tooltip(chart: Chart) -> list[Json]:
    return [{"field": f"say.{column.name}", "type": "nominal", "title": column.heading} for column in chart.columns]


def _config(language: Language) -> Json:
    months = [numbers.month(language, dt.date(2026, month, 1), year=False) for month in range(1, 13)]
    weekdays = [language.weekday((number - 1) % 7) for number in range(7)]  # from Sunday
    time = {
        "dateTime": "%-d %b %Y, %H:%M",
        "date": "%-d %b %Y",
        "time": "%H:%M",
        "periods": ["AM", "PM"],
        "days": weekdays,
        "shortDays": weekdays,
        "months": months,
        "shortMonths": months,
    }
    return {
        "font": _FONT,
        "locale": {"time": time},
        "view": {"stroke": None},
        "axis": {
            "domain": False,
            "ticks": False,
            "gridColor": _colour("grid"),
            "labelColor": _colour("quiet"),
            "labelFontSize": 11.5,
            "labelPadding": 8,
        },
        "legend": {
            "orient": "top",
            "labelColor": _colour("ink"),
            "labelFontSize": 12,
            "labelLimit": 130,
            "offset": 6,
            "columns": {"expr": "width < 400 ? 2 : 0"},  # 0: all beside each other
        },
        "text": {"fontSize": 12},
        "title": {
            "anchor": "start",
            "color": _colour("ink"),
            "subtitleColor": _colour("quiet"),
            "fontSize": 16,
            "offset": 12,
        },
    }
