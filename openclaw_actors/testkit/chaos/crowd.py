"""Many callers in a process of their own, who ask and listen until they are told to stop, then ask a last question.

``python -m openclaw_actors.testkit.chaos.crowd URL COUNT``: prints ``up`` once all are connected, goes on until a line
comes on standard input, and then prints what it went through as one line of JSON. Beside the host in one process the
callers would share its loop: 20 of them take more of it than the host does.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any, Self

from openclaw_actors.cli.serve import loop_factory
from openclaw_actors.testkit.caller import Caller, calls
from openclaw_actors.testkit.chaos.bench import ANSWER, QUESTION, words
from openclaw_actors.testkit.chaos.scripts import speech
from openclaw_actors.testkit.waiting import CallEndedError

_TURN_S = 8.0
"""For an answer while stages die: what comes of a turn then is told, not judged."""

_LAST_S = 25.0
"""For the answer when it is over: a back-off of 2.4 s, a deadline of 2 s, a busy machine."""

_DIAL_S = 90.0


@dataclass
class Went:
    """What the callers went through."""

    answered: int = 0
    """Turns while it lasted."""
    restarts: int = 0
    down_ms: list[float] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    """Calls that were over before their caller hung up."""
    wedged: list[str] = field(default_factory=list)
    """Calls that did not answer the last question, whole."""


class Crowd:
    """The process, as the host's side sees it; an async context.

    Args:
        url: the host's.
        count: callers.
    """

    def __init__(self, url: str, count: int) -> None:
        self._command = [sys.executable, "-m", __name__, url, str(count)]
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(*self._command, stdin=pipe, stdout=pipe)
        async with asyncio.timeout(_DIAL_S):
            if await self._line() != "up":
                raise RuntimeError("the callers could not be connected")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def stop(self) -> Went:
        """Have them ask the last question and hang up; what they went through."""
        if self._process is None or self._process.stdin is None:
            raise RuntimeError("not started")
        self._process.stdin.write(b"stop\n")
        async with asyncio.timeout(_TURN_S * 2 + _LAST_S * 4):  # the turn under way, the last one, and hanging up
            went = Went(**json.loads(await self._line()))
            await self._process.wait()
        return went

    async def _line(self) -> str:
        if self._process is None or self._process.stdout is None:
            raise RuntimeError("not started")
        return (await self._process.stdout.readline()).decode().strip()


async def _talk(caller: Caller, went: Went, over: asyncio.Event) -> None:
    question = speech(QUESTION)
    while not over.is_set() and not caller.over:
        said = len(caller.transcript)
        try:
            await caller.ask(question, _TURN_S)
            await caller.wait_silence(_TURN_S)
        except (TimeoutError, CallEndedError):
            continue
        went.answered += any(line.role == "agent" for line in caller.transcript[said:])


async def _last_question(caller: Caller, went: Went) -> None:
    if caller.over:
        reasons = [event.data.get("reason") for event in caller.events if event.type == "call.ended"]
        went.dropped.append(f"{caller.call_id} was dropped: {reasons}")
        return
    try:
        await caller.wait_silence(_LAST_S)
        asked = time.monotonic()
        await caller.ask(speech(QUESTION), _LAST_S)

        def whole(_: Mapping[str, Any]) -> bool:
            lines = [e for e in caller.events if e.type == "call.transcript" and e.arrived_at > asked]
            spoken = words(" ".join(e.data["text"] for e in lines if e.data["role"] == "agent"))
            return spoken[-len(words(ANSWER)) :] == words(ANSWER)

        await caller.wait_event("call.transcript", whole, _LAST_S)
    except (TimeoutError, CallEndedError) as error:
        went.wedged.append(f"{caller.call_id} answers no more: {error}"[:400])


async def _main(url: str, count: int) -> None:
    _ = speech(QUESTION)
    went, over = Went(), asyncio.Event()
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe, _protocol = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with calls(url, count, keep_audio=False) as callers:
        print("up", flush=True)  # noqa: T201 - the other side waits for it
        talking = [asyncio.create_task(_talk(caller, went, over)) for caller in callers]
        await reader.readline()
        over.set()
        await asyncio.gather(*talking)
        await asyncio.gather(*(_last_question(caller, went) for caller in callers))
        restarted = [e for caller in callers for e in caller.events if e.type == "call.stage.restarted"]
        went.restarts = len(restarted)
        went.down_ms = [float(event.data["downtime_ms"]) for event in restarted]
    print(json.dumps(asdict(went)), flush=True)  # noqa: T201
    pipe.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_main(sys.argv[1], int(sys.argv[2])))
