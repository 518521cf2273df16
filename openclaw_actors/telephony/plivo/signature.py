"""Whether Plivo has sent a webhook (plivo.com/docs/voice/concepts/signature-validation): HMAC-SHA256, two versions.

Version 3 signs URL, query, fields and a nonce. Version 2, which some accounts still send alone, signs the bare URL and
a nonce, and no field: so there a nonce is good for one body only. URLs are put together from ``server.public_url`` and
the request's own target, never from Host or a forwarded header.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Iterable
from urllib.parse import parse_qs, urlsplit

from multidict import MultiMapping

from openclaw_actors.errors import SettingsError
from openclaw_actors.telephony.carrier import is_given_once
from openclaw_actors.telephony.forms import read_form

V3, V3_NONCE = "X-Plivo-Signature-V3", "X-Plivo-Signature-V3-Nonce"
V2, V2_NONCE = "X-Plivo-Signature-V2", "X-Plivo-Signature-V2-Nonce"
_NONCES = 10_000
"""Kept of version 2, 2 MB at most; only what has a good signature is."""
_SIGNATURES = 8
"""In one header, of several tokens while one is replaced."""


class Signatures:
    """Checks signatures with the account's auth token.

    Args:
        auth_token: of the account, or of the sub-account whose number it is.
        public_url: ``server.public_url``.

    Raises:
        SettingsError: one of them is empty: anybody could sign then, or nobody.
    """

    def __init__(self, auth_token: str, public_url: str) -> None:
        for key, value in (("plivo.auth_token", auth_token), ("server.public_url", public_url)):
            if not value:
                raise SettingsError("settings", key, "it is missing: Plivo's requests can't be verified without it")
        self._token = auth_token.encode()
        self._base = public_url.rstrip("/")
        self._bodies: OrderedDict[str, bytes] = OrderedDict()

    @staticmethod
    def missing(headers: MultiMapping[str]) -> str:
        """The name of a header that is not there once; empty: there is what one version needs."""
        if V3 not in headers and is_given_once(headers, V2) and is_given_once(headers, V2_NONCE):
            return ""
        return next((each for each in (V3, V3_NONCE) if not is_given_once(headers, each)), "")

    def signs(self, target: str, body: bytes, headers: MultiMapping[str]) -> bool:
        """Whether a POST is Plivo's; ``target`` is path and query as they came, ``body`` a form."""
        if V3 in headers:
            try:
                return self.signs_v3(target, body, headers[V3_NONCE], headers[V3])
            except ValueError:  # no form
                return False
        return self.signs_v2(target, body, headers[V2_NONCE], headers[V2])

    def signs_v3(self, target: str, body: bytes, nonce: str, given: str) -> bool:
        """By version 3.

        Raises:
            ValueError: the body is no form.
        """
        return self._is_one_of(self.sign_v3(target, body, nonce), given)

    def signs_v2(self, target: str, body: bytes, nonce: str, given: str) -> bool:
        """By version 2, and the first with this nonce or the same again."""
        if not self._is_one_of(self.sign_v2(target, nonce), given):
            return False
        digest = hashlib.sha256(target.encode() + b"\n" + body).digest()
        known = self._bodies.setdefault(nonce, digest)
        if len(self._bodies) > _NONCES:
            self._bodies.popitem(last=False)
        return hmac.compare_digest(known, digest)

    def sign_v3(self, target: str, body: bytes, nonce: str) -> str:
        """What version 3 says of a POST."""
        url, query, form = self._base + target.partition("?")[0], urlsplit(target).query, read_form(body)
        signed = url
        if query or form:
            signed += "?" + "&".join(f"{name}={value}" for name, value in _sorted(parse_qs(query, True).items()))
        if query and form:
            signed += "."
        fields = {name: form.getall(name) for name in form}
        signed += "".join(f"{name}{value}" for name, value in _sorted(fields.items()))
        return self._hmac(f"{signed}.{nonce}")

    def sign_v2(self, target: str, nonce: str) -> str:
        """What version 2 says of any request."""
        return self._hmac(self._base + target.partition("?")[0] + nonce)

    def _hmac(self, text: str) -> str:
        return base64.b64encode(hmac.digest(self._token, text.encode(), "sha256")).decode()

    @staticmethod
    def _is_one_of(expected: str, given: str) -> bool:
        # All are compared, whichever matches: time does not tell.
        matches = [
            hmac.compare_digest(expected.encode(), signature.strip().encode())
            for signature in given.split(",")[:_SIGNATURES]
        ]
        return any(matches)


def _sorted(fields: Iterable[tuple[str, list[str]]]) -> Iterable[tuple[str, str]]:
    return ((name, value) for name, values in sorted(fields) for value in sorted(values))
