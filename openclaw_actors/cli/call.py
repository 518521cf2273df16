"""``openclaw-actors call URL``: its arguments. What it does is in cli/conversation.py."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def call(  # noqa: PLR0917 - typer reads a command's options from its parameters
    url: Annotated[str, typer.Argument(envvar="OPENCLAW_ACTORS_URL", help="The host, as in http://127.0.0.1:8080")],
    wav: Annotated[list[Path] | None, typer.Option(help="Say this file; give it again for a further turn.")] = None,
    record: Annotated[Path | None, typer.Option(help="Write what was heard to this WAV file.")] = None,
    token: Annotated[str, typer.Option(envvar="OPENCLAW_ACTORS_TOKEN", help="Bearer token.")] = "",
    name: Annotated[str, typer.Option(help="Who is calling, as the host shall know it.")] = "",
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait for an answer.")] = 30.0,
    insecure: Annotated[bool, typer.Option("--insecure", help="Take a self-signed certificate.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")] = False,
) -> None:
    """Call a host: speak files (--wav) or the microphone, and print the conversation and its latencies."""
    # Only now: the media libraries take 0.7 s to import, and every command would wait for them.
    from openclaw_actors.cli.conversation import run  # noqa: PLC0415 - see above
    from openclaw_actors.testkit.caller import Caller  # noqa: PLC0415 - see above

    caller = Caller(url, token, name, verify_tls=not insecure)
    run(caller, list(wav or ()), record, timeout, as_json=as_json)
