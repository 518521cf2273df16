"""Which host a carrier's webhook is for: it names a call of ours, or one of the carrier's that a host has taken."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from openclaw_actors.names import host_of_call
from openclaw_actors.settings.sections import Settings
from openclaw_actors.telephony.carrier import Incoming, Told, Webhook
from openclaw_actors.telephony.carriers import configured

_REMEMBERED = 10_000
"""Calls at carriers, and which host has them: of those that came in, by way of this front."""


@dataclass(frozen=True, slots=True)
class Addressee:
    """Who is to have a webhook.

    Args:
        to: ``place``: it tells of a new call; ``host``: that one; ``any``: it does not matter.
        host: that is named, or has been given this call before.
        carrier_call_id: the carrier's name for the call, to be remembered with where it went.
    """

    to: Literal["place", "host", "any"]
    host: str = ""
    carrier_call_id: str = ""


class CarrierMail:
    """Reads webhooks as far as that: whether they are signed is for the host to see.

    Args:
        settings: all settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._carriers = configured(settings)
        self._hosts: OrderedDict[str, str] = OrderedDict()

    def addressee(self, path: str, raw_path: str, query: Mapping[str, str], body: bytes) -> Addressee:
        """Who is to have this one."""
        told = self._read(path, raw_path, query, body)
        if told is None:
            return Addressee("any")
        host = host_of_call(told.call_id) or self._hosts.get(told.carrier_call_id, "")
        if isinstance(told.what, Incoming):  # the carrier repeats itself: then to the same host
            return Addressee("host" if host else "place", host, told.carrier_call_id)
        return Addressee("host" if host else "any", host)

    def went(self, carrier_call_id: str, host: str) -> None:
        """The call is that host's."""
        if carrier_call_id:
            self._hosts[carrier_call_id] = host
            self._hosts.move_to_end(carrier_call_id)
            if len(self._hosts) > _REMEMBERED:
                self._hosts.popitem(last=False)

    def _read(self, path: str, raw_path: str, query: Mapping[str, str], body: bytes) -> Told | None:
        base, _, hook = path.rpartition("/")
        name = base.removeprefix("/voice").strip("/") or "twilio"
        carrier = self._carriers.get(name)
        if carrier is None:
            return None
        try:
            return carrier.read(Webhook(hook, raw_path, query, body))
        except (ValueError, KeyError):
            return None  # the host will say what is wrong with it
