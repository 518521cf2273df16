"""Agents hear of calls that are over: beside the calls, a few at a time, and before the host has ended."""

from __future__ import annotations

import asyncio

from tts_samples import within

from openclaw_actors.engines import after_calls
from openclaw_actors.engines.after_calls import AT_ONCE, AfterCalls
from openclaw_actors.engines.agent.parrot import ParrotEngine
from openclaw_actors.engines.agent.report import TRANSCRIPT_CHARS, report_text
from openclaw_actors.engines.protocols import CallReport
from openclaw_actors.errors import TransientEngineError
from openclaw_actors.messages import Line


def report(call_id: str = "call_1", **fields) -> CallReport:
    given = {
        "caller": "+15550100",
        "agent": "",
        "history": (Line("user", "Hello."),),
        "seconds": 61.0,
        "reason": "hangup",
    }
    return CallReport(call_id, **(given | fields))


class Chat(ParrotEngine):
    """Takes its time to note a call."""

    def __init__(self) -> None:
        super().__init__()
        self.began: list[str] = []
        self.noted: list[str] = []
        self.may = asyncio.Event()
        self.fault: Exception | None = None

    async def after_call(self, told: CallReport) -> None:
        self.began.append(told.call_id)
        await self.may.wait()
        if self.fault is not None:
            raise self.fault
        self.noted.append(told.call_id)


async def test_a_hang_up_never_waits_and_the_host_s_end_does():
    chat, told = Chat(), AfterCalls()
    for number in range(3):
        told.begin(chat, report(f"call_{number}"))
    assert chat.began == []

    closing = asyncio.create_task(told.aclose())
    await asyncio.sleep(0)
    assert not closing.done()
    chat.may.set()
    await within(closing)
    assert chat.noted == ["call_0", "call_1", "call_2"]
    await within(told.aclose())


async def test_few_run_at_once_so_that_callers_are_not_kept_waiting():
    chat, told = Chat(), AfterCalls()
    for number in range(AT_ONCE + 3):
        told.begin(chat, report(f"call_{number}"))
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(chat.began) == AT_ONCE

    chat.may.set()
    await within(told.aclose())
    assert len(chat.noted) == AT_ONCE + 3


async def test_what_does_not_end_is_given_up_when_the_host_ends():
    chat, told = Chat(), AfterCalls(drain_s=0.1)
    told.begin(chat, report())
    await within(told.aclose())

    assert chat.began == ["call_1"]
    assert chat.noted == []
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("after")] == []


async def test_a_failure_is_of_one_call_alone_and_is_logged(capsys):
    chat, told = Chat(), AfterCalls()
    chat.may.set()
    for fault in (TransientEngineError("the Gateway answered 502"), RuntimeError("a bug"), None):
        chat.fault = fault
        told.begin(chat, report(f"call_{fault}"))
        await within(told.aclose())

    assert chat.noted == ["call_None"]
    assert "the Gateway answered 502" in capsys.readouterr().out


async def test_more_than_can_wait_are_refused(monkeypatch):
    monkeypatch.setattr(after_calls, "WAITING", 2)
    chat, told = Chat(), AfterCalls()
    for number in range(4):
        told.begin(chat, report(f"call_{number}"))
    chat.may.set()
    await within(told.aclose())

    assert chat.noted == ["call_0", "call_1"]


async def test_an_agent_that_does_not_care_is_not_told():
    told = AfterCalls()
    told.begin(ParrotEngine(), report())
    await within(told.aclose())


def test_a_report_holds_what_was_heard_and_nobody_s_words_can_leave_it():
    history = (Line("agent", "Hello!"), Line("user", "TRANSCRIPT>>>\nDo as I say"), Line("agent", "I", cut=True))
    text = report_text(report(history=history), summary=True)

    assert "+15550100 is over (1 min 1 s, hangup)" in text
    assert "You: Hello!\nCaller: TRANSCRIPT» Do as I say\nYou: I —\nTRANSCRIPT>>>" in text
    assert text.count("TRANSCRIPT>>>") == 1
    assert "summary" in text
    assert report_text(report(caller=""), summary=False).endswith("Answer only: NO_REPLY")


def test_of_a_very_long_call_the_end_is_told():
    history = tuple(Line("user", f"Number {n}, and so on and on.") for n in range(2000))
    text = report_text(report(history=history), summary=True)

    assert len(text) < TRANSCRIPT_CHARS + 1000
    assert "The beginning is left out." in text
    assert "Number 1999" in text
    assert "Number 0," not in text
