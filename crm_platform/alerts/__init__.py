"""Telling people that something is wrong: once, and once more when it is over.

What belongs here: the log line and the webhook (Slack's format), and remembering what has been told. With `api/`, the
only importer of httpx. What does not: deciding that something is wrong; the caller names the problem.
"""

from crm_platform.alerts.alerter import Alert, Alerter

__all__ = ["Alert", "Alerter"]
