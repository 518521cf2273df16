"""``openclaw-actors voices``: which voices an engine has, and how one sounds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from openclaw_actors.cli.config import ConfigOption, settings_from
from openclaw_actors.cli.faults import EXIT_SETTINGS, settings_faults

DEFAULT_TEXT = "Hello! This is how I sound."


def voices(  # noqa: PLR0917 - typer reads a command's options from its parameters
    engine: Annotated[
        str,
        typer.Option(
            help="edge-tts, edge-tts-service, openai, piper, espeak-ng or a plug-in; else the first of tts.engines."
        ),
    ] = "",
    language: Annotated[str, typer.Option(help="Only those of this language, such as de or en-GB.")] = "",
    hear: Annotated[str, typer.Option(metavar="VOICE", help="Let this voice speak, into the file --out.")] = "",
    text: Annotated[str, typer.Option(help="What it shall say.")] = DEFAULT_TEXT,
    out: Annotated[Path, typer.Option(help="The WAV file for --hear.")] = Path("voice.wav"),
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
) -> None:
    """List the voices of an engine, or hear one."""
    # Only now: what knows of voices imports the engines.
    from openclaw_actors.cli.voice_lists import UnknownVoicesError, list_voices, record_voice  # noqa: PLC0415 - see above

    with settings_faults():
        settings, _ = settings_from(config)
    engine = engine or settings.tts.engines[0]
    try:
        if hear:
            seconds = record_voice(settings, engine, hear, text, out)
            typer.echo(json.dumps({"file": str(out), "seconds": seconds}) if as_json else f"{out}: {seconds:.1f} s")
            return
        found = [voice for voice in list_voices(settings, engine) if voice.speaks(language)]
    except UnknownVoicesError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(EXIT_SETTINGS if error.usage else 1) from error
    if as_json:
        typer.echo(json.dumps({"engine": engine, "voices": [voice.as_dict() for voice in found]}, indent=2))
        return
    for voice in found:
        typer.echo(f"{voice.name:40} {voice.language:12} {voice.about}".rstrip())
