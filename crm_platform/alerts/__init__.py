"""Telling people that something is wrong: once, and once more when it is over.

What belongs here: the log line, the webhook (Slack's format) and the e-mail, remembering what has been told, the
watched KPIs and the daily digest. With `api/`, the only importer of httpx; the only one of smtplib. What does not:
computing a figure, and deciding that a run has failed; its caller names the problem.
"""

from crm_platform.alerts.alerter import Alert, Alerter
from crm_platform.alerts.notification import Notification

__all__ = ["Alert", "Alerter", "Notification"]
