"""STUN and TURN servers as a browser and aiortc name them, with short-lived TURN credentials."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from typing import Any

from aiortc import RTCConfiguration, RTCIceServer

from openclaw_actors.settings.sections import WebRtc

_VALID_S = 3600
"""A TURN allocation outlives its credentials only until its next refresh, so they must last a call
(calls.max_duration_s)."""


def turn_credential(secret: str, username: str) -> str:
    """The password of a coturn REST user (draft-uberti-behave-turn-rest-00 section 2.2, ``use-auth-secret``)."""
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def ice_servers_for_client(
    settings: WebRtc, *, now: float | None = None, identity: str | None = None
) -> list[dict[str, Any]]:
    """RTCIceServer objects for a client, JSON-ready.

    Args:
        settings: ``ice_servers``; with ``turn_secret``, TURN servers get credentials that last an hour.
        now: Unix time in seconds, for tests.
        identity: names the user in coturn's log; a random one if left out.
    """
    expiry = int(time.time() if now is None else now) + _VALID_S
    username = f"{expiry}:{identity or secrets.token_hex(8)}"
    secret = settings.turn_secret.get_secret_value()
    servers: list[dict[str, Any]] = []
    for server in settings.ice_servers:
        entry: dict[str, Any] = {"urls": list(server.urls)}
        if secret and any(url.startswith(("turn:", "turns:")) for url in server.urls):
            entry |= {"username": username, "credential": turn_credential(secret, username)}
        elif server.username:
            entry |= {"username": server.username, "credential": server.credential.get_secret_value()}
        servers.append(entry)
    return servers


def configuration(settings: WebRtc) -> RTCConfiguration:
    """What aiortc is given: an empty list where no server is configured, as None makes it ask Google's."""
    return RTCConfiguration(iceServers=[RTCIceServer(**s) for s in ice_servers_for_client(settings)])
