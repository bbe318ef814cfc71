"""The code location: what `dg`, `dagster dev` and the daemon load. No logic and no I/O here; see crm_platform/defs/."""

from __future__ import annotations

import dagster as dg

from crm_platform.defs.graph import build_defs

defs: dg.Definitions = build_defs()
