"""A real ``serve`` whose loop hangs is seen, told and ended; one that is only late, or was stopped, lives on."""

from __future__ import annotations

import asyncio
import signal
import time

import aiohttp

from openclaw_actors.observability.watchdog import EX_SOFTWARE
from openclaw_actors.testkit.host import HostProcess

CONFIG = """
[server]
port = 0
[stt]
engines = ["pocketsphinx"]
[agent]
engines = ["parrot"]
greeting = ""
[tts]
engines = ["espeak-ng"]
[supervision]
loop_dump_s = 0.5
loop_abort_s = {abort_s}
"""


def hanging(how: str, abort_s: float) -> HostProcess:
    return HostProcess(CONFIG.format(abort_s=abort_s), {"HANG": how}, module="tests.chaos.hanging_host")


async def alive(host: HostProcess) -> bool:
    async with aiohttp.ClientSession() as session, session.get(f"{host.url}/livez") as answer:
        return answer.status == 200


async def logged(host: HostProcess, text: str) -> str:
    """The log, once ``text`` stands in it; another process writes it, so it is looked at."""
    async with asyncio.timeout(20):
        while text not in host.log():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.1)
    return host.log()


async def test_a_loop_that_hangs_is_dumped_and_the_process_ends_to_be_started_anew():
    async with hanging("60", abort_s=1) as host:
        began = time.monotonic()
        host.send_signal(signal.SIGUSR1)
        assert await host.ended(20) == EX_SOFTWARE
        assert time.monotonic() - began > 1, "not before its time"
        log = host.log()
        assert 'hanging_host.py", line' in log
        assert "in hang" in log, "the place where it hung"
        assert "the event loop hangs" in log


async def test_a_loop_that_hangs_with_the_interpreters_lock_is_dumped_and_ended_too():
    async with hanging("regex", abort_s=1) as host:
        host.send_signal(signal.SIGUSR1)
        assert await host.ended(40) == -signal.SIGPROF
        assert "in hang" in host.log()


async def test_a_loop_that_is_late_but_alive_is_told_of_and_goes_on():
    async with hanging("2", abort_s=6) as host:
        host.send_signal(signal.SIGUSR1)
        log = await logged(host, "the event loop runs again")
        assert "in hang" in log
        assert await alive(host)
        async with aiohttp.ClientSession() as session, session.get(f"{host.url}/metrics") as answer:
            assert "openclaw_actors_event_loop_stalls_total 1.0" in await answer.text()


async def test_a_process_that_was_stopped_for_longer_than_its_loop_may_hang_is_not_ended_for_it():
    async with hanging("0", abort_s=1) as host:
        host.send_signal(signal.SIGSTOP)
        await asyncio.sleep(3)
        host.send_signal(signal.SIGCONT)
        assert await alive(host)
        await asyncio.sleep(0.5)  # two more looks
        assert await alive(host)
        assert "event loop" not in host.log()
