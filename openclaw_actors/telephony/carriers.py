"""The carriers there are, and those that are configured."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from openclaw_actors.settings.sections import Settings
from openclaw_actors.telephony.carrier import Carrier
from openclaw_actors.telephony.plivo.carrier import PlivoCarrier
from openclaw_actors.telephony.telnyx.carrier import TelnyxCarrier
from openclaw_actors.telephony.twilio.carrier import TwilioCarrier

CARRIERS: Mapping[str, Callable[[Settings, str], Carrier]] = {
    "twilio": TwilioCarrier,
    "telnyx": TelnyxCarrier,
    "plivo": PlivoCarrier,
}
"""By name, which is the transport of their calls; the first of those configured is called over."""


def configured(settings: Settings, host: str = "") -> dict[str, Carrier]:
    """The carriers of which an account is set, in the order of the settings' file.

    Args:
        settings: all settings.
        host: the name of this host in a cluster, to which streams are to come.

    Raises:
        SettingsError: what is needed to verify a carrier's requests is missing.
    """
    return {name: CARRIERS[name](settings, host) for name in settings.carriers}
