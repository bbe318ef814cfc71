"""Documents keep up with the code: what there is is described, and what is named is there."""

from __future__ import annotations

import ast
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from crm_platform.api import OPERATIONS
from crm_platform.cli import COMMANDS
from crm_platform.models.render import MACRO_FOLDER
from crm_platform.schemas import KpiTable
from crm_platform.settings import Settings
from crm_platform.tables import TABLES

ROOT = Path(__file__).parent.parent
README, CONTRIBUTING, CONTRACT, DEFINITIONS = (
    (ROOT / name).read_text(encoding="utf-8")
    for name in ("README.md", "CONTRIBUTING.md", "docs/crm-api.md", "docs/definitions.md")
)
KPI_TABLES = [table for table in TABLES.values() if issubclass(table, KpiTable)]


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_in_the_readme(name):
    assert f"`CRM_{name.upper()}`" in README


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_is_in_the_readme(command):
    assert f"`crm {command}`" in README


@pytest.mark.parametrize(
    "name", ["requirements.lock", "requirements-test.lock", "requirements-scale.lock", "requirements-all.lock"]
)
def test_a_lock_pins_by_hash_and_holds_no_address(name):
    lock = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in lock
    assert lock.count("==") <= lock.count("--hash=sha256:")


def test_the_lock_of_newman_pins_by_hash_and_holds_no_address():
    lock = (ROOT / "crm_platform_tests/api/newman/package-lock.json").read_text(encoding="utf-8")
    assert "://" not in lock
    assert lock.count('"integrity": "sha512-') == lock.count('"node_modules/')


# Contract and definitions.


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_in_the_contract(name):
    operation = OPERATIONS[name]
    assert re.search(rf"`{operation.method} {re.escape(operation.path)}[`? ]", CONTRACT)


@pytest.mark.parametrize("table", KPI_TABLES, ids=lambda table: table.full_name())
def test_every_published_figure_is_defined(table):
    assert f"kpi.{table.table}" in DEFINITIONS or f"`{table.table}`" in DEFINITIONS
    missing = [column for column in table.columns if f"`{column}`" not in DEFINITIONS]
    assert missing == []


def test_the_definitions_say_which_version_each_table_has():
    words = r"Every KPI table has `definition_version` (\d), but (.+?), which have\s+version (\d)\."
    said = re.search(words, DEFINITIONS, re.DOTALL)
    assert said is not None
    usual, others, other = said.groups()
    others = re.findall(r"`(kpi\.\w+)`", others)
    assert {table.full_name(): table.version for table in KPI_TABLES} == {
        table.full_name(): int(other if table.full_name() in others else usual) for table in KPI_TABLES
    }


# What is named is there.

FOLDERS = ("benchmarks", "crm_platform", "crm_platform_tests", "docs", "tools")
FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.iterdir(), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*")))
    if path.is_file() and "__pycache__" not in path.parts
)
DOCUMENTS = [name for name in FILES if name.endswith(".md") and not name.startswith("crm_platform")]
MODULES = [name for name in FILES if name.endswith(".py")]

_NAME = re.compile(r"(?<![\w/.<>…*-])(?:[\w.*-]+/)*[\w.*-]+\.(?:py|sql|jinja|md|toml)\b(?![\w(/])")
_PLACE = re.compile(rf"(?<![\w/.-])(?:{'|'.join(FOLDERS)})(?:/[\w.*-]*[\w*])+(?!\w|/?<)")
_LINK = re.compile(r"\]\(([^)#\s:]*)(?:#([^)\s]+))?\)")


def _named(text: str) -> set[str]:
    """Files and folders that a text names, of which no file has the name, or ends so."""
    return {found[0] for pattern in (_NAME, _PLACE) for found in pattern.finditer(text)}


def _is_there(name: str) -> bool:
    return any(fnmatch(file, pattern) for file in FILES for pattern in (name, f"*/{name}", f"{name}/*", f"*/{name}/*"))


def _is_near(name: str, module: str) -> bool:
    """Whether a bare name is a file of the module's package: in its folder, below it, or in one above."""
    folders = [folder.as_posix() for folder in Path(module).parents]
    return any(f"{folder}/{name}" in FILES for folder in folders) or any(
        fnmatch(file, f"{folders[0]}/*/{name}") for file in FILES
    )


# A changelog may name what is gone.
@pytest.mark.parametrize("document", [name for name in DOCUMENTS if name != "CHANGELOG.md"])
def test_a_document_names_only_files_that_exist(document):
    text = _LINK.sub("]", (ROOT / document).read_text(encoding="utf-8"))
    assert sorted(name for name in _named(text) if not _is_there(name)) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_link_leads_somewhere(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    for target, anchor in _LINK.findall(text):
        other = (ROOT / document).parent / target if target else ROOT / document
        assert other.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", other.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_a_charter_names_only_files_that_exist():
    assert {module: missing for module in MODULES if (missing := _missing(module))} == {}


def _missing(module: str) -> list[str]:
    charter = ast.get_docstring(ast.parse((ROOT / module).read_text(encoding="utf-8"))) or ""
    bare = {name for name in _named(charter) if "/" not in name and "*" not in name and not (ROOT / name).exists()}
    return sorted(
        [name for name in bare if not _is_near(name, module)]
        + [name for name in _named(charter) - bare if not _is_there(name)]
    )


# How many files each kind of change touches.


def _checklist(heading: str) -> tuple[str, set[str]]:
    """The section of CONTRIBUTING.md, and the files that its numbered steps begin with."""
    section = CONTRIBUTING.split(f"### {heading}\n")[1].split("\n### ")[0]
    return section, set(re.findall(r"^\d\. `([^`]+)`", section, re.MULTILINE))


def _naming(word: str) -> set[str]:
    """Product code and documents written by hand that name something."""
    suffixes = (".py", ".sql", ".md", ".yaml")
    return {
        name
        for name in FILES
        if name.startswith(("crm_platform/", "docs/")) and name.endswith(suffixes)
        if re.search(rf"\b{word}\b", (ROOT / name).read_text(encoding="utf-8"))
    }


def test_an_operation_takes_the_files_that_the_checklist_names():
    section, files = _checklist("An API operation")
    assert "Six files" in section
    assert files - {"docs/crm-api.md"} == _naming("delete_custom_field")


def test_a_raw_table_takes_the_files_that_the_checklist_names():
    section, files = _checklist("A raw table")
    assert "Five files" in section
    assert files == _naming("CustomFields")


def test_an_engine_takes_the_files_that_the_checklist_names():
    section, _ = _checklist("An engine")
    engines = {path.stem for path in MACRO_FOLDER.glob("*.jinja")}
    assert all((ROOT / "crm_platform/warehouse" / f"{engine}.py").is_file() for engine in engines)
    outside = {name for name in _naming("DuckDbWarehouse") if not name.startswith("crm_platform/warehouse/")}
    assert {str(Path(name).parent) for name in outside} == {"crm_platform/publish"}
    assert "but `crm_platform/publish`" in section
