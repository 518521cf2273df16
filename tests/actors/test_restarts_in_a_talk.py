"""Any stage may die at any moment of a talk: the call is never wedged, answers in the end, and says nothing twice.

The actors, the voice detector and the playout are the real ones; the line's time is counted in frames, so that a
conversation of minutes takes a second.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from unittest import mock

import pykka
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from openclaw_actors.actors import floor
from openclaw_actors.actors.loop_actor import kill
from openclaw_actors.actors.tree import STAGES
from openclaw_actors.messages import Hold, Mute, SayText, SendDtmf, SendText, Silence, Unhold
from openclaw_actors.settings.sections import Supervision
from tests.actors.talk import speech, talk

UNLIMITED = Supervision(backoff_s=(0, 0, 0.01), stage_restarts=10_000, call_restarts=10_000)
STAGE = st.sampled_from(sorted(STAGES))
STEERED = (SayText("One line."), SendDtmf("1"), Hold(), Unhold(), Mute(on=True), Mute(on=False))
_WRITTEN = re.compile(r"item \d+")


class SabotageError(Exception):
    """Not a fault that any stage knows."""


class Restarts(RuleBasedStateMachine):
    """A caller who speaks, interrupts and writes, an operator, and stages that die under them."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        # Who speaks within 0.8 s of an answer's start goes on with their own words, and has all of them answered anew.
        # On the wall's clock that is the whole answer here.
        self.no_time = mock.patch.object(floor, "GOES_ON_S", 0.0)
        self.no_time.start()
        self.killed = 0
        self.written = 0

    @initialize(greeting=st.sampled_from(("", "Hello there. How are you?")))
    def begin(self, greeting):
        self.context = talk(greeting, UNLIMITED)
        self.call = self.runner.run(self.context.__aenter__())

    def tell(self, message) -> None:
        assert self.runner.run(self.call.tell(message))

    @rule(frames=st.integers(1, 60), name=st.sampled_from(("", "", "stop", "yes-please")))
    def time_goes_by(self, frames, name):
        """``stop`` has half a second of voice: it takes the floor, by its length if not by its words."""
        self.runner.run(self.call.line.run(frames, speech(name) if name else ()))

    @rule(
        name=st.sampled_from(("stop", "yes-please")), stage=st.sampled_from(sorted(STAGES)), share=st.floats(0.1, 0.9)
    )
    def a_stage_dies_while_the_caller_speaks(self, name, stage, share):
        async def both() -> None:
            said = speech(name)
            at = round(len(said) * share)
            await self.call.line.run(0, said[:at])
            self.kill(stage)
            await self.call.line.run(0, said[at:])

        self.runner.run(both())

    @rule(stages=st.lists(STAGE, min_size=1, max_size=3), frames=st.integers(0, 3))
    def stages_die(self, stages, frames):
        """Some of them during the restart of another."""

        async def one_after_another() -> None:
            for stage in stages:
                self.kill(stage)
                await self.call.line.run(frames)

        self.runner.run(one_after_another())

    def kill(self, stage: str) -> None:
        for ref in pykka.ActorRegistry.get_by_class(STAGES[stage]):
            kill(ref, SabotageError(f"{stage} was killed by the test"))
            self.killed += 1

    @rule()
    def the_caller_writes(self):
        self.written += 1
        self.tell(SendText(f"item {self.written}"))

    @rule()
    def somebody_interrupts(self):
        self.tell(Silence())

    @rule(
        message=st.sampled_from((SayText("One line."), SendDtmf("1"), Hold(), Unhold(), Mute(on=True), Mute(on=False)))
    )
    def the_operator_steers(self, message):
        self.tell(message)

    @invariant()
    def the_call_is_up(self):
        assert self.runner.run(self.call.describe())["status"] == "in-progress"

    def answers(self) -> list[str]:
        """What the agent said in each turn, of the phrases that were spoken whole."""
        turns: dict[int, list[str]] = {}
        for event in self.call.told("call.transcript"):
            if event.data["role"] == "agent" and not event.data["cut"]:
                turns.setdefault(event.data["turn"], []).append(event.data["text"])
        return [" ".join(phrases) for phrases in turns.values()]

    def teardown(self):
        try:
            self.runner.run(self.come_to_rest())
        finally:
            self.runner.run(self.context.__aexit__(None, None, None))
            self.runner.close()
            self.no_time.stop()
        whole = Counter(item for answer in self.answers() for item in _WRITTEN.findall(answer))
        assert all(times == 1 for times in whole.values()), f"said twice: {whole}"
        assert len(self.call.told("call.stage.restarted")) <= self.killed
        assert self.call.line.closed

    async def come_to_rest(self) -> None:
        for message in (Unhold(), Mute(on=False)):
            await self.call.tell(message)
        # The line runs faster than the back-off: what the Turns were not told yet comes when they are there again.
        while any(stage["state"] != "ready" for stage in (await self.call.describe())["stages"].values()):
            await self.call.line.run(1)
        await self.call.line.run(150)
        await self.call.tell(SendText("item 0"))
        await self.call.until(
            lambda: any("item 0" in answer for answer in self.answers()), "an answer to what was written last"
        )


TestRestarts = Restarts.TestCase
TestRestarts.settings = hypothesis_settings(
    max_examples=12, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
