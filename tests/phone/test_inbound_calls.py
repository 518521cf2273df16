"""Somebody calls the number: they are heard, understood, answered, and may interrupt, over mu-law at 8 kHz."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from openclaw_actors.messages import HangUp, Hold, SayText, Unhold
from openclaw_actors.settings.sections import Numbers, OpenAiStt, Stt
from openclaw_actors.testkit.providers.carrier.account import NUMBER
from openclaw_actors.testkit.providers.carrier.line import Line
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import StubPlan
from openclaw_actors.testkit.resources import back_to, settled
from openclaw_actors.testkit.waiting import CallEndedError
from tests.calls.conftest import QUESTION, words
from tests.phone.conftest import GREETING, PERSON, PhoneHost, fresh, phone_host

LONG = "I will now tell you a rather long story about a fox who lived in a wood and was never in a hurry."


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_host():
    async with phone_host() as host:
        yield host


@pytest_asyncio.fixture(loop_scope="module")
async def phone(one_host):
    async with fresh(one_host) as host:
        yield host


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stub():
    async with OpenAiStub() as stub:
        yield stub


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hearing_host(stub):
    ears = Stt(engines=("openai",), openai=OpenAiStt(base_url=stub.base_url, api_key="stub"))
    async with phone_host(stt=ears) as host:
        yield host


@pytest_asyncio.fixture(loop_scope="module")
async def hearing(stub, hearing_host):
    """A host whose recogniser says what it is told to whatever it hears, and at once."""

    @asynccontextmanager
    async def hearing(transcript: str) -> AsyncIterator[PhoneHost]:
        stub.plan = StubPlan(transcript=transcript)
        async with fresh(hearing_host) as host:
            yield host

    return hearing


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded_host(stub):
    ears = Stt(engines=("openai",), openai=OpenAiStt(base_url=stub.base_url, api_key="stub"))
    async with phone_host(stt=ears, numbers=Numbers(allow_from=(PERSON,), pin="1234")) as host:
        yield host


@pytest_asyncio.fixture(loop_scope="module")
async def guarded(guarded_host):
    """A host that asks for the PIN 1234."""
    async with fresh(guarded_host) as host:
        yield host


async def greeted(line: Line) -> None:
    """The greeting has been spoken to its end."""
    await line.wait_voice()
    await line.wait_silence(quiet_s=0.4)


async def test_a_caller_is_greeted_understood_and_answered_and_their_goodbye_ends_the_call(phone, flite):
    question = flite(QUESTION)
    async with phone.calls_in() as line:
        began = (await phone.until_told("call.initiated")).data
        assert (began["transport"], began["direction"], began["from"], began["to"]) == (
            "twilio",
            "inbound",
            PERSON,
            NUMBER,
        )
        assert began["carrier_call_id"] == line.call_sid
        await greeted(line)
        await line.ask(question)
        await line.wait_silence()
    call_id = phone.events[0].call_id
    assert await phone.outcome(call_id) == ("completed", "caller_hangup")
    assert {"weather", "paris"} <= set(words(phone.said(call_id, "user")))
    assert phone.said(call_id).startswith(f"{GREETING} You said: ")
    stream = line.stream
    assert stream.error == 0
    # Marks at least each 200 ms, each name once, each echoed as played; never more than 0.4 s ahead by their own clock.
    assert len(stream.marks) >= stream.sound_played / 1600
    assert len(set(stream.marks)) == len(stream.marks)
    assert all(played for _, played in stream.echoes)
    # The carrier needs no REST call to end what the caller has ended.
    assert not [request for request in phone.twilio.requests if line.call_sid in request[1]]


async def test_a_barge_in_throws_away_what_the_carrier_holds_and_is_answered(hearing, flite):
    async with hearing("No, wait, what about tomorrow?") as phone:
        async with phone.calls_in() as line:
            await greeted(line)
            call_id = phone.events[0].call_id
            await phone.running.host.board.tell(call_id, SayText(LONG))
            await line.wait_voice(after=time.monotonic())
            await line.wait(2.0)
            over = line.start_saying(flite(QUESTION, "rms"))
            await line.wait_clear(after=over.began_at)
            await over.done
            await line.wait_voice(20, after=over.ended_at)
            await line.wait_silence()
        cut = [event.data for event in phone.told("call.transcript") if event.data.get("cut")]
        assert len(cut) == 1
        # What counts as said is what the carrier has played, not what it was sent.
        spoken = phone.said(call_id).removeprefix(f"{GREETING} ").partition(" You said")[0]
        assert LONG.startswith(spoken)
        assert 5 < len(spoken.split()) < 12
        assert phone.told("call.barge_in")[-1].data["outcome"] == "interrupted"
        assert any(not played for _, played in line.stream.echoes), "marks that a clear threw away come back too"


async def test_a_murmur_pauses_the_voice_which_then_goes_on_and_loses_no_word(hearing, flite):
    async with hearing("Uh-huh.") as phone:
        async with phone.calls_in() as line:
            await greeted(line)
            call_id = phone.events[0].call_id
            await phone.running.host.board.tell(call_id, SayText(LONG))
            await line.wait_voice(after=time.monotonic())
            await line.wait(1.0)
            over = line.start_saying(flite("uh huh"))
            await line.wait_clear(after=over.began_at)
            await phone.until_told("call.barge_in")
            await line.wait_silence(quiet_s=1.0)
        assert phone.told("call.barge_in")[-1].data["outcome"] == "resumed"
        assert phone.said(call_id) == f"{GREETING} {LONG}"
        assert not [event for event in phone.told("call.transcript") if event.data.get("cut")]


async def test_music_on_hold_is_thrown_away_when_the_conversation_goes_on(phone):
    async with phone.calls_in() as line:
        await greeted(line)
        call_id, board = phone.events[0].call_id, phone.running.host.board
        await board.tell(call_id, Hold())
        await line.wait_media(after=time.monotonic())
        await line.wait(0.5)
        before = len(line.stream.clears)
        await board.tell(call_id, Unhold())
        await phone.until_told("call.resumed")
        await line.wait_clear(after=line.stream.arrivals[-1])
        assert len(line.stream.clears) == before + 1
        await line.wait_silence(quiet_s=0.2)
        await board.tell(call_id, SayText("Here I am."))
        await line.wait_voice(after=line.stream.clears[-1])
        await line.wait_silence()
    assert phone.said(call_id) == f"{GREETING} Here I am."


async def test_a_call_that_we_end_is_ended_at_the_carrier(phone):
    async with phone.calls_in() as line:
        await line.wait_voice()
        call_id = (await phone.until_told("call.initiated")).call_id  # told when it is on record
        await phone.running.host.board.tell(call_id, HangUp("api_hangup"))
        await line.wait_over()
        assert (line.stream.close_code, line.stream.error) == (1000, 0)
    assert await phone.outcome(call_id) == ("completed", "api_hangup")


async def test_a_carrier_that_vanishes_ends_the_call_and_nothing_of_any_call_is_left(phone):
    async def call() -> None:
        ended = len(phone.told("call.ended"))
        async with phone.calls_in() as line:
            await line.wait_voice()
            line.stream.vanish()
            await line.wait_over()
        await phone.waits.until(lambda _: len(phone.told("call.ended")) > ended, 10, "its end")
        assert await phone.outcome(phone.told("call.ended")[-1].call_id) == ("completed", "peer_closed")

    await call()  # connections to the carrier's API and ours are kept open
    before = await settled(phone.running)
    for _ in range(3):
        await call()
    after = await back_to(before, phone.running)
    assert after.no_more_than(before), f"{before} became {after}"


async def test_keys_are_the_callers_words_marked_as_keys(phone):
    async with phone.calls_in() as line:
        await greeted(line)
        await line.press("123#")
        pressed = await phone.until_told("call.dtmf")
        await line.wait_voice(after=time.monotonic())
        await line.wait_silence()
        await line.press("45")
        await phone.waits.until(lambda _: len(phone.told("call.dtmf")) == 2, 10, "keys after a pause")
        await line.wait_silence(quiet_s=1.0)
    call_id = phone.events[0].call_id
    assert pressed.data == {"digits": "123", "direction": "in", "cut": False}
    assert phone.told("call.dtmf")[1].data["digits"] == "45"
    assert phone.said(call_id, "user") == "[keys pressed] 1 2 3 [keys pressed] 4 5"


async def test_with_a_pin_the_agent_hears_nothing_before_it_is_right_and_no_record_holds_it(guarded):
    phone = guarded
    async with phone.calls_in() as line:
        await greeted(line)
        await line.press("1235#")
        refused = await phone.until_told("call.pin")
        await line.press("1234#")
        await phone.waits.until(lambda _: len(phone.told("call.pin")) == 2, 10, "the second verdict")
        await line.wait_silence(quiet_s=0.6)
        call_id = phone.events[0].call_id
        assert GREETING in phone.said(call_id)
        assert phone.told("call.transcript", call_id)[0].data["text"] == "Please enter your PIN."
        await line.press("99#")
        await phone.until_told("call.dtmf")
        await phone.waits.until(lambda _: "You said" in phone.said(call_id), 10, "an answer")
        await line.wait_silence(quiet_s=0.6)
        told = [(event.data["accepted"], event.data["tries_left"]) for event in phone.told("call.pin")]
        assert refused.data["accepted"] is False
        assert told == [(False, 2), (True, 2)]
        assert phone.said(call_id, "user") == "[keys pressed] 9 9"
        assert phone.said(call_id).endswith("You said: [keys pressed] 9 9")
        everything = repr([event.data for event in phone.events])
        assert not any(secret in everything for secret in ("1234", "1 2 3 4", "1235", "1 2 3 5"))


async def test_a_pin_may_be_spoken(stub, guarded, flite):
    spoken = flite("one two three four")
    stub.plan = StubPlan(transcript="One, two, three, four.")
    async with guarded.calls_in() as line:
        await greeted(line)
        await line.say(spoken)
        verdict = await guarded.until_told("call.pin")
        assert verdict.data["accepted"]


async def test_three_wrong_pins_end_the_call(guarded):
    phone = guarded
    async with phone.calls_in() as line:
        await line.wait_voice()
        for number in range(3):
            await line.press(f"000{number}#")
            await phone.waits.until(lambda _, n=number: len(phone.told("call.pin")) == n + 1, 10, "a verdict")
        await line.wait_over()
        call_id = phone.events[0].call_id
        assert await phone.outcome(call_id) == ("completed", "pin_refused")
        assert phone.said(call_id).endswith("Sorry. Goodbye.")
        assert not phone.said(call_id, "user")


async def test_who_may_not_call_is_refused_before_anything_begins(phone):
    for caller in ("+15550100009", "anonymous", "", "15550100001", f"+99{PERSON}"):
        line = Line(phone.twilio.exchange, caller)
        with pytest.raises(CallEndedError, match="rejected"):
            await line.dial()
        assert line.rejected == "rejected"
        await line.hang_up()
    assert phone.events == []


async def test_a_caller_for_whom_there_is_no_place_is_told_so_in_words(phone):
    line = Line(phone.twilio.exchange, PERSON)
    await phone.client.drain()
    try:
        with pytest.raises(CallEndedError):
            await line.dial()
    finally:
        await phone.client.drain(on=False)
        await line.hang_up()
    assert line.said == [phone.running.host.settings.numbers.full_notice]
    assert phone.told("call.initiated") == []
