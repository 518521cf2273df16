"""The carriers there are, and those that are configured."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import cast

from openclaw_actors.settings.sections import Settings
from openclaw_actors.telephony.carrier import Carrier

CARRIERS = ("twilio", "telnyx", "plivo")
"""Their names, which are the transports of their calls. Each lives in a package of its name below this one, which is
imported when it is configured."""


def configured(settings: Settings, host: str = "") -> dict[str, Carrier]:
    """The carriers of which an account is set, in the order of the settings' file: the first is called over.

    Args:
        settings: all settings.
        host: the name of this host in a cluster, to which streams are to come.

    Raises:
        SettingsError: what is needed to verify a carrier's requests is missing.
    """
    return {name: carrier_class(name)(settings, host) for name in settings.carriers}


def carrier_class(name: str) -> Callable[[Settings, str], Carrier]:
    """What stands for the carrier."""
    module = importlib.import_module(f"openclaw_actors.telephony.{name}.carrier")
    return cast("Callable[[Settings, str], Carrier]", getattr(module, f"{name.capitalize()}Carrier"))
