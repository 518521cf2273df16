"""The signature by which a receiver knows that we posted it (Standard Webhooks 1.0, standardwebhooks.com)."""

from __future__ import annotations

import base64
import hashlib
import hmac

PREFIX = "whsec_"


class Signer:
    """Signs with each of the secrets, so that receivers can go over from one to the next in their own time.

    Args:
        secrets: ``whsec_`` and base64 each, with spaces between.
    """

    def __init__(self, secrets: str) -> None:
        self._keys = [base64.b64decode(each.removeprefix(PREFIX)) for each in secrets.split()]

    def headers(self, event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
        """The three headers of one attempt.

        Args:
            event_id: the same in every attempt: receivers drop what they have by it.
            timestamp: seconds since 1970, of this attempt; receivers refuse what is more than minutes off.
            body: exactly as it is sent.
        """
        signed = b".".join((event_id.encode(), str(timestamp).encode(), body))
        signatures = (base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in self._keys)
        return {
            "webhook-id": event_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(f"v1,{each}" for each in signatures),
        }
