"""What is done for a call before it is answered and after it is over, beside it."""

from __future__ import annotations

import asyncio

import pytest

from openclaw_actors.engines.agent.parrot import ParrotEngine
from openclaw_actors.engines.protocols import CallReport
from openclaw_actors.errors import TransientEngineError
from openclaw_actors.media.codecs import OPUS
from openclaw_actors.messages import Line, SayText, SendText
from tests.actors.talk import talk


class Attentive(ParrotEngine):
    """An agent that wants to be warm before its calls, and to hear how they went."""

    def __init__(self, fault: Exception | None = None) -> None:
        super().__init__()
        self.fault = fault
        self.warmed = 0
        self.reports: list[CallReport] = []
        self.told = asyncio.Event()

    async def warm(self) -> None:
        self.warmed += 1
        if self.fault is not None:
            raise self.fault

    async def after_call(self, report: CallReport) -> None:
        self.reports.append(report)
        self.told.set()
        if self.fault is not None:
            raise self.fault


@pytest.mark.parametrize("fault", [None, TransientEngineError("nobody is there"), RuntimeError("a bug")])
async def test_the_agent_is_warmed_for_each_call_and_told_how_it_went_and_its_faults_harm_no_call(fault):
    agent = Attentive(fault)
    async with talk(agent=agent, caller="+15550100") as call:
        await call.tell(SendText("my name is Ada"))
        await call.until(lambda: call.told("call.transcript")[1:], "an answer")
        assert agent.warmed == 1
        assert agent.reports == []
        await call.board.hang_up(call.id, "api_hangup")
        await asyncio.wait_for(agent.told.wait(), 5)
        (report,) = agent.reports
        assert call.events[-1].data["reason"] == report.reason == "api_hangup"
        assert (report.call_id, report.caller) == (call.id, "+15550100")
        assert report.history[0] == Line("user", "my name is Ada")
        assert report.history[1].role == "agent"
        assert not call.told("call.stage.restarted")


async def test_what_was_heard_of_a_sentence_is_told_when_the_call_ends_in_its_middle():
    agent = Attentive()
    async with talk(agent=agent) as call:
        await call.tell(SayText("This is so long a sentence that nobody will ever hear it to its end."))
        await call.until(lambda: sum(packet != OPUS.silence for packet in call.line.heard) > 50, "a second of voice")
        await call.board.hang_up(call.id, "api_hangup")
        await asyncio.wait_for(agent.told.wait(), 5)
        (line,) = agent.reports[0].history
        assert line.cut
        assert "This is so long a sentence that nobody will ever hear it to its end.".startswith(line.text[:7])
        told = [event.data for event in call.told("call.transcript")]
        assert told[-1]["cut"]
        assert " ".join(each["text"] for each in told if each["text"]) == line.text
        assert [event.type for event in call.events][-2:] == ["call.transcript", "call.ended"]


async def test_a_caller_without_a_number_is_told_as_nobody():
    agent = Attentive()
    async with talk(agent=agent, caller="127.0.0.1") as call:
        await call.rest()
    await asyncio.wait_for(agent.told.wait(), 5)
    assert agent.reports[0].caller == ""
