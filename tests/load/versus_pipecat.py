"""Ours and Pipecat's latest on the same stubs, with the same callers: ``python -m tests.load.versus_pipecat``.

Pipecat is installed on demand into build/pipecat-venv, beside our own environment, which it would upset. Hosts take
turns, level by level, so that what else the machine does meets both; what counts is the ratio.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import venv
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from openclaw_actors.testkit.host import HostProcess
from openclaw_actors.testkit.load import LoadPlan
from openclaw_actors.testkit.load_report import LoadReport
from tests.load.stubs import CONFIG, stub_process
from tests.load.turn_latency import measure, speech

ROOT = Path(__file__).parents[2]
VENV = ROOT / "build" / "pipecat-venv"
PYTHON = VENV / "bin" / "python"
PACKAGE = "pipecat-ai[webrtc,silero,openai,runner]"


def install() -> str:
    """Pipecat's version, installed first if it is not there; ``rm -r build/pipecat-venv`` for a newer one."""
    asked = [str(PYTHON), "-c", "import importlib.metadata as m; print(m.version('pipecat-ai'))"]
    if not PYTHON.exists() or subprocess.run(asked, capture_output=True, check=False).returncode:
        sys.stderr.write(f"installing {PACKAGE} into {VENV} (0.9 GB) ...\n")
        venv.create(VENV, with_pip=True)
        subprocess.run([str(PYTHON), "-m", "pip", "install", "--quiet", PACKAGE], check=True)
    return subprocess.run(asked, capture_output=True, check=True, text=True).stdout.strip()


@asynccontextmanager
async def pipecat(stub_url: str) -> AsyncIterator[tuple[str, int]]:
    """Pipecat as a process: its address and its process id. It ends when its standard input does."""
    pipe = asyncio.subprocess.PIPE
    log = (ROOT / "build" / "pipecat.log").open("wb")
    command = (str(PYTHON), str(Path(__file__).with_name("pipecat_peer.py")), "--stub", stub_url)
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"LOGURU_LEVEL": "WARNING"}
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=log, env=clean)
    try:
        line = b""
        async with asyncio.timeout(120):
            while not line.startswith(b"Pipecat: "):
                line = await process.stdout.readline()
                if not line:
                    raise RuntimeError(f"Pipecat did not start, see {log.name}")
        yield line.decode().split()[-1], process.pid
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()
        log.close()


async def run(levels: Sequence[int], turns: int) -> list[tuple[str, LoadReport]]:
    """Each level on both, one after the other."""
    question, objection = speech()
    rows: list[tuple[str, LoadReport]] = []
    async with stub_process() as stub, HostProcess(CONFIG.format(url=stub)) as host, pipecat(stub) as (url, pid):
        for calls in levels:
            plan = LoadPlan(question, objection, calls, turns)
            for name, where, process in (("ours", host.url, host.pid), ("pipecat", url, pid)):
                report, _ = await measure(where, process, plan)
                rows.append((name, report))
                sys.stderr.write(f"{line(name, report)}\n")
    return rows


def line(name: str, r: LoadReport) -> str:
    """One row of the table."""
    answered = f"{r.turn.count}" + (f" ({r.unanswered} unanswered)" if r.unanswered else "")
    void = " **void**" if r.void else ""
    return (
        f"| {name} | {r.calls} | {answered} | {r.turn.p50:.0f} / {r.turn.p95:.0f} | {r.barge_in.p50:.0f} / "
        f"{r.barge_in.p95:.0f} | {r.cpu_percent_per_call or 0:.1f} % | {r.rss_mb or 0:.0f} | "
        f"{r.own_lag_p99_ms:.1f}{void} |"
    )


def table(version: str, rows: Sequence[tuple[str, LoadReport]]) -> str:
    """Markdown, with a row of ratios under each pair."""
    lines = [
        f"Pipecat {version}; load average {os.getloadavg()[0]:.1f} at the end.\n",
        "| host | calls | turns | turn p50 / p95 ms | barge-in p50 / p95 ms | CPU per call | RSS MB | own lag p99 ms |",
        "|---" * 8 + "|",
    ]
    for (_, ours), (_, theirs) in zip(rows[::2], rows[1::2], strict=True):
        turn, barge_in = theirs.turn.p50 / ours.turn.p50, theirs.barge_in.p50 / ours.barge_in.p50
        cpu = (theirs.cpu_percent or 0) / (ours.cpu_percent or 1)
        ratio = f"| Pipecat takes | {ours.calls} | | {turn:.1f} times | {barge_in:.1f} times | {cpu:.1f} times | | |"
        lines += [line("ours", ours), line("Pipecat", theirs), ratio]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run and print; 1 when ours is not the faster everywhere, 2 when the run is void."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, nargs="+", default=[1, 12])
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    version = install()
    rows = asyncio.run(run(options.calls, options.turns))
    if options.json:
        text = json.dumps([{"host": name} | report.as_dict() for name, report in rows], indent=2)
    else:
        text = table(version, rows)
    sys.stdout.write(text + "\n")
    if any(report.void for _, report in rows):
        return 2
    pairs = zip(rows[::2], rows[1::2], strict=True)
    better = (o.turn.p50 < t.turn.p50 and o.barge_in.p50 < t.barge_in.p50 for (_, o), (_, t) in pairs)
    return 0 if all(better) else 1


if __name__ == "__main__":
    sys.exit(main())
