"""Schemathesis over ``/openapi.json`` with a token: no 5xx but a 503 that says when to come back, no contract breach.

``python -m tests.api.fuzz --examples 200`` does thousands of cases against a host of its own; the suite does a few.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from openclaw_actors.observability.logs import configure_logs, stop_logs
from openclaw_actors.settings.sections import Auth, Calls, Logs, StoreSettings
from openclaw_actors.testkit.host import embedded_settings, running_host

TOKEN = "fuzz-everything"
SKIPPED = ("/v1/events", "/v1/calls/{call_id}/events", "/v1/node/drain")
"""Streams do not end, and a drained host takes no calls."""
ROOT = Path(__file__).parents[2]
CONFIG = Path(__file__).with_name("schemathesis.toml")


async def fuzz(
    url: str, *, examples: int, calls: Sequence[str] = (), max_time_s: int = 0, seed: int = 1
) -> tuple[int, str]:
    """Run schemathesis; its exit status (0: nothing found) and what it wrote.

    Args:
        url: of a host that takes TOKEN.
        examples: cases of each kind for each operation.
        calls: ids of calls to play with; half the cases go to them.
        max_time_s: no new cases after so long; 0: none.
        seed: of the generator.
    """
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)]
    command += ["run", f"{url}/openapi.json", "--no-color"]
    command += ["-H", f"Authorization: Bearer {TOKEN}", "--seed", str(seed), "--max-examples", str(examples)]
    command += ["--generation-database", "none", "--request-timeout", "20", "--continue-on-failure"]
    command += ["--max-time", str(max_time_s)] if max_time_s else []
    for path in SKIPPED:
        command += ["--exclude-path", path]
    environ = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "tests.api.fuzz_hooks",
        "FUZZ_CALLS": ",".join(calls),
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
    }
    with tempfile.TemporaryDirectory() as folder:  # it leaves its notes where it is started
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        try:
            written, _ = await process.communicate()
        except BaseException:
            process.kill()
            await process.wait()
            raise
    return process.returncode or 0, written.decode(errors="replace")


async def main(examples: int, max_time_s: int, seed: int) -> int:
    """Fuzz a host of one's own, with calls that are up."""
    configure_logs(Logs(level="error"))
    auth = Auth(tokens=(TOKEN,), allow_anonymous_loopback=False)
    with tempfile.TemporaryDirectory() as folder:
        calls_stay = Calls(idle_timeout_s=86_400, silent_after_s=0, max_duration_s=86_400)
        update = {"auth": auth, "calls": calls_stay, "store": StoreSettings(url=f"sqlite:///{folder}/calls.db")}
        async with running_host(embedded_settings().model_copy(update=update)) as running:
            calls = [await _place(running.url) for _ in range(5)]
            status, written = await fuzz(running.url, examples=examples, calls=calls, max_time_s=max_time_s, seed=seed)
    stop_logs()
    print(written)  # noqa: T201 - a command's output
    return status


async def _place(url: str) -> str:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        aiohttp.ClientSession(headers=headers) as client,
        client.post(f"{url}/v1/calls", json={"to": "test"}) as response,
    ):
        call_id: str = (await response.json())["id"]
        return call_id


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--max-time", type=int, default=0, help="seconds")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    sys.exit(asyncio.run(main(given.examples, given.max_time, given.seed)))
