"""Whether Twilio has sent a request: X-Twilio-Signature (twilio.com/docs/usage/security).

The signature is over the URL as Twilio called it, which behind a proxy only we can know: it is put together from
``server.public_url`` and the request's own target, never from Host or a forwarded header, which anybody can write.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from multidict import MultiDict
from twilio.request_validator import RequestValidator

from openclaw_actors.errors import SettingsError
from openclaw_actors.telephony.forms import read_form
from openclaw_actors.telephony.urls import Urls

HEADER = "X-Twilio-Signature"

_DEFAULT_PORTS = {"https": 443, "wss": 443, "http": 80, "ws": 80}


class Signatures:
    """Checks signatures with the account's primary auth token.

    ``RequestValidator`` computes them. It does not choose among the URLs: it takes 80 for the port of wss, and breaks
    on an IPv6 address.

    Args:
        auth_token: of the account.
        public_url: ``server.public_url``.

    Raises:
        SettingsError: one of them is empty: anybody could sign then, or nobody.
    """

    def __init__(self, auth_token: str, public_url: str) -> None:
        for key, value in (("twilio.auth_token", auth_token), ("server.public_url", public_url)):
            if not value:
                raise SettingsError("settings", key, "it is missing: Twilio's requests can't be verified without it")
        self._validator = RequestValidator(auth_token)
        self._base = public_url.rstrip("/")
        self._stream_base = Urls(self._base).stream.removesuffix("/voice/stream")

    def signs_request(self, target: str, body: bytes, given: str) -> bool:
        """Whether a webhook is Twilio's.

        Args:
            target: the request's target as it came: path and query.
            body: as it came.
            given: the signature.
        """
        url = self._base + target
        claimed = parse_qs(urlsplit(target).query).get("bodySHA256")
        if claimed is not None:  # a body that is no form is signed by its hash, in the URL
            same = hmac.compare_digest(hashlib.sha256(body).hexdigest().encode(), claimed[0].encode())
            return self._signs(_spellings(url), MultiDict(), given) and same
        try:
            form = read_form(body)
        except ValueError:
            return False
        return self._signs(_spellings(url), form, given)

    def signs_upgrade(self, target: str, given: str) -> bool:
        """Whether the upgrade to a media stream is Twilio's, who signs the wss URL, at times with a slash behind it."""
        urls = (self._stream_base + target, self._stream_base + target.rstrip("/") + "/")
        return self._signs((each for url in urls for each in _spellings(url)), MultiDict(), given)

    def sign(self, url: str) -> str:
        """The signature of a request to ``url`` without fields: what a check of our own sends."""
        return str(self._validator.compute_signature(url, MultiDict()))

    def _signs(self, urls: Iterator[str], form: MultiDict[str], given: str) -> bool:
        # All are compared, whichever matches: time does not tell.
        matches = [
            hmac.compare_digest(self._validator.compute_signature(url, form).encode(), given.encode()) for url in urls
        ]
        return any(matches)


def _spellings(url: str) -> Iterator[str]:
    """With and without its port: Twilio's own parts do not agree on which they sign."""
    yield url
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    host, colon, port = authority.rpartition(":")
    if colon and port.isdecimal():
        yield f"{scheme}://{host}{slash}{path}"
    else:
        yield f"{scheme}://{authority}:{_DEFAULT_PORTS[scheme]}{slash}{path}"
