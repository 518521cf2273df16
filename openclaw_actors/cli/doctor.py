"""``openclaw-actors doctor``: does each piece work here, and what to do when it does not."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from openclaw_actors.cli.config import ConfigOption, settings_from
from openclaw_actors.cli.faults import settings_faults

if TYPE_CHECKING:
    from openclaw_actors.cli.findings import Finding
    from openclaw_actors.settings.sections import Settings

EXIT_BAD = 1
_MARKS = {"good": ("✓", "green"), "warning": ("!", "yellow"), "bad": ("✗", "red")}


def doctor(
    config: ConfigOption = None,
    call: Annotated[str, typer.Option(metavar="NUMBER", help="Call this number too: it hears a short message.")] = "",
    fix: Annotated[bool, typer.Option("--fix", help="Point the phone number's webhook here if it is not.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON on standard output.")] = False,
) -> None:
    """Check each piece for real; say what to do. Exit 1 if one is bad, 2 if the settings are."""
    with settings_faults():
        settings, path = settings_from(config)
        findings = examine(settings, source=str(path or "built-in defaults"), as_json=as_json, call=call, fix=fix)
    if any(finding.status == "bad" for finding in findings):
        raise typer.Exit(EXIT_BAD)


def examine(settings: Settings, *, source: str, as_json: bool, call: str = "", fix: bool = False) -> list[Finding]:
    """Run all checks, print each finding as it is made, and return them.

    Args:
        settings: what is looked at.
        source: where they come from, to be shown.
        as_json: print them at the end, as one JSON object.
        call: a number to call; empty: none.
        fix: repair at the carrier what can be repaired from here.
    """
    # Only now: the engines and the media libraries take a second to import.
    from rich.console import Console  # noqa: PLC0415 - see above
    from rich.text import Text  # noqa: PLC0415 - see above

    from openclaw_actors.cli.checks import Checks  # noqa: PLC0415 - see above
    from openclaw_actors.cli.findings import Finding  # noqa: PLC0415 - see above
    from openclaw_actors.observability.logs import configure_logs, stop_logs  # noqa: PLC0415 - see above

    console = Console(stderr=as_json)
    findings = [Finding("settings", "good", source)]

    def show(finding: Finding) -> None:
        mark, style = _MARKS[finding.status]
        line = Text(f"{mark} ", style=style) + Text(f"{finding.check}: ", style="bold") + Text(finding.detail)
        console.print(line, soft_wrap=True)
        if finding.remedy:
            console.print(Text(f"    {finding.remedy}", style="dim"), soft_wrap=True)

    async def look(status: Any) -> None:
        checks = Checks(settings, lambda name: status.update(f"looking at {name} …"), fix=fix, call=call)
        async for finding in checks.run():
            findings.append(finding)
            show(finding)

    # What the engines log of their faults is in the findings.
    configure_logs(settings.logs.model_copy(update={"level": "error"}))
    try:
        show(findings[0])
        with console.status("looking …") as status:
            asyncio.run(look(status))
    finally:
        stop_logs()
    if as_json:
        good = not any(finding.status == "bad" for finding in findings)
        typer.echo(json.dumps({"good": good, "findings": [each.as_dict() for each in findings]}, indent=2))
    return findings
