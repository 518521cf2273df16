"""What a Call needs of the far end, whatever carries it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from openclaw_actors.errors import RefusalError
from openclaw_actors.media.codecs import Codec
from openclaw_actors.media.phrase import FarBuffer
from openclaw_actors.messages import AudioIn


class PacketSource(Protocol):
    """Where a peer takes what the caller shall hear (media/playout.py)."""

    def next_packet(self) -> bytes:
        """The packet for the next 20 ms, in the peer's codec. Never raises, never blocks."""

    def send_ahead(self, far: FarBuffer | None) -> None:
        """``far`` buffers what it is sent: it takes `send_packet` and tells `heard`, in place of `next_packet`."""

    def send_packet(self) -> bytes | None:
        """The next 20 ms for the far end's buffer; None: there is nothing to say now."""

    def heard(self, packets: int) -> None:
        """So many more of the packets that were sent have been played."""


def no_transfer(transport: str) -> RefusalError:
    """The refusal of a peer that can't hand over its far end."""
    return RefusalError(
        422, "not_supported_on_transport", f"A call over {transport} can't be transferred: only a phone's carrier can."
    )


class PeerListener(Protocol):
    """What a peer tells its Call; all of it on the event loop."""

    def on_audio(self, frame: AudioIn) -> None:
        """The caller's next 20 ms or more; starts follow each other without gap or overlap, in real time."""

    def on_state(self, state: str) -> None:
        """ringing, connecting, connected, disconnected, failed or closed; the last two come once and are final."""

    def on_command(self, command: Mapping[str, Any]) -> None:
        """A JSON object from the client, such as ``{"type": "interrupt"}``; bounded, not yet validated.

        Raises:
            RefusalError: it is no command; the peer answers the client with its code and detail.
        """

    def on_dtmf(self, digit: str) -> None:
        """The caller has pressed a key: 0-9, A-D, ``*`` or ``#``."""

    def on_end(self, status: str, reason: str) -> None:
        """The far end is over for good: completed, busy, no-answer, failed or canceled, and a word for why."""


class Peer(Protocol):
    """The far end of a call: an RTCPeerConnection or a carrier's WebSocket."""

    transport: str
    """``webrtc`` or a carrier's name: a metric label."""
    codec: Codec
    """What ``PacketSource.next_packet`` must return."""

    def attach(self, source: PacketSource, listener: PeerListener, start: int = 0) -> None:
        """Begin: take packets from ``source``, tell ``listener``; the first AudioIn has this ``start``."""

    def send_event(self, event: Mapping[str, Any]) -> None:
        """Send a JSON object to the client where there is a way (bounded; dropped when it does not read)."""

    async def transfer(self, to: str) -> None:
        """Hand the far end over to ``to``, a number in E.164; the call is then over here.

        Raises:
            RefusalError: it can't, and the far end is still here; code and detail say why.
        """

    async def aclose(self) -> None:
        """Close; returns when all its sockets, tasks and threads are gone. May be called more than once."""
