"""Plivo's end of an audio stream, after plivo.com/docs/voice-agents/audio-streaming."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast
from uuid import uuid4

from openclaw_actors.testkit.providers.carrier.stream import Message, StreamClient

if TYPE_CHECKING:
    from openclaw_actors.testkit.providers.plivo.exchange import Exchange


class PlivoStream(StreamClient):
    """As StreamClient."""

    def new_id(self) -> str:
        """As StreamClient.new_id."""
        return str(uuid4())

    def opening(self) -> Sequence[Message]:
        """As StreamClient.opening: nothing says that it is connected."""
        start = {
            "callId": self.call_id,
            "streamId": self.stream_id,
            "accountId": cast("Exchange", self.exchange).auth_id,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
        }
        return ({"sequenceNumber": self.numbered(), "event": "start", "start": start, "extra_headers": "{}"},)

    def speech(self, sound: str, at_ms: int) -> Sequence[str]:
        """As StreamClient.speech."""
        text = (
            f'{{"sequenceNumber":{self.numbered()},"streamId":"{self.stream_id}","event":"media","media":{{'
            f'"track":"inbound","timestamp":"{at_ms}","chunk":{self.next_chunk()},"payload":"{sound}"}},'
            f'"extra_headers":"{{}}"}}'
        )
        return (text,)

    def key(self, digit: str) -> Message:
        """As StreamClient.key."""
        dtmf = {"track": "inbound", "digit": digit, "timestamp": "0"}
        return {"event": "dtmf", "sequenceNumber": self.numbered(), "streamId": self.stream_id, "dtmf": dtmf}

    def echo(self, name: str, *, played: bool) -> Message | None:
        """As StreamClient.echo: a checkpoint that was thrown away never comes back."""
        if not played:
            return None
        return {"event": "playedStream", "sequenceNumber": self.numbered(), "streamId": self.stream_id, "name": name}

    def cleared(self) -> Message:
        """As StreamClient.cleared."""
        return {"event": "clearedAudio", "sequenceNumber": self.numbered(), "streamId": self.stream_id}

    def understand(self, message: Message) -> bool:
        """As StreamClient.understand."""
        kind = message["event"]
        if kind == "playAudio":
            media = message["media"]
            if (media["contentType"], int(media["sampleRate"])) != ("audio/x-mulaw", 8000):
                return False
            self.take(media["payload"])
            return True
        if message["streamId"] != self.stream_id:
            return False
        if kind == "checkpoint":
            self.mark(str(message["name"]))
        elif kind == "clearAudio":
            self.clear()
        else:
            return False
        return True

    async def report(self) -> None:
        """As StreamClient.report: to the stream's status callback."""
        if not self.verb.status_callback:
            return
        exchange = cast("Exchange", self.exchange)
        form = {
            "Event": "DroppedStream" if self.error else "StopStream",
            "CallUUID": self.call_id,
            "StreamID": self.stream_id,
            "ServiceURL": self.verb.url,
        }
        await exchange.post(self.verb.status_callback, form)
