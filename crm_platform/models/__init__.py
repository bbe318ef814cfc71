"""From raw rows to KPIs: one SQL template a table, frozen inputs, and what runs and checks them.

What belongs here: `core/*.sql`, `kpi/*.sql`, the macros they share (`shared.jinja`), freezing the inputs of a build,
rendering, building and validating. What does not: Python that computes a KPI, an engine's own words
(warehouse/macros/), copying results out (publish/).

A build: `freeze` reads what was known by the cut out of the live warehouse; then, without the live lock, `build` each
table of `build_order()`, and `validate` it.
"""

from crm_platform.models.cut import Cut
from crm_platform.models.frozen import freeze, require_known
from crm_platform.models.run import Built, build, build_within, validate
from crm_platform.models.templates import (
    TEMPLATE_FOLDERS,
    build_order,
    code_version,
    dependencies,
    expand,
    render,
    vocabulary,
)

__all__ = [
    "TEMPLATE_FOLDERS",
    "Built",
    "Cut",
    "build",
    "build_order",
    "build_within",
    "code_version",
    "dependencies",
    "expand",
    "freeze",
    "render",
    "require_known",
    "validate",
    "vocabulary",
]
