"""A call that is dialled: how it comes to be, and every way in which it comes to nothing."""

from __future__ import annotations

import asyncio

import pytest

from openclaw_actors.engines.agent.parrot import ParrotEngine
from openclaw_actors.errors import RefusalError
from openclaw_actors.messages import Announce, CallProfile, Carriage, Dialled, HangUp, SendText, Silence, Transfer
from tests.actors.talk import Line, Talk, speech, talk

RINGS = Carriage(ring_timeout_s=30)


class DialledLine(Line):
    """A line that nobody has answered yet; ``answer`` does."""

    def __init__(self) -> None:
        super().__init__()
        self.transferred_to = ""
        self.refuses: RefusalError | None = None

    def attach(self, source, listener, start=0):
        self._source, self.listener, self._at = source, listener, start

    def answer(self) -> None:
        self.listener.on_state("connected")

    async def transfer(self, to):
        if self.refuses is not None:
            raise self.refuses
        # The carrier takes its stream away as soon as the call has gone on.
        self.listener.on_state("closed")
        await asyncio.sleep(0)
        self.transferred_to = to


async def ended(call: Talk) -> tuple[str, str]:
    """Status and reason of its end."""
    await call.until(lambda: call.told("call.ended"), "the end")
    (event,) = call.told("call.ended")
    return event.data["status"], event.data["reason"]


def types(call: Talk) -> list[str]:
    return [event.type for event in call.events if event.type not in {"call.stages", "call.media.connected"}]


async def test_a_call_goes_from_queued_by_ringing_to_in_progress():
    line, seen = DialledLine(), []
    async with talk(line=line, carriage=RINGS) as call:
        seen.append((await call.describe())["status"])
        await call.tell(Dialled("CA1"))
        seen.append((await call.describe())["status"])
        line.listener.on_state("ringing")
        seen.append((await call.describe())["status"])
        line.answer()
        seen.append((await call.describe())["status"])
        assert (await call.describe())["carrier_call_id"] == "CA1"
    assert seen == ["queued", "initiated", "ringing", "in-progress"]
    assert types(call)[:4] == ["call.queued", "call.initiated", "call.ringing", "call.answered"]
    assert call.told("call.initiated")[0].data["carrier_call_id"] == "CA1"


async def test_what_a_carrier_says_late_or_twice_changes_nothing():
    line = DialledLine()
    async with talk(line=line, carriage=RINGS) as call:
        for _ in range(2):
            await call.tell(Dialled("CA1"))
            line.listener.on_state("ringing")
        line.answer()
        line.listener.on_state("ringing")
        await call.tell(Dialled("CA1"))
        line.answer()
        assert (await call.describe())["status"] == "in-progress"
        line.listener.on_end("completed", "caller_hangup")
        line.listener.on_end("busy", "busy")
        line.listener.on_state("ringing")
        assert await ended(call) == ("completed", "caller_hangup")
    kinds = types(call)
    assert [kinds.count(kind) for kind in ("call.initiated", "call.ringing", "call.answered", "call.ended")] == [1] * 4


@pytest.mark.parametrize(
    ("status", "reason"), [("busy", "busy"), ("no-answer", "no_answer"), ("failed", "carrier_failed:13227")]
)
async def test_a_call_that_nobody_takes_ends_with_what_the_carrier_says(status, reason):
    line = DialledLine()
    async with talk(line=line, carriage=RINGS, greeting="Hello.") as call:
        await call.tell(Dialled("CA1"))
        line.listener.on_end(status, reason)
        assert await ended(call) == (status, reason)
    assert not call.told("call.answered")
    assert not call.told("call.transcript"), "nothing is said to nobody"


async def test_a_call_that_is_hung_up_while_it_rings_is_canceled():
    line = DialledLine()
    async with talk(line=line, carriage=RINGS) as call:
        line.listener.on_state("ringing")
        await call.tell(HangUp("api_hangup"))
        assert await ended(call) == ("canceled", "api_hangup")
        assert line.closed


