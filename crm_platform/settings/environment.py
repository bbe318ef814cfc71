"""The process's environment: reading the settings from it, and what of it a child process gets.

What belongs here: all that reads `os.environ`. What does not: which variables there are (variables.py).
"""

from __future__ import annotations

import functools
import os
from typing import Any

from pydantic import ValidationError

from crm_platform.errors import FixConfiguration
from crm_platform.settings.variables import Settings, variable


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401 - any setting by its attribute name
    """Read the environment. Raises FixConfiguration naming each variable that is wrong and what to write."""
    try:
        return Settings(**overrides)
    except ValidationError as problem:
        lines = []
        for error in problem.errors(include_input=False, include_url=False, include_context=False):
            said = error["msg"].removeprefix("Value error, ").replace("Input should be '", "write '")
            lines.append(f"{variable(str(error['loc'][0]))}: {said}" if error["loc"] else said)
        raise FixConfiguration("; ".join(lines)) from None


@functools.cache
def current_settings() -> Settings:
    """Settings of this process, read once."""
    return load_settings()


def environment_without_secrets() -> dict[str, str]:
    """Give what a child of this process needs to find its libraries, and nothing else of the environment."""
    return {
        name: os.environ[name] for name in ("PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if name in os.environ
    }


def environment_with(**defaults: str) -> dict[str, str]:
    """Give this process's environment for a child, with `defaults` for variables that are not set.

    Python's time zones come from `tzdata` alone there (clock.py), also in a Dagster process that loads no code of ours.
    """
    return {**defaults, **os.environ, "PYTHONTZPATH": ""}
