"""What is left of a call that has ended is found, killed and counted; its place is free again."""

from __future__ import annotations

import asyncio

import pykka
import pytest

from openclaw_actors.actors import switchboard
from openclaw_actors.actors.call import Call
from openclaw_actors.actors.stt import Stt
from openclaw_actors.observability import metrics
from openclaw_actors.settings.sections import Supervision
from openclaw_actors.testkit.chaos.sabotage import stage_of, strike
from tests.actors.talk import Line, talk

SOON = Supervision(reap_after_s=0.2)


def reaped(actor: str) -> float:
    return metrics.actors_reaped_total.labels(actor=actor)._value.get()


async def test_a_stage_that_reads_no_mail_and_so_does_not_stop_is_killed():
    before = reaped("stt")
    async with talk(supervision=SOON) as call:
        strike(stage_of(call.id, "stt"), "deaf")
    assert reaped("stt") == before + 1
    assert pykka.ActorRegistry.get_all() == []


async def test_a_stage_whose_work_does_not_end_is_counted_and_holds_nobody_up():
    before, goes_on = reaped("stt"), asyncio.Event()

    async def stubborn():
        while not goes_on.is_set():
            try:
                await goes_on.wait()
            except asyncio.CancelledError:
                continue

    async with talk(supervision=SOON) as call:
        (stt,) = [ref._actor_weakref() for ref in pykka.ActorRegistry.get_by_class(Stt)]
        task = stt.spawn(stubborn())
        await call.rest()
    assert reaped("stt") == before + 1
    assert not task.done()
    goes_on.set()
    await task


async def test_a_call_that_never_ends_by_itself_is_killed_too(monkeypatch):
    monkeypatch.setattr(switchboard, "LONGEST_END_S", 0.2)
    before = reaped("call")

    class Stuck(Line):
        async def aclose(self):
            await super().aclose()
            await asyncio.Event().wait()

    async with talk(line=Stuck()):
        pass
    assert reaped("call") == before + 1
    assert pykka.ActorRegistry.get_by_class(Call) == []


@pytest.mark.parametrize("count", [3])
async def test_calls_that_end_well_leave_nothing_to_reap(count):
    before = [reaped(actor) for actor in ("call", "transport", "tts", "agent", "stt", "turns")]
    for _ in range(count):
        async with talk(supervision=SOON) as call:
            await call.rest()
    assert [reaped(actor) for actor in ("call", "transport", "tts", "agent", "stt", "turns")] == before
