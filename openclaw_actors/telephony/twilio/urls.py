"""Where Twilio finds us: our routes under ``server.public_url``, as Twilio calls (and signs) them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Urls:
    """All of them.

    Args:
        public_url: ``server.public_url``; a path in it is a proxy's, which takes it away.
    """

    public_url: str

    @property
    def webhook(self) -> str:
        """A call comes in."""
        return self._under("/voice/webhook")

    @property
    def stream(self) -> str:
        """The media stream: a WebSocket."""
        return "ws" + self._under("/voice/stream").removeprefix("http")

    @property
    def status(self) -> str:
        """What becomes of a call."""
        return self._under("/voice/status")

    @property
    def amd(self) -> str:
        """Who or what has answered: answering-machine detection."""
        return self._under("/voice/amd")

    @property
    def recording(self) -> str:
        """A recording is ready."""
        return self._under("/voice/recording")

    @property
    def stream_status(self) -> str:
        """What becomes of a media stream."""
        return self._under("/voice/stream-status")

    def _under(self, path: str) -> str:
        return self.public_url.rstrip("/") + path
