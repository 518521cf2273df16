"""How long a host takes until it is ready, and a command until it has answered: ``python -m tests.load.start_up``.

From the spawn of the process to what it prints when it takes calls. The engines are stubs, so that no model is loaded;
what is left is the interpreter, imports, the store, the HTTP server, and the voice detector's own small model. The
first start makes the tables; those after it are what a restart costs.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from openclaw_actors.cli.serve import loop_factory
from openclaw_actors.testkit.host import HostProcess
from tests.load.stubs import CONFIG, stub_process

READY_S = 2.0
"""From spawn to ready without a model."""
EMBEDDED = Path(__file__).parents[2] / "config" / "embedded.toml"


async def ready_s(config: str, environ: Mapping[str, str]) -> float:
    """From spawn to ready."""
    began = time.monotonic()
    async with HostProcess(config, environ):
        return time.monotonic() - began


def command_s(*words: str, status: int = 0) -> float:
    """From spawn to the command's end."""
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "openclaw_actors", *words], capture_output=True, check=False)
    if done.returncode != status:
        raise RuntimeError(done.stderr.decode())
    return time.monotonic() - began


async def run(rounds: int) -> bool:
    """Print the table; whether the goal was met."""
    rows: list[tuple[str, list[float]]] = []
    with TemporaryDirectory() as folder:
        async with stub_process() as stub:
            config = CONFIG.format(url=stub)
            for name, text in (("engines behind OpenAI's API", config), ("embedded.toml", EMBEDDED.read_text())):
                environ = {
                    "OPENCLAW_ACTORS_STORE__URL": f"sqlite:///{folder}/calls.db",
                    "OPENCLAW_ACTORS_SERVER__PORT": "0",
                }
                Path(folder, "calls.db").unlink(missing_ok=True)  # noqa: ASYNC240 - nothing else runs here
                rows.append((f"serve, {name}, the very first time", [await ready_s(text, environ)]))
                rows.append((f"serve, {name}", [await ready_s(text, environ) for _ in range(rounds)]))
            async with HostProcess(config) as host:
                commands = (("--help",), ("--version",), ("config", "check"), ("calls", "--url", host.url))
                for words in commands:
                    took = [await asyncio.to_thread(command_s, *words) for _ in range(rounds)]
                    rows.append(("openclaw-actors " + " ".join(words[:2]).replace(" --url", ""), took))
    sys.stdout.write("| | median s | longest s |\n|---|--:|--:|\n")
    for name, took in rows:
        sys.stdout.write(f"| {name} | {median(took):.2f} | {max(took):.2f} |\n")
    return median(rows[1][1]) <= READY_S


def main(argv: Sequence[str] | None = None) -> int:
    """1 when the goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(argv)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return 0 if runner.run(run(options.rounds)) else 1


if __name__ == "__main__":
    sys.exit(main())
