"""A call that happened, as the events that it published."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from openclaw_actors.actors.recorder import entries_of
from openclaw_actors.messages import Event
from openclaw_actors.stamps import rfc3339, ulid
from openclaw_actors.store.store import Store
from tests.store.conftest import committed

LATENCY = {
    "end_of_turn_ms": 210,
    "stt_final_ms": 40,
    "agent_first_token_ms": 90,
    "tts_first_audio_ms": 60,
    "first_packet_ms": 5,
    "total_ms": 405,
}


_count = itertools.count()


def sample_id(prefix: str) -> str:
    """An id as ulid() makes them, but in order within a millisecond too."""
    return f"{prefix}_{ulid()[:10]}{next(_count):016d}"


class SampleCall:
    """Numbers the events of one call.

    Args:
        began: when the call began.
    """

    def __init__(self, began: datetime | None = None) -> None:
        self.began = began or datetime.now(UTC)
        self.id = sample_id("call")
        self.events: list[Event] = []

    def at(self, sequence: int) -> str:
        return rfc3339(self.began + timedelta(seconds=sequence - 1))

    def event(self, kind: str, **data: Any) -> Event:
        sequence = len(self.events) + 1
        event = Event(sample_id("evt"), kind, self.at(sequence), self.id, sequence, data)
        self.events.append(event)
        return event

    def initiated(self, **changes: Any) -> Event:
        data: dict[str, Any] = {
            "transport": "webrtc",
            "direction": "inbound",
            "engines": {"stt": "pocketsphinx", "agent": "parrot", "tts": "espeak-ng"},
            "metadata": {"page": "shop"},
            "resumed_from": "",
            "from": "192.0.2.7",
            "to": "",
        }
        return self.event("call.initiated", **{**data, **changes})

    def talk(self) -> list[Event]:
        """Beginning to the last word, all but its end."""
        return [
            self.initiated(),
            self.event("call.answered"),
            self.event("call.media.connected"),
            self.event("call.transcript", role="agent", text="Hello!", final=True, turn=1, cut=False),
            self.event("call.transcript", role="user", text="what is", final=False, utterance=3),
            self.event("call.transcript", role="user", text="What is the time?", final=True, utterance=3),
            self.event("call.stage.restarted", stage="tts", reason="crash", incarnation=2, downtime_ms=1.5, detail=""),
            self.event("call.engine.switched", stage="tts", **{"from": "espeak-ng", "to": "edge-tts"}),
            self.event("call.turn.completed", turn=2, latency=LATENCY),
            self.event("call.transcript", role="agent", text="It is", final=True, turn=2, cut=True),
        ]

    def ended(self, **changes: Any) -> Event:
        return self.event("call.ended", **{"status": "completed", "reason": "hangup", "duration_ms": 9000, **changes})


async def record(store: Store, *events: Event) -> None:
    """Have the events on record, as the Recorder does it."""
    for event in events[:-1]:
        store.write(entries_of(event))
    assert await committed(store, entries_of(events[-1]))


async def recorded_call(
    store: Store, began: datetime | None = None, **initiated: Mapping[str, Any] | str
) -> SampleCall:
    """A short call that is over."""
    call = SampleCall(began)
    await record(store, call.initiated(**initiated), call.event("call.answered"), call.ended())
    return call
