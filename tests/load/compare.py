"""Which of two checkouts costs a host less: ``python -m tests.load.compare ../other``.

Both hosts share one core at the same time, each with as many callers, so a machine whose speed changes from one minute
to the next changes for both; then they change places. What is printed is the other's processor time as a part of this
one's. The same checkout twice gives 0.98 to 1.02, where two runs one after the other differ by a third.

What a host saves by being woken less often does not show: the other host wakes the core anyway.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from math import ceil, sqrt
from pathlib import Path

import psutil

from openclaw_actors.cli.serve import loop_factory
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import HostProcess
from openclaw_actors.testkit.load import Load, LoadPlan
from tests.load.density import ROUND_S
from tests.load.stubs import CONFIG, pin, stub_process
from tests.load.turn_latency import speech

HERE = Path(__file__).parents[2]


def environ_of(checkout: Path) -> dict[str, str]:
    """What makes Python run the package of this checkout, wherever it is started and whatever is installed."""
    return {"PYTHONPATH": str(checkout.resolve()), "PYTHONSAFEPATH": "1"}


async def pair(environs: Sequence[Mapping[str, str]], calls: int, seconds: float) -> list[float]:
    """Seconds of processor time that each of two hosts took, side by side."""
    pin(os.getpid(), 1)
    async with AsyncExitStack() as stack:
        stub = await stack.enter_async_context(stub_process())
        config = CONFIG.format(url=stub).replace("port = 0", f"port = 0\nmax_calls = {2 * calls}")
        hosts = [await stack.enter_async_context(HostProcess(config, environ=environ)) for environ in environs]
        for host in hosts:
            pin(host.pid, 0)
        question, objection = speech()
        plan = LoadPlan(question, objection, 2 * calls, turns=ceil(seconds / ROUND_S), ramp_s=ROUND_S)
        steady = asyncio.Event()
        callers = [Caller(hosts[number % 2].url, keep_audio=False) for number in range(2 * calls)]
        talking = asyncio.create_task(Load(plan, callers, on_steady=steady.set).run())
        await steady.wait()
        before = [_processor_time(host) for host in hosts]
        await asyncio.sleep(seconds)
        took = [_processor_time(host) - earlier for host, earlier in zip(hosts, before, strict=True)]
        await talking
        return took


def _processor_time(host: HostProcess) -> float:
    return float(sum(psutil.Process(host.pid).cpu_times()[:2]))


async def run(this: Mapping[str, str], other: Mapping[str, str], calls: int, seconds: float) -> float:
    """Print each pair; returns the other's part of this one's."""
    ratios = []
    for turned in (False, True):
        took = await pair((other, this) if turned else (this, other), calls, seconds)
        ours, theirs = reversed(took) if turned else took
        ratios.append(theirs / ours)
        shares = (f"{100 * each / seconds / calls:.2f} %" for each in (ours, theirs))
        sys.stdout.write("this {} a call, the other {}\n".format(*shares))
        sys.stdout.flush()
    return sqrt(ratios[0] * ratios[1])


def main(argv: Sequence[str] | None = None) -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="a checkout; this one, to see what NAME=VALUE does")
    parser.add_argument("environ", nargs="*", metavar="NAME=VALUE", help="of the other's environment")
    parser.add_argument("--calls", type=int, default=10, help="of each host")
    parser.add_argument("--seconds", type=float, default=40.0, help="of each of the two runs")
    options = parser.parse_args(argv)
    if not (options.other / "openclaw_actors").is_dir():
        parser.error(f"{options.other} is no checkout: it has no folder openclaw_actors")
    if strange := [text for text in options.environ if "=" not in text]:
        parser.error(f"{strange[0]} is not NAME=VALUE")
    other = environ_of(options.other) | dict(text.split("=", 1) for text in options.environ)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        ratio = runner.run(run(environ_of(HERE), other, options.calls, options.seconds))
    sys.stdout.write(f"The other takes {ratio:.3f} of this one's processor time.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
