"""``openclaw-actors config check|show``, and how every command finds its settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from openclaw_actors.cli.faults import settings_faults

if TYPE_CHECKING:
    from openclaw_actors.settings.sections import Settings

DEFAULT_CONFIG = Path("config/default.toml")
"""Taken from the working directory when --config is absent and it is there."""

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", metavar="FILE", help=f"Settings in TOML. Without it: {DEFAULT_CONFIG} if it is there."
    ),
]

app = typer.Typer(help="Validate the settings, or print those in force.", no_args_is_help=True)


def settings_from(config: Path | None, flags: Mapping[str, Any] = MappingProxyType({})) -> tuple[Settings, Path | None]:
    """The settings in force and the file they came from.

    Raises:
        SettingsError: with every fault.
    """
    # Only now: pydantic takes 0.15 s to import, and commands that ask a host need no settings.
    from openclaw_actors.settings.load import load_settings  # noqa: PLC0415 - see above

    if config is None and DEFAULT_CONFIG.is_file():
        config = DEFAULT_CONFIG
    return load_settings(config, os.environ, flags), config


@app.command()
def check(config: ConfigOption = None) -> None:
    """Validate file and environment; exit 2 and name every fault if there are any."""
    with settings_faults():
        _, path = settings_from(config)
    typer.echo(f"{path or 'built-in defaults'}: good")


@app.command()
def show(config: ConfigOption = None) -> None:
    """Print the effective settings as TOML, secrets hidden."""
    with settings_faults():
        settings, path = settings_from(config)
        from openclaw_actors.settings.show import as_toml, effective  # noqa: PLC0415 - as in settings_from

    typer.echo(f"# {path or 'built-in defaults'}, and the environment")
    typer.echo(as_toml(effective(settings)), nl=False)
