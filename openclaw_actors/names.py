"""Names that calls, their sessions and their resume tokens have: in a cluster each carries the host that made it.

So whoever holds one finds its host without a directory. A host by itself names calls without a host, as it always has.
Pure but for chance.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass

from openclaw_actors.stamps import ulid

HOST = re.compile(r"[a-z0-9]{1,24}")
"""A host's name: it stands in ids, paths, file names and labels."""
_CALL = re.compile(r"call_[0-9A-Z]{26}(?:-([a-z0-9]{1,24}))?")
_CHANCE_BYTES = 16
"""128 bits, more than can be guessed."""
_MAC_BYTES = 16


@dataclass(frozen=True, slots=True)
class Names:
    """Gives names on behalf of one host.

    Args:
        host: its name in the cluster; empty: it is by itself.
        key: signs resume tokens, the same for all hosts of a cluster: any of them takes back the caller of one that
            died.
    """

    host: str = ""
    key: bytes = b""

    def call_id(self) -> str:
        """``call_<ULID>``, and behind it the host: ids sort by time."""
        return f"call_{ulid()}" + (f"-{self.host}" if self.host else "")

    def secret(self) -> str:
        """The last part of a session's address."""
        chance = secrets.token_urlsafe(_CHANCE_BYTES)
        return f"{self.host}.{chance}" if self.host else chance

    def resume_token(self, call_id: str) -> str:
        """What brings the caller back: of a host by itself mere chance, which dies with it; else signed."""
        if not self.host:
            return secrets.token_urlsafe(24)
        chance = secrets.token_urlsafe(9)
        return f"{call_id}.{chance}.{self._mac(call_id, chance)}"

    def call_of(self, token: str) -> str:
        """The call to which a resume token of this cluster leads; empty: it is none."""
        call_id, _, rest = token.partition(".")
        chance, _, mac = rest.partition(".")
        good = hmac.compare_digest(mac.encode(errors="replace"), self._mac(call_id, chance).encode())
        return call_id if self.host and good and _CALL.fullmatch(call_id) else ""

    def _mac(self, call_id: str, chance: str) -> str:
        given = f"resume\n{call_id}\n{chance}".encode(errors="replace")
        return urlsafe_b64encode(hmac.digest(self.key, given, hashlib.sha256)[:_MAC_BYTES]).decode().rstrip("=")


BY_ITSELF = Names()
"""Those of a host that is in no cluster."""


def host_of_call(call_id: str) -> str:
    """The host that a call's id names; empty: none, or it is no id."""
    match = _CALL.fullmatch(call_id)
    return (match[1] or "") if match else ""


def host_of_token(token: str) -> str:
    """The host that a resume token names, whoever has signed it; empty: none."""
    return host_of_call(token.partition(".")[0])


def host_of_session(secret: str) -> str:
    """The host that a session's secret names; empty: none."""
    host, dot, _ = secret.partition(".")
    return host if dot and HOST.fullmatch(host) else ""
