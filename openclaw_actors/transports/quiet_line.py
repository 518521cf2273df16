"""A line with nobody at its far end: what ``POST /v1/calls`` to ``test`` calls, to try the API without a phone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from openclaw_actors.media.codecs import OPUS
from openclaw_actors.messages import FRAME, AudioIn
from openclaw_actors.transports.peer import PacketSource, PeerListener, no_transfer

_FRAME_S = 0.02
_BEHIND_S = 0.2
"""Further behind than this, time is skipped and not made up."""


class QuietLine:
    """Answers at once, hears all that is said, and says nothing, in real time."""

    transport = "test"
    codec = OPUS

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    def attach(self, source: PacketSource, listener: PeerListener, start: int = 0) -> None:
        """As Peer.attach."""
        self._task = asyncio.get_running_loop().create_task(self._run(source, listener, start), name="quiet line")

    def send_event(self, event: Mapping[str, Any]) -> None:
        """As Peer.send_event: nobody is there."""

    async def transfer(self, to: str) -> None:  # noqa: ARG002 - nobody is there
        """As Peer.transfer: it can't."""
        raise no_transfer(self.transport)

    async def aclose(self) -> None:
        """As Peer.aclose."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self, source: PacketSource, listener: PeerListener, start: int) -> None:
        listener.on_state("connected")
        silence, due = bytes(2 * FRAME), time.monotonic()
        while True:
            now = time.monotonic()
            due = now if now - due > _BEHIND_S else due
            source.next_packet()
            listener.on_audio(AudioIn(start, silence, now))
            start += FRAME
            due += _FRAME_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))
