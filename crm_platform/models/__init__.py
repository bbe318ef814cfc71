"""From raw rows to KPIs: the engine that turns declarations into SQL, freezes its inputs, runs it and checks what came.

What belongs here: generating, rendering and narrowing SELECTs, the macros they share (`shared.jinja`), freezing the
inputs of a build, building and validating. What does not: a figure (metrics/), a core table (core/), an engine's own
words (warehouse/macros/), copying results out (publish/).

A build: `freeze` reads what was known by the cut out of the live warehouse; then, without the live lock, `build` each
table of `build_order()`, and `validate` it.
"""

from crm_platform.models.cut import Cut
from crm_platform.models.frozen import freeze
from crm_platform.models.render import (
    build_order,
    code_version,
    dependencies,
    expand,
    is_built,
    render,
    vocabulary,
)
from crm_platform.models.run import Built, build, build_within, validate

__all__ = [
    "Built",
    "Cut",
    "build",
    "build_order",
    "build_within",
    "code_version",
    "dependencies",
    "expand",
    "freeze",
    "is_built",
    "render",
    "validate",
    "vocabulary",
]
