"""Where a carrier finds us: our routes under ``server.public_url``, as the carrier calls (and signs) them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode


@dataclass(frozen=True, slots=True)
class Urls:
    """All of one carrier's.

    Args:
        public_url: ``server.public_url``; a path in it is a proxy's, which takes it away.
        base: under which the carrier's routes are.
        host: to which of a cluster's hosts streams go; empty: there is one host.
    """

    public_url: str
    base: str = "/voice"
    host: str = ""

    def hook(self, name: str, **query: str) -> str:
        """A webhook's, by the last part of its route."""
        return self._under(name) + (f"?{urlencode(query)}" if query else "")

    @property
    def stream(self) -> str:
        """The media stream: a WebSocket."""
        return "ws" + self._under(f"stream/{self.host}" if self.host else "stream").removeprefix("http")

    def _under(self, name: str) -> str:
        return f"{self.public_url.rstrip('/')}{self.base}/{name}"
