"""What a real call tells is what the reference says, field by field."""

from __future__ import annotations

import json

import pykka

from openclaw_actors.actors.event_types import EVENT_TYPES
from openclaw_actors.actors.loop_actor import kill
from openclaw_actors.actors.stt import Stt
from openclaw_actors.messages import (
    Hold,
    KeepMessage,
    Listen,
    Mute,
    PlayAudio,
    Record,
    SayText,
    SendDtmf,
    StopListening,
    Transfer,
    Unhold,
)
from tests.actors.talk import speech, talk

BEEP = PlayAudio("beep", bytes(24_000 // 10 * 2), 24_000)
NOTE = KeepMessage("Ann rang.")


class Ear:
    """Somebody who listens in."""

    def hear(self, sound: bytes) -> None: ...

    def end(self) -> None: ...


EAR = Ear()


async def test_each_event_of_a_call_holds_to_its_model_and_their_numbers_have_no_gap():
    async with talk(greeting="Hello there.") as call:
        await call.until(lambda: call.told("call.transcript"), "the greeting")
        await call.line.run(0, speech())
        await call.until(lambda: call.told("call.turn.completed"), "an answer")
        await call.tell(SayText("This is long enough for the caller to speak into it, whatever they may have to say."))
        await call.until(lambda: call.line.heard[-1] != b"\xf8\xff\xfe", "the voice")
        await call.line.run(0, speech())
        await call.until(lambda: call.told("call.barge_in"), "the interruption")
        for message in (
            Hold(),
            Unhold(),
            Mute(on=True),
            Mute(on=False),
            SendDtmf("1w#"),
            BEEP,
            NOTE,
            Record(on=True),
            Listen(EAR, "ada"),
            StopListening(EAR),
            Transfer("+15550100002"),
        ):
            await call.tell(message)
        await call.until(lambda: call.told("call.played") and call.told("call.dtmf"), "the keys and the sound")
        await call.until(lambda: call.told("call.transfer_failed"), "the refusal")
        (stt,) = pykka.ActorRegistry.get_by_class(Stt)
        kill(stt, RuntimeError("a fault"))
        await call.until(lambda: call.told("call.stage.restarted"), "the restart")
    for event in call.events:
        data = json.loads(json.dumps(event.data))
        EVENT_TYPES[event.type].data.model_validate(data)
    assert [event.sequence for event in call.events] == list(range(1, len(call.events) + 1))
    assert call.events[0].type == "call.initiated"
    assert call.events[-1].type == "call.ended"
    of_messages = {kind for kind in EVENT_TYPES if kind.startswith(("voicemail.", "callback."))}  # tests/voicemail
    not_told = EVENT_TYPES.keys() - {event.type for event in call.events} - of_messages
    # An engine is switched where there is another; the others are of calls that are dialled (tests/phone) or recorded
    # (tests/recordings).
    recorded = {"call.recording.started", "call.recording.stopped"}
    dialled = {"call.queued", "call.ringing", "call.answered_by", "call.pin", "node.draining"}
    assert not_told == {"call.engine.switched", *dialled, *recorded}
