"""The callers of a soak, in a process of their own: a number comes in, so many call, and a line of JSON goes out.

Of each wave, every third speaks over the answer, every fourth leaves without a word, and the others hang up.
"""

from __future__ import annotations

import asyncio
import json
import sys

import aiohttp

from openclaw_actors.cli.serve import loop_factory
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.signalling import CallRefusedError
from openclaw_actors.testkit.speakers import Speech, flite
from openclaw_actors.testkit.waiting import CallEndedError

_SPREAD_S = 1.5
"""Over which a wave comes in; all at the same instant is another test's."""


async def call(url: str, number: int, of: int, question: Speech, objection: Speech) -> str:
    """One call; what went wrong, or nothing."""
    await asyncio.sleep(_SPREAD_S * number / of)
    caller = Caller(url, name=f"soak {number}", keep_audio=False)
    try:
        await caller.dial(30)
        await caller.ask(question, 30)
        if number % 3 == 0:
            await asyncio.sleep(0.3)
            await caller.talk_over(objection, 20)
    except (TimeoutError, CallEndedError, CallRefusedError, aiohttp.ClientError) as error:
        return f"call {number}: {type(error).__name__} {error}"[:300]
    finally:
        if number % 4 == 1:
            await caller.leave()
        else:
            await caller.hang_up()
    return ""


async def _main(url: str) -> None:
    question, objection = flite("What time is it?"), flite("No, wait.", "rms")
    for speech in (question, objection):
        _ = speech.packets
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe, _protocol = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        count = int(line)
        went = await asyncio.gather(*(call(url, number, count, question, objection) for number in range(count)))
        failed = [fault for fault in went if fault]
        sys.stdout.write(json.dumps({"answered": count - len(failed), "failed": failed}) + "\n")
        sys.stdout.flush()
    pipe.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_main(sys.argv[1]))
