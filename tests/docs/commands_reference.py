"""The page of all commands, made of the command line itself whenever the site is built (site_pages.py)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from openclaw_actors.cli.main import app

_HEAD = """# Commands

`openclaw-actors`, which is also `python -m openclaw_actors`. What the commands that steer calls do is shown in
[Steer calls](api.md#from-a-shell). `--install-completion` completes commands, and the ids of live calls.

| status | means |
|---|---|
| 0 | done |
| 1 | the host refused, or a check found a fault |
| 2 | wrong usage or settings |
| 3 | the host can't be reached; of `loadtest`: the run is void |
| 70 | of `serve`: its event loop hung, or it lost its switchboard; start it anew |

| command | does |
|---|---|
"""


def render() -> str:
    """The page."""
    found = list(all_commands(get_command(app)))
    rows = (f"| [`{name}`](#{name.replace(' ', '-')}) | {_first(each)} |\n" for name, each in found)
    return _HEAD + "".join(rows) + "".join(_section(name, each) for name, each in found)


def all_commands(group: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Each command by its words, those of groups too: ``config check``."""
    for name, each in group.commands.items():
        if hasattr(each, "commands"):
            yield from all_commands(each, f"{above}{name} ")
        else:
            yield f"{above}{name}", each


def _help(command: Any) -> str:
    return " ".join((command.help or "").split())


def _first(command: Any) -> str:
    return _help(command).split(". ")[0].rstrip(".")


def _section(name: str, command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option" and not each.hidden]
    words = ["openclaw-actors", name, *(_argument(each) for each in arguments), *(["[OPTIONS]"] if options else [])]
    text = f"\n## {name}\n\n`{' '.join(words)}`\n\n{_help(command)}\n"
    rows = [f"| `{_argument(each)}` | {_says(each)} | |\n" for each in arguments]
    rows += [f"| {_names(each)} | {_says(each)} | {_default(each)} |\n" for each in options]
    return text + ("\n| | | default |\n|---|---|---|\n" + "".join(rows) if rows else "")


def _argument(argument: Any) -> str:
    name = (argument.metavar or argument.name or "").strip("[]").upper()
    return name if argument.required else f"[{name}]"


_WORDS = {"str": "TEXT", "int": "N", "float": "NUMBER", "Path": "FILE"}


def _names(option: Any) -> str:
    names = ", ".join(f"`{each}`" for each in [*option.opts, *option.secondary_opts])
    if option.is_flag:
        return names
    word = option.metavar or _WORDS.get(option.type_descriptor.annotation.__name__, "TEXT")
    return f"{names} `{word}`".replace("|", "` or `")


def _says(parameter: Any) -> str:
    says = " ".join((parameter.help or "").split()).replace("|", "\\|")
    return f"{says} (`{parameter.envvar}`)" if getattr(parameter, "envvar", None) else says


def _default(option: Any) -> str:
    return "" if option.is_flag or option.default in (None, "", ()) else f"`{option.default}`"
