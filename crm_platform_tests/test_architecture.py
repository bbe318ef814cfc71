"""The packages keep their places: who may import whom, who may touch the network, the environment, the database."""

from __future__ import annotations

import ast
import importlib.metadata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import crm_platform

ROOT = Path(crm_platform.__file__).parent

# Each package imports only what stands in an earlier row, and itself.
LAYERS = (
    {"clock", "errors", "languages", "scrub", "spellings", "sqlite_file"},
    {"settings"},
    {"schemas", "redis_server"},
    {"api", "warehouse", "sandbox"},
    {"core"},
    {"metrics"},
    {"verdicts"},
    {"tables"},
    {"ingest", "models"},
    {"publish"},
    {"receipts"},
    {"serving", "alerts", "bulk"},
    {"reports", "events"},
    {"defs"},
    {"doctor"},
    {"cli", "definitions"},
)
RANK = {package: rank for rank, packages in enumerate(LAYERS) for package in packages}
STARTS_SANDBOX = ROOT / "cli" / "sandbox.py"
SPEAKS_MCP = ROOT / "serving" / "mcp" / "protocol.py"
MODULES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def package_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def foreign_imports(path: Path) -> Iterator[str]:
    package = package_of(path)
    for imported in imports_of(path):
        top, _, rest = imported.partition(".")
        if top in {"tools", "benchmarks", "crm_platform_tests"}:
            yield f"{imported}: the product runs without it"
        if top == "crm_platform" and rest:
            other = rest.split(".")[0]
            if other not in RANK:
                continue  # a name of the top package itself, such as __version__
            if other == "sandbox" and package != "sandbox" and path != STARTS_SANDBOX:
                yield f"{imported}: the sandbox is a process of its own, which `crm sandbox` runs"
            if imported == "crm_platform.cli.sandbox":
                yield f"{imported}: only `crm sandbox` starts it"
            if other != package and RANK[other] >= RANK[package]:
                yield f"{package} must not import {other}"


def touches(path: Path) -> Iterator[str]:
    package, text, imported = package_of(path), path.read_text(encoding="utf-8"), imports_of(path)
    tops = {name.split(".")[0] for name in imported}
    if package not in {"api", "alerts"} and tops & {"httpx", "requests", "urllib3"}:
        yield "the network stays in api/ and alerts/"
    if package != "redis_server" and "redis" in tops:
        yield "Redis's client, an optional package, stays in redis_server.py"
    if package != "alerts" and "smtplib" in imported:
        yield "mail stays in alerts/"
    if package not in {"defs", "definitions"} and any(name.startswith("dagster") for name in tops):
        yield "Dagster stays in defs/"
    if package != "clock" and "ZoneInfo(" in text:
        yield "clock.zone_of makes zones, of tzdata alone"
    if path != SPEAKS_MCP and tops & {"mcp", "mcp_types"}:
        yield "the MCP SDK, a second of imports, stays in serving/mcp/protocol.py"
    if package not in {"warehouse", "publish"} and ("DuckDbWarehouse" in text or "DuckDbSession" in text):
        yield "warehouse/factory.py chooses the engine; publish/ makes DuckDB's file"
    if package != "settings" and ("os.environ" in text or "getenv" in text):
        yield "settings/ reads the environment"


def offences(rule: Callable[[Path], Iterable[str]]) -> dict[str, list[str]]:
    """What each module does against a rule."""
    found = {str(path.relative_to(ROOT)): list(rule(path)) for path in MODULES}
    return {name: said for name, said in found.items() if said}


def test_a_package_imports_only_what_stands_before_it():
    assert offences(foreign_imports) == {}


def test_only_the_packages_named_for_it_touch_the_outside():
    assert offences(touches) == {}


def test_a_module_opens_with_its_charter():
    without = [path for path in MODULES if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert without == [], "a module says what it is for"


def imported_at_once(path: Path) -> Iterator[str]:
    """The packages that a module imports as it is itself imported: neither inside a function nor for types alone."""
    waiting: list[ast.AST] = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef):
            waiting += ast.iter_child_nodes(node)


def test_collecting_the_tests_needs_no_more_than_the_lock_of_the_quick_ones():
    def pinned(lock: str) -> set[str]:
        text = (ROOT.parent / lock).read_text(encoding="utf-8")
        return {line.partition("==")[0] for line in text.splitlines() if "==" in line and line[0].isalnum()}

    heavy = (pinned("requirements-all.lock") | pinned("requirements-scale.lock")) - pinned("requirements-test.lock")
    distributions = importlib.metadata.packages_distributions()
    for path in sorted((ROOT.parent / "crm_platform_tests").rglob("*.py")):
        brought = {name for top in imported_at_once(path) for name in distributions.get(top, ())}
        normal = {name.lower().replace("_", "-").replace(".", "-") for name in brought}
        assert not normal & heavy, f"{path.name} imports {normal & heavy}: import it inside the fixture or test"
