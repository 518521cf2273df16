"""Twilio's end of a media stream, after twilio.com/docs/voice/media-streams/websocket-messages."""

from __future__ import annotations

import time
from collections.abc import Sequence
from secrets import token_hex
from typing import TYPE_CHECKING, Any, cast

from openclaw_actors.testkit.providers.carrier.stream import Message, StreamClient

if TYPE_CHECKING:
    from openclaw_actors.testkit.providers.twilio.exchange import Exchange


class TwilioStream(StreamClient):
    """As StreamClient."""

    @property
    def _twilio(self) -> Exchange:
        return cast("Exchange", self.exchange)

    def new_id(self) -> str:
        """As StreamClient.new_id."""
        return "MZ" + token_hex(16)

    def opening(self) -> Sequence[Message]:
        """As StreamClient.opening."""
        start = {
            "accountSid": self._twilio.account_sid,
            "streamSid": self.stream_id,
            "callSid": self.call_id,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": dict(self.verb.parameters),
        }
        return (
            {"event": "connected", "protocol": "Call", "version": "1.0.0"},
            self._message("start", start=start),
        )

    def speech(self, sound: str, at_ms: int) -> Sequence[str]:
        """As StreamClient.speech."""
        text = (
            f'{{"event":"media","sequenceNumber":"{self.numbered()}","media":{{"track":"inbound",'
            f'"chunk":"{self.next_chunk()}","timestamp":"{at_ms}","payload":"{sound}"}},"streamSid":"{self.stream_id}"}}'
        )
        return (text,)

    def key(self, digit: str) -> Message:
        """As StreamClient.key."""
        return self._message("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    def echo(self, name: str, *, played: bool) -> Message:  # noqa: ARG002 - Twilio echoes both
        """As StreamClient.echo."""
        return self._message("mark", mark={"name": name})

    def closing(self) -> Sequence[Message]:
        """As StreamClient.closing."""
        stop = {"accountSid": self._twilio.account_sid, "callSid": self.call_id}
        return (self._message("stop", stop=stop),)

    def understand(self, message: Message) -> bool:
        """As StreamClient.understand: one of the three that may come, else 31924."""
        kind = message["event"]
        if message["streamSid"] != self.stream_id:
            return False
        if kind == "media":
            self.take(message["media"]["payload"])
        elif kind == "mark":
            self.mark(str(message["mark"]["name"]))
        elif kind == "clear":
            self.clear()
        else:
            return False
        return True

    async def report(self) -> None:
        """As StreamClient.report: to the stream's status callback."""
        if not self.verb.status_callback:
            return
        form = {
            "AccountSid": self._twilio.account_sid,
            "CallSid": self.call_id,
            "StreamSid": self.stream_id,
            "StreamName": self.stream_id,
            "StreamEvent": "stream-error" if self.error else "stream-stopped",
            "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        if self.error:
            form["StreamError"] = str(self.error)
        await self._twilio.post(self.verb.status_callback, form)

    def _message(self, event: str, **body: Any) -> Message:
        return {"event": event, "sequenceNumber": str(self.numbered()), **body, "streamSid": self.stream_id}
