"""The settings in force, for a person's eyes: no secret is in there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, SecretStr

from openclaw_actors.settings.keys import names_secret
from openclaw_actors.settings.sections import Settings

HIDDEN = "********"

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_PASSWORD_IN_URL = re.compile(r"(://[^/@:\s]*):[^/@\s]+@")


def effective(settings: Settings) -> dict[str, Any]:
    """All settings as plain values. A secret that is set reads ``********``, one that is not, empty."""
    shown = _plain(settings)
    assert isinstance(shown, dict)  # noqa: S101 - tells the type checker what a section turns into
    return shown


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return HIDDEN if value.get_secret_value() else ""
    if isinstance(value, BaseModel):
        # TOML has no null: what is None is absent.
        return {name: _plain(inner) for name, inner in value if inner is not None}
    if isinstance(value, dict):  # a plug-in's own: of what it takes for secret only the names tell
        return {name: HIDDEN if names_secret(name) and inner else _plain(inner) for name, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    if isinstance(value, str):
        return _PASSWORD_IN_URL.sub(rf"\1:{HIDDEN}@", value)
    return value


def as_toml(table: Mapping[str, Any]) -> str:
    """A table of plain values as a TOML document."""
    return "\n".join(_lines(table, ())).strip() + "\n"


def _lines(table: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[str]:
    values = {name: value for name, value in table.items() if not (isinstance(value, Mapping) and value)}
    if above and values:
        yield f"\n[{'.'.join(map(_toml_key, above))}]"
    for name, value in values.items():
        yield f"{_toml_key(name)} = {_toml_value(value)}"
    for name, value in table.items():
        if name not in values:
            yield from _lines(value, (*above, name))


def _toml_key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _toml_value(name)


def _toml_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_toml_key(name)} = {_toml_value(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(inner) for inner in value) + "]"
    # JSON writes strings, numbers and booleans as TOML does; but DEL, which TOML wants escaped.
    return str(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
