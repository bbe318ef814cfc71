"""Every environment variable the platform reads, typed, with its default and meaning.

What belongs here: the settings, their parsing, and the paths that follow from `CRM_DATA_DIR`. What does not: acting on
them. No other package reads `os.environ`. A secret may come from a file instead: `CRM_API_KEY_FILE=/run/secrets/key`.

Every variable has bounds. What is written in another way but means one thing is read so (a byte order mark, a trailing
slash); anything else is refused in one line that names the variable and says what to write. No message shows a secret.
"""

from crm_platform.settings.addresses import Network, is_loopback
from crm_platform.settings.business_hours import DAYS, OpenHours, parse_business_hours
from crm_platform.settings.environment import (
    current_settings,
    environment_with,
    environment_without_secrets,
    load_settings,
)
from crm_platform.settings.values import LONGEST_LIST, text_in
from crm_platform.settings.variables import SANDBOX_NAME, Settings

__all__ = [
    "DAYS",
    "LONGEST_LIST",
    "SANDBOX_NAME",
    "Network",
    "OpenHours",
    "Settings",
    "current_settings",
    "environment_with",
    "environment_without_secrets",
    "is_loopback",
    "load_settings",
    "parse_business_hours",
    "text_in",
]
