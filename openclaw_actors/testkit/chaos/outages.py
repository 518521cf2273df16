"""Providers that fail for a turn, for good, and come back: nobody may go unanswered while anything serves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from openclaw_actors.media.codecs import OPUS
from openclaw_actors.messages import Stage
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.chaos.bench import (
    ANSWER,
    HASTY,
    OBJECTION,
    PATIENT,
    QUESTION,
    Bench,
    Line,
    all_serve,
    bench,
    go_on,
    hasty_with,
    words,
)
from openclaw_actors.testkit.chaos.scripts import ANSWERED_S, MissedError, expect, speech
from openclaw_actors.testkit.providers.plan import Fault, FaultKind, Route
from openclaw_actors.testkit.waiting import CallEndedError

KINDS: tuple[FaultKind, ...] = ("status", "drop", "hang", "garbage", "empty")
ROUTES: tuple[tuple[Route, Stage], ...] = (("transcriptions", "stt"), ("chat", "agent"), ("speech", "tts"))
TURNS_A_CALL = 7

_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven")


@dataclass(frozen=True, slots=True)
class FaultedTurn:
    """One question whose way to an answer was broken once."""

    number: int
    stage: Stage
    kind: FaultKind
    struck: bool
    answer: str
    """What the agent said, in words; empty: nothing, and the turn went unanswered."""
    whole: bool
    """It is all of the answer, once."""
    late_s: float = 0.0
    """End of the question to the voice."""

    @property
    def apologised(self) -> bool:
        """We said that there is no answer."""
        return self.answer.startswith("sorry")


@dataclass
class OutageReport:
    """The turns with a fault, and the scenarios by name with what they missed; empty text: nothing."""

    turns: list[FaultedTurn] = field(default_factory=list)
    scenarios: dict[str, str] = field(default_factory=dict)

    @property
    def problems(self) -> list[str]:
        """Everything that a caller would complain of."""
        found = [f"fault {t.number} ({t.stage}, {t.kind}) never struck" for t in self.turns if not t.struck]
        found += [f"turn {t.number} ({t.stage}, {t.kind}): answered «{t.answer}»" for t in self.turns if not t.whole]
        return found + [f"{name}: {missed}" for name, missed in self.scenarios.items() if missed]


# --- one fault a turn -----------------------------------------------------------------------------


async def faulted_turns(calls: int = 3, turns: int = TURNS_A_CALL) -> list[FaultedTurn]:
    """Questions on several calls at once, each with one fault of a provider in turn."""
    done: list[FaultedTurn] = []

    async def talk(fire: Bench, call: int) -> None:
        await asyncio.sleep(call * 1.5)
        async with fire.line(f"provider faults {call + 1}", HASTY) as line:
            done.extend([await _faulted_turn(line, call * turns + turn, _NUMBERS[turn]) for turn in range(turns)])

    async with bench() as fire, asyncio.TaskGroup() as group:
        for call in range(calls):
            group.create_task(talk(fire, call))
    return sorted(done, key=lambda turn: turn.number)


async def _faulted_turn(line: Line, number: int, name: str) -> FaultedTurn:
    route, stage = ROUTES[number % len(ROUTES)]
    kind = KINDS[number % len(KINDS)]
    caller, stub = line.caller, line.stub
    # An answer of its own each turn: one that was heard before would come from the cache.
    answer = f"This is answer {name}. It is sunny in Paris today, and it stays dry."
    # What is heard is scripted: how soon a real recogniser has it on a busy machine is no part of this.
    stub.plan = replace(stub.plan, transcript=QUESTION, reply=lambda messages: go_on(messages, answer))
    stub.fail(route, Fault(kind))
    asked, said = len(stub.requests), len(caller.transcript)

    def spoken() -> list[str]:
        return words(" ".join(each.text for each in caller.transcript[said:] if each.role == "agent"))

    late_s = 0.0
    try:
        late_s = (await caller.ask(speech(QUESTION), ANSWERED_S)).latency_s
        await caller.wait_event("call.transcript", lambda _: len(spoken()) >= len(words(answer)), ANSWERED_S)
    except (TimeoutError, CallEndedError):
        pass  # what was said by then is told
    await caller.wait_silence(quiet_s=0.5)
    struck = any(request.route == route and request.outcome == "fault" for request in stub.requests[asked:])
    heard = spoken()
    return FaultedTurn(number + 1, stage, kind, struck, " ".join(heard), heard == words(answer), late_s)


# --- for good, and back ----------------------------------------------------------------------------


async def scenarios(names: Sequence[str] = ()) -> dict[str, str]:
    """Run the scenarios (those named, or all); what each missed."""
    missed: dict[str, str] = {}
    for name, scenario in _SCENARIOS.items():
        if names and name not in names:
            continue
        try:
            await scenario()
            missed[name] = ""
        except (MissedError, TimeoutError, CallEndedError) as error:
            missed[name] = f"{type(error).__name__}: {error}"[:400]
    return missed


async def _asked(caller: Caller, *answers: str) -> None:
    """Ask; one of the answers is given, whole."""
    said = len(caller.transcript)

    def whole(_: object) -> bool:
        spoken = " ".join(each.text for each in caller.transcript[said:] if each.role == "agent")
        return words(spoken) in [words(answer) for answer in answers]

    try:
        await caller.ask(speech(QUESTION), ANSWERED_S)
        await caller.wait_event("call.transcript", whole, ANSWERED_S)
    except TimeoutError:
        raise MissedError(f"answered «{caller.words_of('agent')}»") from None
    await caller.wait_silence(quiet_s=0.4)


_PARROT = f"You said: {QUESTION}"


async def _one_down(stage: Stage, route: Route, fault: Fault, answer: str) -> None:
    """The provider of one stage fails for good: the first question is answered already, by the next engine."""
    async with bench() as fire, fire.line(stage, hasty_with(stage)) as line:
        if stage != "stt":
            line.stub.plan = replace(line.stub.plan, transcript=QUESTION)
        line.stub.fail_always(route, fault)
        _be_patient_after(line, stage)
        await _asked(line.caller, answer)
        expect(line.switches == [stage], f"engines were replaced in {line.switches}")
        await _asked(line.caller, answer)
        expect(line.switches == [stage], f"engines were replaced in {line.switches}")


def _be_patient_after(line: Line, stage: Stage) -> None:
    """Once the engine is replaced, the deadline of a second has been tested: a busy machine must not fail the next."""
    patient = line.context.settings.model_copy(update={"supervision": PATIENT})

    def replaced(_: Route) -> None:
        if sum(r.route == "transcriptions" for r in line.stub.requests) >= 2:
            line.context.settings = patient

    if stage == "stt":
        line.stub.on_fault = replaced


async def _all_gone() -> None:
    """The server of all three is gone: each stage has its next engine."""
    async with bench() as fire, fire.line("gone") as line:
        await line.stub.stop()
        await _asked(line.caller, _PARROT)
        expect(sorted(line.switches) == ["agent", "stt", "tts"], f"engines were replaced in {line.switches}")


async def _nothing_serves(stage: Stage, route: Route, fault: Fault) -> None:
    """No engine is left: the apology that was rendered in advance is heard whole, and the call ends with its reason."""
    async with bench(HASTY, fallback=False) as fire:
        clip = await _apology(fire)
        async with fire.line(stage) as line:
            caller = line.caller
            line.stub.plan = replace(line.stub.plan, transcript=QUESTION)  # without a fallback nobody hears for it
            line.stub.fail_always(route, fault)
            ended = asyncio.create_task(caller.wait_event("call.ended", timeout_s=90))
            while not ended.done():
                asking = asyncio.create_task(_try_to_ask(caller))
                await asyncio.wait({asking, ended}, return_when=asyncio.FIRST_COMPLETED)
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
            data = (await ended).data
            expect(data["reason"] == f"stage_failed:{stage}", f"the call ended as {data['reason']}")
            expect(data["status"] == "failed", f"the call ended {data['status']}")
            payloads = [packet.payload for packet in line.tape.received]
            heard = any(payloads[n : n + len(clip)] == list(clip) for n in range(len(payloads) - len(clip) + 1))
            expect(heard, "the apology was not heard whole")


async def _apology(fire: Bench) -> tuple[bytes, ...]:
    """The clip of the host, once it has been rendered."""
    async with asyncio.timeout(10):
        while not (clip := fire.running.host.ready_lines.apologies.get(OPUS.name)):  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.05)
    return clip


async def _try_to_ask(caller: Caller) -> None:
    try:
        await caller.ask(speech(QUESTION), 6)
        await caller.wait_silence(quiet_s=0.4)
    except (TimeoutError, CallEndedError):
        return


async def _back_again() -> None:
    """The server goes, the calls go on; it comes back, and the next call is its own again."""
    quick = PATIENT.model_copy(update={"probe_every_s": (0.5,)})
    async with bench(quick) as fire:
        catalogue = fire.running.host.catalogue
        fire.base.plan = fire.plan()
        async with Caller(fire.running.url) as caller:
            await fire.base.stop()
            await _asked(caller, _PARROT)
        async with Caller(fire.running.url) as caller:
            engines = await _engines(caller)
            expect("openai" not in engines.values(), f"with the server gone a new call has {engines}")
            await _asked(caller, _PARROT)
        await fire.base.start()
        async with asyncio.timeout(15):
            while not all_serve(catalogue.describe()):  # noqa: ASYNC110 - it is looked at once a probe
                await asyncio.sleep(0.1)
        async with Caller(fire.running.url) as caller:
            engines = await _engines(caller)
            expect(set(engines.values()) == {"openai"}, f"with the server back a new call has {engines}")
            await _asked(caller, ANSWER)


async def _engines(caller: Caller) -> dict[str, str]:
    """Who serves this call, as it was told when it was answered."""
    stages = (await caller.wait_event("call.stages")).data["stages"]
    return {stage: stages[stage]["engine"] for stage in ("stt", "agent", "tts")}


async def _interrupted_unheard() -> None:
    """The recogniser hangs within its deadline: voice alone takes the floor (turns.interrupt_ms)."""
    async with bench() as fire, fire.line("barge-in") as line:
        caller, objection = line.caller, speech(OBJECTION)
        line.stub.fail_always("transcriptions", Fault("hang"))
        caller.send("text", text=QUESTION)
        await caller.wait_voice(ANSWERED_S)
        await caller.wait(0.4)
        interruption = await caller.talk_over(objection)
        await caller.wait_event("call.barge_in", lambda data: data["outcome"] == "interrupted")
        late = interruption.silent_at - interruption.utterance.ended_at
        expect(late < 0.5, f"the agent spoke on for {late:.2f} s after the caller's last word")
        expect(words(OBJECTION) != words(caller.words_of("user"))[-4:], "the recogniser did not hang")


_BROKEN = Fault("status", 500)
_SCENARIOS: dict[str, Callable[[], Awaitable[None]]] = {
    "the recogniser hangs for good": lambda: _one_down("stt", "transcriptions", Fault("hang"), ANSWER),
    "the model answers 500 for good": lambda: _one_down("agent", "chat", _BROKEN, _PARROT),
    "the model hangs for good": lambda: _one_down("agent", "chat", Fault("hang"), _PARROT),
    "the voice drops its connections for good": lambda: _one_down("tts", "speech", Fault("drop"), ANSWER),
    "the server of all three is gone": _all_gone,
    "no recogniser is left": lambda: _nothing_serves("stt", "transcriptions", _BROKEN),
    "no model is left": lambda: _nothing_serves("agent", "chat", _BROKEN),
    "no voice is left": lambda: _nothing_serves("tts", "speech", _BROKEN),
    "the server comes back": _back_again,
    "the caller interrupts although the recogniser hangs": _interrupted_unheard,
}
SCENARIOS = tuple(_SCENARIOS)
