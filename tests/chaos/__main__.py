"""`make chaos`: everything that goes wrong, done to real calls; a report on the terminal and in build/chaos/report.md.

    python -m tests.chaos [--short] [matrix|storm|defaults|outages|network ...]

It takes some 25 minutes, 11 of which are the kills at the delivered intensity. The exit status is 1 when a promise was
broken.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from openclaw_actors.cli.serve import loop_factory
from openclaw_actors.observability.logs import configure_logs, stop_logs
from openclaw_actors.settings.sections import Logs
from openclaw_actors.testkit.chaos.matrix import Outcome, walk
from openclaw_actors.testkit.chaos.outages import OutageReport, faulted_turns, scenarios
from openclaw_actors.testkit.chaos.report import matrix_text, outages_text, storm_text
from openclaw_actors.testkit.chaos.storm import DEFAULTS, PAUSE_AT_DEFAULTS_S, UNBOUND, storm
from openclaw_actors.testkit.chaos.table import SHORT, matrix, poison
from tests.chaos.network import network_report

BUILD = Path("build/chaos")

Part = tuple[str, list[str]]
"""Markdown, and what was broken."""


def tell(line: str) -> None:
    """On the terminal, at once."""
    print(line, flush=True)  # noqa: T201 - it is what one runs it for


def tell_outcome(outcome: Outcome) -> None:
    tell(f"{'broken' if outcome.problems else 'held  '} {outcome.cell.name} {'; '.join(outcome.problems)}")


async def run_matrix(short: bool) -> Part:
    report = await walk(SHORT if short else [*matrix(), *poison()], on_outcome=tell_outcome)
    return matrix_text(report), report.problems


async def run_storm(short: bool) -> Part:
    calls, kills = (4, 60) if short else (20, 1000)
    report = await storm(calls, kills, UNBOUND, 0.5)
    return storm_text("Random kills, the intensity raised", report), report.problems


async def run_defaults(short: bool) -> Part:
    calls, kills = (4, 8) if short else (20, 1000)
    report = await storm(calls, kills, DEFAULTS, PAUSE_AT_DEFAULTS_S)
    return storm_text("Random kills, the intensity as delivered", report), report.problems


async def run_outages(short: bool) -> Part:
    turns = await faulted_turns(1 if short else 3)
    report = OutageReport(turns, await scenarios(["the server of all three is gone"] if short else ()))
    return outages_text(report), report.problems


async def run_network(short: bool) -> Part:
    report = await network_report()
    return report.text, report.faults


PARTS: dict[str, Callable[[bool], Awaitable[Part]]] = {
    "matrix": run_matrix,
    "outages": run_outages,
    "network": run_network,
    "storm": run_storm,
    "defaults": run_defaults,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="part", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--short", action="store_true", help="what `make test` has time for")
    options = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    sys.stderr = (BUILD / "host.log").open("w")  # the hosts' own log: every restart with its traceback
    configure_logs(Logs(level="warning", format="json"))
    texts = [
        f"# Chaos report\n\n{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores."
    ]
    broken: list[str] = []
    for name in options.parts or PARTS:
        tell(f"--- {name}")
        with asyncio.Runner(loop_factory=loop_factory()) as runner:  # as `serve` does
            text, problems = runner.run(_part(name, short=options.short))
        texts.append(text)
        broken += problems
        (BUILD / "report.md").write_text("\n\n".join(texts) + "\n")
    stop_logs()
    tell("\n\n".join(texts))
    tell(f"\n{len(broken)} promises broken" if broken else "\nEvery promise held")
    return 1 if broken else 0


async def _part(name: str, *, short: bool) -> Part:
    return await PARTS[name](short)


if __name__ == "__main__":
    sys.exit(main())
