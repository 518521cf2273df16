"""Makes docs/events.md of actors/event_types.py: ``python -m tests.docs.events_reference``."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from openclaw_actors.actors.event_types import EVENT_TYPES, EventType

PAGE = Path(__file__).parents[2] / "docs" / "events.md"

EXAMPLE = {
    "id": "evt_01JD5V3N8Q0W2Y4B6D8F0H2K4M",
    "type": "call.transcript",
    "time": "2026-11-20T14:32:22.125Z",
    "call_id": "call_01JD5V3K1M3P5R7T9V1X3Z5B7D",
    "sequence": 9,
    "data": {"role": "user", "text": "What is the weather like?", "final": True, "utterance": 51200},
}
"""A test holds it against the model."""

_HEAD = """<!-- Made by `python -m tests.docs.events_reference` from openclaw_actors/actors/event_types.py. -->
# Events

A call tells what happens to it as events: on the data channel `events` to its own client, over server-sent events
(`GET /v1/calls/{id}/events`, `GET /v1/events`), and to [webhooks](webhooks.md). All say the same:

```json
EXAMPLE
```

`id` is unique and the same wherever the event arrives. `sequence` counts from 1 in each call without a gap; only what a
webhook is not sent (see the table) is missing there. What tells of a message (`voicemail.*`, `callback.*` but for
`callback.spoken`) is of no call: its `call_id` is empty and its `sequence` 0. `time` is RFC 3339 in UTC. New types and
new fields may come at any time: ignore what you do not know.

| type | says | webhooks |
|---|---|---|
"""


def render() -> str:
    """The page."""
    head = _HEAD.replace("EXAMPLE", json.dumps(EXAMPLE, indent=2))
    rows = (f"| [`{name}`](#{_anchor(name)}) | {_first_line(kind)} | {_webhooks(kind)} |\n" for name, kind in _types())
    return head + "".join(rows) + "".join(_section(name, kind) for name, kind in _types())


def _types() -> Iterator[tuple[str, EventType]]:
    yield from EVENT_TYPES.items()


def _anchor(name: str) -> str:
    return "".join(letter for letter in name if letter.isalnum() or letter in "_-")


def _text(kind: EventType) -> str:
    return kind.says or inspect.cleandoc(kind.data.__doc__ or "")


def _first_line(kind: EventType) -> str:
    return _text(kind).splitlines()[0]


def _webhooks(kind: EventType) -> str:
    if not kind.webhooks:
        return "no"
    return "yes, for a day" if kind.terminal else "yes"


def _section(name: str, kind: EventType) -> str:
    schema = kind.data.model_json_schema(by_alias=True)
    rows = list(_rows(schema, schema.get("$defs", {}), ""))
    table = "\n| data | type | |\n|---|---|---|\n" + "".join(rows) if rows else ""
    return f"\n## {name}\n\n{_text(kind)}\n{table}"


def _rows(schema: Mapping[str, Any], models: Mapping[str, Any], above: str) -> Iterator[str]:
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        inner, path = _model_in(field, models), f"{above}{name}"
        if inner is not None and "propertyNames" in field:
            path += ".*"
        says = field.get("description", "") if inner is None else field.get("description", inner.get("description", ""))
        optional = "" if name in required else ", optional"
        yield f"| `{path}` | {'object' if inner is not None else _type(field)}{optional} | {' '.join(says.split())} |\n"
        if inner is not None:
            yield from _rows(inner, models, f"{path}.")


def _model_in(field: Mapping[str, Any], models: Mapping[str, Any]) -> Mapping[str, Any] | None:
    reference = field.get("$ref") or (field.get("additionalProperties") or {}).get("$ref", "") if _holds(field) else ""
    return models[reference.rsplit("/", 1)[-1]] if reference else None


def _holds(field: Mapping[str, Any]) -> bool:
    return "$ref" in field or isinstance(field.get("additionalProperties"), dict)


def _type(field: Mapping[str, Any]) -> str:
    choices = [each for each in field.get("anyOf", [field]) if each.get("type") != "null"]
    (choice,) = choices
    if "enum" in choice:
        return " \\| ".join(f'`"{value}"`' for value in choice["enum"])
    if "const" in choice:
        return f'`"{choice["const"]}"`'
    if choice["type"] == "array":
        return f"list of {_type(choice['items'])}"
    return str(choice["type"])


if __name__ == "__main__":
    PAGE.write_text(render())
