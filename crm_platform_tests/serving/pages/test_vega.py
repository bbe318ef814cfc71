"""Charts as Vega-Lite: valid, true to their tables, in the colours of the style sheet; and the bundled library."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import re
from typing import Any

import pytest

from crm_platform.serving.access import Role, is_export, needed_role
from crm_platform.serving.pages import vega
from crm_platform.serving.static import FOLDER, static_url
from crm_platform_tests.serving.pages.site import Site

BUNDLED = FOLDER / "vega"
LIBRARY = ("vega.min.js", "vega-lite.min.js", "vega-interpreter.js")
PAGES = ("executive", "campaigns", "support")
RANGES = ("", "?range=7d", "?range=90d", "?from=2026-11-22&to=2026-11-22")


def compared(site: Site) -> str:
    """The campaigns page with three campaigns side by side."""
    rows = site.published(
        "select campaign_id from kpi.campaign_performance where delivered > 0 and is_consistent order by all limit 3"
    )
    return "campaigns?" + "&".join(f"compare={row['campaign_id']}" for row in rows)


def specifications(site: Site, path: str, *, language: str = "en") -> dict[str, dict[str, Any]]:
    """Every specification that a page offers, by the chart's name."""
    page = site.get(f"/{path}", cookie=f"lang={language}").text
    found = {}
    for address in re.findall(r'data-specification="([^"]+)"', page):
        answer = site.get(address.replace("&amp;", "&"), cookie=f"lang={language}")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        found[address.partition(".vl.json")[0].rpartition("/")[2]] = answer.json()
    return found


@pytest.mark.services
@pytest.mark.parametrize("path", ["executive", "compare", "support", "support?from=2026-11-22&to=2026-11-22"])
def test_every_specification_is_valid_vega_lite(site: Site, path: str):
    import altair as alt

    found = specifications(site, compared(site) if path == "compare" else path)
    assert len(found) >= 5
    for specification in found.values():
        read = alt.Chart.from_dict(specification).to_dict()  # raises on what the schema does not know
        selections = {one["name"]: one["views"] for one in read["params"] if "select" in one}
        assert selections == {one["name"]: one["views"] for one in specification["params"] if "select" in one}
        assert {name for views in selections.values() for name in views} <= {one.get("name") for one in read["layer"]}


@pytest.mark.parametrize("path", [*(page + query for page in PAGES for query in RANGES), "compare"])
def test_its_values_are_those_of_the_table_on_the_page(site: Site, path: str):
    path = compared(site) if path == "compare" else path
    tables = {}
    told = site.told(f"/{path}")
    for table in told.tables:
        tables.setdefault(tuple(table.columns), []).append(table)
    checked = specifications(site, path)
    assert checked
    for specification in checked.values():
        values = specification["data"]["values"]
        names = tuple(values[0]["say"])
        found = [table for table in tables[names] if _agrees(table, values, names)]
        assert found, specification["title"]


def _agrees(table: Any, values: list[dict[str, Any]], names: tuple[str, ...]) -> bool:
    rows = [cells for _, cells in table.rows]
    return all(
        value["row"] < len(rows)
        and ["" if value[name] is None else str(value[name]) for name in names] == rows[value["row"]]
        for value in values
    )


def drawn(specification: dict[str, Any], prefix: str) -> list[list[float | None]]:
    values = specification["data"]["values"]
    return [[one[name] for one in values] for name in values[0] if name.startswith(prefix)]


def test_what_is_drawn_are_columns_of_the_table(site: Site):
    support = specifications(site, "support?range=28d")
    columns = {
        "first_response": ("line", ["first_response_seconds_median", "first_response_seconds_p90"]),
        "outcomes": ("part", ["answered_waits", "trailing_waits", "open_waits", "missed_waits"]),
        "backlog": ("part", ["open_waits_at_end"]),
        "spread": ("bar_value", ["conversations"]),
        "volume": ("cell_value", ["inbound"]),
    }
    for name, (prefix, wanted) in columns.items():
        values = support[name]["data"]["values"]
        assert drawn(support[name], prefix) == [[one[column] for one in values] for column in wanted], name
    for name, (prefix, wanted) in columns.items():
        known = [row for series in drawn(support[name], prefix) for row in series if row is not None]
        assert known, (name, wanted)