async def test_a_call_that_rings_for_too_long_is_not_answered():
    async with talk(line=DialledLine(), carriage=Carriage(ring_timeout_s=0.5)) as call:
        assert await ended(call) == ("no-answer", "ring_timeout")


async def test_an_answered_call_whose_sound_never_comes_has_failed():
    line = DialledLine()
    async with talk(line=line, carriage=RINGS) as call:
        line.listener.on_end("completed", "caller_hangup")
        assert await ended(call) == ("failed", "no_stream")


async def test_a_budget_ends_the_call():
    line = DialledLine()
    async with talk(line=line, carriage=RINGS, profile=CallProfile(max_duration_s=0.5)) as call:
        line.answer()
        assert await ended(call) == ("completed", "max_duration")


async def test_a_message_is_said_whole_whoever_speaks_meanwhile_and_ends_the_call():
    line = DialledLine()
    async with talk(line=line, carriage=RINGS, greeting="Hello, how are you?") as call:
        await call.tell(Announce("The shop is closed."))
        assert not call.told("call.transcript")
        line.answer()
        await line.run(0, speech())
        assert await ended(call) == ("completed", "announced")
    assert [event.data["text"] for event in call.told("call.transcript")] == ["The shop is closed."]
    assert not call.told("call.barge_in")


async def test_a_message_breaks_into_what_was_being_said_and_heard():
    line = DialledLine()
    async with talk(line=line, carriage=RINGS, greeting="Hello, this greeting takes a long while to say.") as call:
        line.answer()
        await call.until(lambda: line.heard and line.heard[-1] != b"\xf8\xff\xfe", "the greeting")
        await line.run(0, speech()[:40])  # they have not finished when the message comes
        await call.tell(Announce("Goodbye."))
        assert await ended(call) == ("completed", "announced")
    lines = [event.data["text"] for event in call.told("call.transcript") if event.data["role"] == "agent"]
    assert lines[-1] == "Goodbye."


async def test_a_message_that_is_interrupted_by_its_sender_ends_the_call_too():
    line = DialledLine()
    async with talk(line=line, carriage=RINGS) as call:
        line.answer()
        await call.tell(Announce("This is a long message that somebody thinks better of."))
        await call.until(lambda: line.heard and line.heard[-1] != b"\xf8\xff\xfe", "the message")
        await call.tell(Silence())
        assert await ended(call) == ("completed", "announced")


async def test_a_transferred_call_is_over_here():
    line = DialledLine()
    async with talk(line=line, carriage=RINGS) as call:
        line.answer()
        await call.tell(Transfer("+15550100009"))
        assert await ended(call) == ("completed", "transferred")
        assert line.transferred_to == "+15550100009"


async def test_a_transfer_that_the_carrier_refuses_leaves_the_call_as_it_was():
    line = DialledLine()
    line.refuses = RefusalError(422, "carrier_refused", "21214: no such number")
    async with talk(line=line, carriage=RINGS) as call:
        await call.tell(Transfer("+15550100009"))
        assert call.told("call.transfer_failed") or await call.describe()
        line.answer()
        await call.tell(Transfer("+15550100009"))
        await call.until(lambda: len(call.told("call.transfer_failed")) == 2, "both refusals")
        early, refused = call.told("call.transfer_failed")
        assert (early.data["code"], refused.data["code"]) == ("not_now", "carrier_refused")
        assert (await call.describe())["status"] == "in-progress"


async def test_what_an_agent_remembers_is_of_the_one_who_was_called(monkeypatch):
    asked = []
    reply = ParrotEngine.reply

    def noted(engine, request):
        asked.append(request.caller)
        return reply(engine, request)

    monkeypatch.setattr(ParrotEngine, "reply", noted)
    line = DialledLine()
    async with talk(line=line, carriage=RINGS, caller="+15550100002", callee="+15550100001") as call:
        line.answer()
        await call.tell(SendText("Hello."))
        await call.until(lambda: bool(asked), "the question")
    assert asked == ["+15550100001"]
