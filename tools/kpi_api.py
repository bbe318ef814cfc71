"""`python -m tools.kpi_api`: writes the KPI API's description and its TypeScript types into docs/.

What belongs here: the files' places. What does not: what is in them (serving/openapi.py, typescript.py).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from crm_platform.serving import openapi
from tools import typescript

DOCUMENT: Final = Path("docs/kpi-api.openapi.json")
TYPES: Final = Path("docs/kpi-api.d.ts")


def generate() -> dict[Path, str]:
    """The text of every generated file, by its path in the checkout."""
    return {DOCUMENT: openapi.document_text(), TYPES: typescript.types(openapi.document())}


if __name__ == "__main__":
    for path, text in generate().items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {path}\n")