def test_days_are_local_days_and_durations_are_written_out(site: Site):
    specification = specifications(site, "support?range=28d", language="sw")["first_response"]
    values = specification["data"]["values"]
    days = [dt.date.fromisoformat(one["day"]) for one in values]
    assert days == [days[0] + dt.timedelta(days=number) for number in range(len(days))]
    assert days[-1] == dt.date(2026, 11, 22)
    said = next(one["say"]["first_response_seconds_median"] for one in values if one["first_response_seconds_median"])
    assert re.match(r"(dk|saa|sek|siku)\b", said)
    assert specification["config"]["locale"]["time"]["shortMonths"][2] == "Mac"
    levels = specification["layer"][0]["encoding"].get("y") or specification["layer"][1]["encoding"]["y"]
    assert levels["scale"]["type"] == "log"
    assert "dk" in levels["axis"]["labelExpr"]


def test_bars_and_columns_begin_at_zero(site: Site):
    for path in ("executive", "campaigns", "support"):
        for name, specification in specifications(site, path).items():
            for layer in specification["layer"]:
                if layer["mark"]["type"] == "bar":
                    length = layer["encoding"]["x" if "height" in layer["mark"] else "y"]
                    assert length["scale"]["domain"][0] == 0, name


def test_its_colours_are_the_tokens_of_the_style_sheet(site: Site):
    sheet = (FOLDER / "pages.css").read_text(encoding="utf-8")
    light = sheet[sheet.index(":root {") : sheet.index("}")]
    tokens = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]+);", light))
    assert {name.replace("_", "-"): tokens[name.replace("_", "-")] for name in vega.COLOURS} == {
        name.replace("_", "-"): value for name, value in vega.COLOURS.items()
    }
    given = specifications(site, "support")["volume"]["params"]
    assert {one["name"]: one["value"] for one in given if "value" in one} == vega.COLOURS


def test_a_specification_holds_rows_and_needs_the_right_of_the_csv():
    """Field case 77."""
    path = "/charts/support/backlog.vl.json"
    assert needed_role(path) is needed_role("/charts/support/backlog.csv") is Role.ANALYST
    assert is_export(path)


def test_what_has_nothing_to_draw_says_so(site: Site, empty_site: Site):
    for path, words in (
        ("/charts/support/nothing.vl.json", "has no chart nothing; it has first_response"),
        ("/charts/nowhere/backlog.vl.json", "no such chart"),
        ("/charts/support/agents.vl.json", "nothing to draw"),
    ):
        answer = site.get(path)
        assert (answer.status_code, words in answer.text) == (404, True), answer.text
    assert site.get("/charts/support/backlog.vl.json?range=week").status_code == 400
    assert empty_site.get("/charts/support/volume.vl.json").status_code == 404
    assert 'id="volume"' in empty_site.get("/support").text
    assert "volume.vl.json" not in empty_site.get("/support").text


# The library.


def test_the_library_is_what_its_authors_published():
    sums = dict(reversed(line.split()) for line in (BUNDLED / "SHA256SUMS").read_text(encoding="utf-8").splitlines())
    files = {path.name for path in BUNDLED.iterdir()} - {"SHA256SUMS", "README.md"}
    assert set(sums) == files >= set(LIBRARY)
    for name, digest in sums.items():
        assert hashlib.sha256((BUNDLED / name).read_bytes()).hexdigest() == digest, name
    makefile = (FOLDER.parents[2] / "Makefile").read_text(encoding="utf-8")
    versions = dict(re.findall(r"(vega[a-z-]*)@([\d.]+)", makefile))
    readme = (BUNDLED / "README.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"\| (vega[a-z-]*) \| ([\d.]+) \|", readme)) == versions
    assert len(versions) == 3


@pytest.mark.parametrize("name", LIBRARY)
def test_it_is_served_packed_and_kept_for_ever(site: Site, name: str):
    address = static_url(f"vega/{name}")
    packed, plain = site.get(address), site.get(address, **{"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content == (BUNDLED / name).read_bytes()
    assert packed.headers["vary"] == "Accept-Encoding"
    assert packed.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert packed.headers["content-type"].startswith("text/javascript")


def test_a_first_view_weighs_less_than_150_kb(site: Site):
    page = site.get("/support?range=90d").text
    fetched = re.findall(r'(?:href|src)="(/static/[^"?]+)', page)
    assert {"/static/pages.css", "/static/pages.js"} <= set(fetched)
    assert not any("vega" in name or "explore" in name for name in fetched)
    weight = len(gzip.compress(page.encode()))
    weight += sum(len(gzip.compress((FOLDER / name.removeprefix("/static/")).read_bytes())) for name in set(fetched))
    assert weight < 150_000
