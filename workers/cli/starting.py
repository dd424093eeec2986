"""What `up` and `migrate` share: settings, and how a start ends that can't be."""

import sys
from typing import NoReturn

from workers.base.settings import Settings, SettingsError, load
from workers.base.terminal import warn


def settings() -> Settings:
    """The settings; a wrong one ends this process with its sentence."""
    try:
        return load()
    except SettingsError as wrong:
        end(wrong)


def end(wrong: Exception) -> NoReturn:
    """Say what is wrong and exit with 1."""
    warn(f"tenure: {wrong}")
    sys.exit(1)
