"""Listening in: who hears a call beside its caller, and that it is told.

The call's sound is tapped only while somebody listens: else a frame costs nothing more. Whatever goes wrong in here
ends the listening, and never the call.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from openclaw_actors.actors.stage import CallContext
from openclaw_actors.media.audience import Audience, Listener
from openclaw_actors.media.codecs import Codec
from openclaw_actors.messages import AudioIn, Listen, StopListening
from openclaw_actors.observability.logs import get_logger

_log = get_logger(__name__)


class ListeningIn:
    """One call's, and a Tap of it while somebody listens. It belongs to the Call.

    Args:
        context: the call's.
        publish: tells an event.
        is_private: whether the caller is giving their PIN: nobody hears that.
    """

    def __init__(self, context: CallContext, publish: Callable[..., None], is_private: Callable[[], bool]) -> None:
        self._context = context
        self._publish = publish
        self._is_private = is_private
        self._audience = Audience()
        self._since: dict[Listener, tuple[str, float]] = {}

    def take(self, message: Listen | StopListening) -> None:
        """Let somebody in, or go."""
        if isinstance(message, Listen):
            self._join(message.listener, message.name)
        else:
            self._leave(message.listener)

    def _join(self, listener: Listener, name: str) -> None:
        self._audience.add(listener)
        self._since[listener] = name, time.monotonic()
        self._context.playout.taps.add(self)
        _log.info("a listener has joined", call_id=self._context.call_id, listener=name)
        self._publish("call.listener.joined", listener=name, listeners=len(self._audience))

    def _leave(self, listener: Listener) -> None:
        if not self._audience.remove(listener):
            return
        if not len(self._audience):
            self._context.playout.taps.remove(self)
        self._tell_left(listener)

    def _tell_left(self, listener: Listener) -> None:
        name, since = self._since.pop(listener)
        listened_ms = round((time.monotonic() - since) * 1000)
        _log.info("a listener has left", call_id=self._context.call_id, listener=name, listened_ms=listened_ms)
        self._publish("call.listener.left", listener=name, listened_ms=listened_ms, listeners=len(self._audience))

    def end(self) -> None:
        """The call is over: nothing more is heard."""
        self._context.playout.taps.remove(self)
        self._audience.end()
        for listener in tuple(self._since):
            self._tell_left(listener)

    # --- what passes (a Tap of media/taps.py) -----------------------------------------------------

    def heard(self, frame: AudioIn) -> None:
        """20 ms of the caller."""
        try:
            self._audience.caller(bytes(len(frame.pcm)) if self._is_private() else frame.pcm)
        except Exception:  # noqa: BLE001 - see the module's text
            self._fail()

    def sent(self, packet: bytes, codec: Codec) -> None:
        """A packet leaves for the caller's ear."""
        self.played((packet,), codec)

    def played(self, packets: tuple[bytes, ...], codec: Codec) -> None:
        """The far end has played these packets."""
        try:
            for packet in packets:
                self._audience.agent(packet, codec)
        except Exception:  # noqa: BLE001 - see the module's text
            self._fail()

    def _fail(self) -> None:
        _log.exception("listening in has failed and is ended", call_id=self._context.call_id)
        self.end()
