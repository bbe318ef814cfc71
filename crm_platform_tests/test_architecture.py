"""The packages keep their places: who may import whom, who may touch the network, the environment, the database."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import crm_platform

ROOT = Path(crm_platform.__file__).parent

# Each package imports only what stands in an earlier row, and itself.
LAYERS = (
    {"errors", "languages", "scrub"},
    {"settings"},
    {"schemas"},
    {"api", "warehouse", "sandbox"},
    {"core"},
    {"metrics"},
    {"tables"},
    {"ingest", "models"},
    {"publish"},
    {"receipts"},
    {"serving", "alerts"},
    {"defs"},
    {"doctor"},
    {"cli", "definitions"},
)
RANK = {package: rank for rank, packages in enumerate(LAYERS) for package in packages}
STARTS_SANDBOX = ROOT / "cli" / "sandbox.py"
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


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_package_imports_only_what_stands_before_it(path):
    package = package_of(path)
    for imported in imports_of(path):
        top, _, rest = imported.partition(".")
        assert top not in {"tools", "benchmarks", "crm_platform_tests"}, "the product runs without them"
        if top == "crm_platform" and rest:
            other = rest.split(".")[0]
            if other not in RANK:
                continue  # a name of the top package itself, such as __version__
            if other == "sandbox" and package != "sandbox":
                assert path == STARTS_SANDBOX, "the sandbox is a process of its own, which `crm sandbox` runs"
            assert imported != "crm_platform.cli.sandbox", "and only `crm sandbox`"
            assert other == package or RANK[other] < RANK[package], f"{package} must not import {other}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_packages_named_for_it_touch_the_outside(path):
    package, text, imported = package_of(path), path.read_text(encoding="utf-8"), imports_of(path)
    if package not in {"api", "alerts"}:
        assert not any(name.split(".")[0] in {"httpx", "requests", "urllib3"} for name in imported)
    if package != "alerts":
        assert "smtplib" not in imported
    if package not in {"defs", "definitions"}:
        assert not any(name.split(".")[0].startswith("dagster") for name in imported), "Dagster stays in defs/"
    if package != "settings":
        assert "os.environ" not in text, "settings/ reads the environment"
        assert "getenv" not in text, "settings/ reads the environment"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_opens_with_its_charter(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, "a module says what it is for"
