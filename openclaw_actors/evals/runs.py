"""Runs scripts, so many at once, and puts together what came of each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from openclaw_actors.engines.protocols import SttEngine
from openclaw_actors.engines.recipes import make_engine
from openclaw_actors.evals.checks import Check, answer_ms, check, silence_ms
from openclaw_actors.evals.ear import overheard
from openclaw_actors.evals.judge import JudgeOptions, judged
from openclaw_actors.evals.play import play
from openclaw_actors.evals.record import CallRecord, text_of
from openclaw_actors.evals.scripts import Script
from openclaw_actors.evals.voices import Voices
from openclaw_actors.settings import Settings
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.speakers import Speech

LAG_LIMIT_MS = 30.0
"""Packets of the caller's that leave later than this (p99) make its own times doubtful; the report says so."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Where and how.

    Args:
        url: the host's.
        token: a bearer token.
        insecure: take a self-signed certificate.
        parallel: calls at once, at most.
        ear: the recogniser's id; empty: none.
        judge: the model that judges.
        settings: of the engines that speak and hear for the caller.
    """

    url: str
    token: str = ""
    insecure: bool = False
    parallel: int = 1
    ear: str = ""
    judge: JudgeOptions = field(default_factory=JudgeOptions)
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One script and what came of it. Without ``record`` it was not played: ``why`` says it."""

    script: Script
    record: CallRecord | None
    checks: tuple[Check, ...] = ()
    seconds: float = 0.0
    own_lag_ms: float = 0.0
    why: str = ""

    @property
    def verdict(self) -> Literal["held", "failed", "skipped"]:
        """Of all checks together; skipped ones fail nothing."""
        if self.record is None:
            return "skipped"
        return "failed" if any(check.verdict == "failed" for check in self.checks) else "held"

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "script": str(self.script.path),
            "name": self.script.name,
            "verdict": self.verdict,
            "why": self.why,
            "seconds": round(self.seconds, 2),
            "call_id": self.record.call_id if self.record else "",
            "setup_ms": round(self.record.setup_s * 1000) if self.record else None,
            "ended": self.record.ended if self.record else "",
            "own_lag_p99_ms": round(self.own_lag_ms, 1),
            "steps": _steps(self.script, self.record) if self.record else [],
            "checks": [{"step": c.step, "what": c.what, "verdict": c.verdict, "detail": c.detail} for c in self.checks],
        }


def _steps(script: Script, record: CallRecord) -> list[dict[str, Any]]:
    said, understood = record.said_by_agent(), record.understood()
    return [
        {
            "action": step.action,
            "caller": step.shown(),
            "understood": text_of(understood[number]),
            "agent": text_of(said[number]),
            "cut": bool(said[number] and said[number][-1].cut),
            "answer_ms": _rounded(answer_ms(record.steps[number])),
            "silent_ms": _rounded(silence_ms(record.steps[number])),
        }
        for number, step in enumerate(script.steps)
    ]


def _rounded(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds)


async def run(
    scripts: Sequence[Script],
    options: RunOptions,
    on_outcome: Callable[[Outcome], object] = lambda _: None,
    *,
    plays: Callable[[Script], bool] = lambda script: not script.needs,
) -> list[Outcome]:
    """Play them; outcomes in the order of ``scripts``.

    Args:
        scripts: what to play.
        options: where and how.
        on_outcome: told of each as it comes.
        plays: whether a script is played; without it, those that need something of their host are not.

    Raises:
        ScriptError: a voice or a file that a script names is not there; nothing has been played then.
        EngineError, SettingsError: the recogniser can't be had.
    """
    async with AsyncExitStack() as closing:
        voices = await closing.enter_async_context(Voices(options.settings))
        played = [script for script in scripts if plays(script)]
        speeches = {id(script): await voices.speeches(script) for script in played}
        ear = await _open_ear(options, closing)
        turnstile = asyncio.Semaphore(options.parallel)

        async def one(script: Script) -> Outcome:
            if id(script) not in speeches:
                outcome = Outcome(script, None, why=f"it needs {script.needs}; name its file, or use --with-needs")
            else:
                async with turnstile:
                    outcome = await _play(script, speeches[id(script)], options, ear)
            on_outcome(outcome)
            return outcome

        return list(await asyncio.gather(*(one(script) for script in scripts)))


async def _open_ear(options: RunOptions, closing: AsyncExitStack) -> SttEngine | None:
    if not options.ear:
        return None
    ear = cast("SttEngine", make_engine("stt", options.ear, options.settings))
    closing.push_async_callback(ear.aclose)
    await ear.open()
    return ear


async def _play(script: Script, speeches: dict[int, Speech], options: RunOptions, ear: SttEngine | None) -> Outcome:
    caller = Caller(options.url, options.token, script.caller.name, verify_tls=not options.insecure)
    began = time.monotonic()
    record = await play(script, speeches, caller)
    seconds = time.monotonic() - began
    checks = check(script, record)
    if not record.call_id:
        return Outcome(script, record, tuple(checks), seconds)
    checks += await overheard(script, record, ear)
    checks += await judged(script, record, options.judge)
    checks.sort(key=lambda each: each.step or len(script.steps) + 1)
    return Outcome(script, record, tuple(checks), seconds, caller.pacing.p99() * 1000)
