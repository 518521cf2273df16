"""What programs do to a live call: hold, mute, keys, sounds; and that no order of it wedges the call."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from openclaw_actors.media.codecs import OPUS
from openclaw_actors.media.tones import GAP_S, KEY_S
from openclaw_actors.messages import (
    HangUp,
    Hold,
    Mute,
    PlayAudio,
    SayText,
    SendDtmf,
    SendText,
    Silence,
    Unhold,
)
from tests.actors.talk import MUSIC, TONE, Talk, speech, talk

LONG = "This is a line that is long enough to be held in the middle of it."
BEEP = PlayAudio("beep", bytes(24_000 // 10 * 2), 24_000)


def agent_lines(call: Talk) -> list[str]:
    return [event.data["text"] for event in call.told("call.transcript") if event.data["role"] == "agent"]


async def said(call: Talk, text: str, times: int = 1) -> None:
    """The agent has said it, in however many phrases."""
    await call.until(lambda: " ".join(agent_lines(call)).count(text) == times, f"the agent says {text!r}")


async def heard_packets(call: Talk, frames: int) -> list[bytes]:
    del call.line.heard[:]
    await call.line.run(frames)
    return list(call.line.heard)


async def test_on_hold_the_caller_hears_the_music_and_the_line_goes_on_after_it_where_it_was():
    async with talk() as call:
        await call.tell(SayText(LONG))
        await call.until(lambda: len([p for p in call.line.heard if p != OPUS.silence]) > 20, "the voice")
        await call.tell(Hold())
        await call.rest(2)
        assert await heard_packets(call, 6) == [*MUSIC] * 3
        assert agent_lines(call) == []
        await call.tell(Unhold())
        await said(call, LONG)
        assert not any(event.data["cut"] for event in call.told("call.transcript"))
        assert call.told("call.held")[0].data == {"sound": "music"}
        assert call.told("call.resumed")[0].data["held_ms"] >= 0


async def test_a_hold_takes_nothing_of_what_is_heard_of_the_line():
    async with talk() as call:
        await call.tell(SayText(LONG))
        await said(call, LONG)
        whole = len([packet for packet in call.line.heard if packet != OPUS.silence])
        del call.line.heard[:]
        await call.tell(SayText(LONG))
        await call.until(lambda: len([p for p in call.line.heard if p != OPUS.silence]) > 20, "the voice")
        await call.tell(Hold("tone"))
        await call.rest()
        await call.tell(Unhold())
        await said(call, LONG, times=2)
        voice = [packet for packet in call.line.heard if packet not in {OPUS.silence, *TONE}]
        assert len(voice) == whole


async def test_on_hold_nobody_hears_the_caller_and_afterwards_they_are_heard():
    async with talk() as call:
        await call.tell(Hold())
        await call.rest()
        await call.line.run(200, speech())
        await call.rest()
        assert call.told("call.speech.started") == []
        await call.tell(Unhold())
        await call.rest()
        await call.line.run(200, speech())
        await call.until(lambda: call.told("call.transcript"), "the words")
        assert call.told("call.transcript")[0].data["text"] == "the caller spoke"


async def test_what_is_to_be_said_on_hold_is_said_after_it():
    async with talk() as call:
        await call.tell(Hold())
        await call.tell(SayText("Here I am."))
        await call.rest(100)
        assert agent_lines(call) == []
        await call.tell(Unhold())
        await said(call, "Here I am.")


async def test_a_muted_caller_is_not_heard_and_an_unmuted_one_is():
    async with talk() as call:
        await call.tell(Mute(on=True))
        await call.rest()
        await call.line.run(200, speech())
        assert call.told("call.speech.started") == []
        await call.tell(Mute(on=False))
        await call.rest()
        await call.line.run(200, speech())
        await call.until(lambda: call.told("call.speech.started"), "the onset")
        assert [event.type for event in call.events if "mute" in event.type] == ["call.muted", "call.unmuted"]


async def test_what_is_so_already_is_not_told_again():
    async with talk() as call:
        for message in (Mute(on=True), Mute(on=True), Hold(), Hold("tone"), Unhold(), Unhold(), Mute(on=False)):
            await call.tell(message)
        await call.rest()
        kinds = ("call.muted", "call.held", "call.resumed", "call.unmuted")
        assert [event.type for event in call.events if event.type in kinds] == list(kinds)
        assert call.told("call.held")[0].data["sound"] == "music"


async def test_keys_are_sent_whole_behind_what_is_being_said_though_the_caller_speaks():
    async with talk() as call:
        await call.tell(SayText("Hi."))
        await call.tell(SendDtmf("12#"))
        await said(call, "Hi.")
        del call.line.heard[:]
        await call.line.run(10, speech())
        await call.until(lambda: call.told("call.dtmf"), "the keys")
        assert call.told("call.dtmf")[0].data == {"digits": "12#", "direction": "out", "cut": False}
        assert call.told("call.barge_in") == []
        sent = [packet for packet in call.line.heard if packet != OPUS.silence]
        assert len(sent) >= round(3 * (KEY_S + GAP_S) / 0.02) - 5


async def test_keys_that_are_none_harm_nobody():
    async with talk() as call:
        await call.tell(SendDtmf("hello"))
        await call.tell(SayText("Still here."))
        await said(call, "Still here.")
        assert call.told("call.dtmf") == []


async def test_a_sound_is_played_and_an_interrupt_cuts_it():
    async with talk() as call:
        await call.tell(BEEP)
        await call.until(lambda: call.told("call.played"), "the beep")
        long = PlayAudio("long", bytes(24_000 * 2 * 5), 24_000)
        await call.tell(long)
        await call.until(lambda: len(call.line.heard) > 30, "some of it")
        await call.tell(Silence())
        await call.until(lambda: len(call.told("call.played")) == 2, "its end")
        assert [event.data for event in call.told("call.played")] == [
            {"name": "beep", "cut": False},
            {"name": "long", "cut": True},
        ]


async def test_who_interrupts_between_two_sentences_is_told_of_too():
    """The second has begun, or is still being made: no word of it was heard, but it is not all that was to be said."""
    async with talk() as call:
        await call.tell(SayText("This was the first sentence. And here there would have been another one."))
        await call.until(lambda: agent_lines(call), "the first")
        await call.tell(Silence())
        await call.until(lambda: len(agent_lines(call)) == 2, "the cut")
        told = [event.data for event in call.told("call.transcript")]
        assert [(each["text"], each["cut"], each["turn"]) for each in told] == [
            ("This was the first sentence.", False, 1),
            ("", True, 1),
        ]


async def test_a_line_that_was_said_to_its_end_is_not_cut_by_what_comes_after_it():
    async with talk() as call:
        await call.tell(SayText("This was the first sentence. This was the second."))
        await said(call, "This was the second.")
        await call.tell(Silence())
        await call.tell(SayText("And a third."))
        await said(call, "And a third.")
        assert not any(event.data["cut"] for event in call.told("call.transcript"))


async def test_a_call_that_is_over_is_told_nothing():
    async with talk() as call:
        assert await call.tell(HangUp("api_hangup"))
        await call.until(lambda: call.line.closed, "the end")
        await call.until(lambda: call.board.live_calls() == [], "the place")
        assert not await call.tell(Hold())
        assert await call.describe() is None


async def test_an_operators_drain_can_be_taken_back_and_the_process_own_can_not():
    async with talk() as call:
        call.board.drain(True)
        assert call.board.describe()["draining"]
        with pytest.raises(Exception, match="draining"):
            call.board.admit("test", "inbound")
        call.board.drain(False)
        call.board.release(call.board.admit("test", "inbound"))
        assert await call.describe() is not None


# --- two programs, any order ----------------------------------------------------------------------


class Steering(RuleBasedStateMachine):
    """Two programs steer one call, each as if it were alone, while its caller speaks."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.held = self.muted = False

    @initialize(greeting=st.sampled_from(["", "Hello there."]))
    def begin(self, greeting):
        self.context = talk(greeting)
        self.call = self.runner.run(self.context.__aenter__())

    def tell(self, *messages):
        async def tell() -> None:
            for message in messages:
                assert await self.call.tell(message)

        self.runner.run(tell())

    @rule(both=st.booleans(), sound=st.sampled_from(["music", "tone"]))
    def hold(self, both, sound):
        self.tell(*[Hold(sound)] * (1 + both))
        self.held = True

    @rule(both=st.booleans())
    def unhold(self, both):
        self.tell(*[Unhold()] * (1 + both))
        self.held = False

    @rule(first=st.booleans(), second=st.booleans())
    def mute(self, first, second):
        self.tell(Mute(first), Mute(second))
        self.muted = second

    @rule(first=st.booleans())
    def one_holds_and_the_other_resumes(self, first):
        self.tell(*((Hold(), Unhold()) if first else (Unhold(), Hold())))
        self.held = not first

    @rule(message=st.sampled_from([SayText("One line."), SendText("a question"), Silence(), SendDtmf("1w2"), BEEP]))
    def steer(self, message):
        self.tell(message)

    @rule(frames=st.integers(0, 120), name=st.sampled_from(["", "stop", "yes-please"]))
    def time_goes_by(self, frames, name):
        self.runner.run(self.call.line.run(frames, speech(name) if name else ()))

    @rule(name=st.sampled_from(["stop", "yes-please"]), message=st.sampled_from([Hold(), Unhold(), Silence()]))
    def steer_while_the_caller_speaks(self, name, message):
        async def both() -> None:
            words = speech(name)
            await self.call.line.run(0, words[: len(words) // 2])
            await self.call.tell(message)
            await self.call.line.run(60, words[len(words) // 2 :])

        self.runner.run(both())
        if not isinstance(message, Silence):
            self.held = isinstance(message, Hold)

    @invariant()
    def it_is_as_it_was_last_told(self):
        record = self.runner.run(self.call.describe())
        assert (record["held"], record["muted"]) == (self.held, self.muted)
        assert record["restarts"] == {}

    def teardown(self):
        try:
            self.runner.run(self._end())
        finally:
            self.runner.run(self.context.__aexit__(None, None, None))
            self.runner.close()
        events = self.call.events
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert [event.type for event in events].count("call.ended") == 1
        assert self.call.line.closed
        for pair in (("call.held", "call.resumed"), ("call.muted", "call.unmuted")):
            changes = [event.type for event in events if event.type in pair]
            assert changes == [pair[number % 2] for number in range(len(changes))]

    async def _end(self) -> None:
        """Whatever came before: the call can be talked on, and what is asked for now is done."""
        for message in (Unhold(), Mute(on=False), Silence(), SayText("The very last line.")):
            await self.call.tell(message)
        await said(self.call, "The very last line.")
        await self.call.tell(SendText("and this"))
        await self.call.until(
            lambda: any("this" in line for line in agent_lines(self.call)[-3:]), "an answer to what was typed"
        )


TestSteering = Steering.TestCase
TestSteering.settings = hypothesis_settings(max_examples=15, stateful_step_count=12, deadline=None)
