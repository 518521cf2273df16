"""Whether Telnyx has sent a webhook: Ed25519 over ``timestamp|body`` (developers.telnyx.com, Webhook signing).

The timestamp is signed, so that what somebody has overheard is worth nothing after five minutes.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from openclaw_actors.errors import SettingsError

SIGNATURE = "Telnyx-Signature-Ed25519"
TIMESTAMP = "Telnyx-Timestamp"
TOLERANCE_S = 300.0
"""As Telnyx's own libraries take it: clocks differ, and what was not answered is sent again with a new time."""


class Signatures:
    """Checks signatures with the account's public key.

    Args:
        public_key: 32 bytes in base64, as the portal shows it.
        clock: the seconds of the Unix epoch.

    Raises:
        SettingsError: it is no such key: anybody could sign then, or nobody.
    """

    def __init__(self, public_key: str, clock: Callable[[], float] = time.time) -> None:
        try:
            self._key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        except ValueError:
            raise SettingsError(
                "settings", "telnyx.public_key", "it is no Ed25519 key: Telnyx's requests can't be verified without it"
            ) from None
        self._clock = clock

    def signs(self, timestamp: str, body: bytes, given: str) -> bool:
        """Whether a webhook is Telnyx's, and of these minutes.

        Args:
            timestamp: the header's.
            body: as it came.
            given: the signature, in base64.
        """
        if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
            return False
        try:
            signature = base64.b64decode(given, validate=True)
            self._key.verify(signature, timestamp.encode() + b"|" + body)
        except (binascii.Error, ValueError, InvalidSignature):
            return False
        return abs(self._clock() - int(timestamp)) <= TOLERANCE_S
