"""20 calls that talk into a store with webhooks until the process is killed: ``… DATABASE_URL WEBHOOK_URL``.

Prints the id of each event once it is committed, and only then: that is when a host publishes it.
"""

from __future__ import annotations

import asyncio
import sys

from openclaw_actors.actors.events import EventHub
from openclaw_actors.messages import Event
from openclaw_actors.settings.sections import Settings, StoreSettings
from openclaw_actors.stamps import now_rfc3339, ulid
from openclaw_actors.store.entries import CallEntry, EventEntry
from openclaw_actors.store.store import Store
from openclaw_actors.webhooks.deliverer import Deliverer
from tests.webhooks.conftest import webhooks

LATENCY = {
    f"{part}_ms": 10
    for part in ("end_of_turn", "stt_final", "agent_first_token", "tts_first_audio", "first_packet", "total")
}


async def main(database: str, url: str) -> None:
    settings = Settings(webhooks=webhooks(url, timeout_s=60))
    store = await Store.open(StoreSettings(url=database), [url])
    hub = EventHub()
    await Deliverer(settings, store, hub).start()
    calls = [f"call_{ulid()}" for _ in range(20)]

    def publish(event: Event, **columns: object) -> None:
        def committed(recorded: bool) -> None:
            if recorded:
                sys.stdout.write(f"published {event.id} {event.call_id}\n")
                sys.stdout.flush()
                hub.publish(event)

        store.write([EventEntry(event), CallEntry(event.call_id, event.time, columns)], committed)

    for sequence in range(1, 100_000):
        for place, call_id in enumerate(calls):
            # Each fourth call hangs up at some time; the others are cut off.
            if place % 4 == 0 and sequence > 3 + place:
                continue
            if place % 4 == 0 and sequence == 3 + place:
                data = {"status": "completed", "reason": "caller_hangup"}
                event = Event(f"evt_{ulid()}", "call.ended", now_rfc3339(), call_id, sequence, data)
                publish(event, status="completed", end_reason="caller_hangup", ended_at=event.time)
                continue
            data = {"turn": sequence, "latency": LATENCY}
            publish(Event(f"evt_{ulid()}", "call.turn.completed", now_rfc3339(), call_id, sequence, data))
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
