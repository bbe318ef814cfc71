"""What people and programs look at: the dashboards, the KPI API, `/metrics`, `/healthz`.

What belongs here: one ASGI app that reads the published snapshot and nothing else. What does not: computing a figure
(models/), publishing one (publish/), the live warehouse.
"""

from crm_platform.serving.app import create_app

__all__ = ["create_app"]
