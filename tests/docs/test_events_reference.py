"""The events reference says what the code does: it is made of it, and the code publishes nothing else."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest
from pydantic import ValidationError

import openclaw_actors
from openclaw_actors.actors.event_types import EVENT_TYPES, is_terminal
from openclaw_actors.messages import Event
from openclaw_actors.store.recording import is_delivered
from tests.docs.events_reference import EXAMPLE, PAGE, render

PACKAGE = Path(openclaw_actors.__file__).parent


@cache
def published() -> dict[tuple[str, int, str], tuple[str, set[str], bool]]:
    """Each ``….publish("call.…", key=…)`` and ``event("…", key=…)``: its type, its keys, and whether more by ``**``."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args and _publishes(node.func):
                keys = {each.arg for each in node.keywords if each.arg}
                starred = [each.value for each in node.keywords if not each.arg]
                written_out = [each for each in starred if isinstance(each, ast.Dict)]  # **{"from": …}: it is a keyword
                keys |= {key.value for each in written_out for key in each.keys if isinstance(key, ast.Constant)}
                more = len(written_out) < len(starred)
                kinds = (each.value for each in ast.walk(node.args[0]) if isinstance(each, ast.Constant))
                for kind in kinds:  # two, where it is `"call.muted" if on else "call.unmuted"`
                    found[str(path.relative_to(PACKAGE)), node.lineno, kind] = (kind, keys, more)
    return found


def _publishes(function: ast.expr) -> bool:
    """Whether it is an EventLog's, or makes an event of no call (telephony/voicemail/book.py)."""
    if isinstance(function, ast.Attribute):
        return function.attr in {"publish", "_publish"}
    return isinstance(function, ast.Name) and function.id == "event"


def test_the_page_is_current():
    assert PAGE.read_text() == render(), "run: python -m tests.docs.events_reference"


def test_every_event_of_the_code_is_described_and_has_the_fields_it_says():
    places = published()
    assert len(places) >= 10, "the search finds nothing: has publish been renamed?"
    for place, (kind, keys, more) in places.items():
        assert kind in EVENT_TYPES, f"{place} publishes {kind}, which actors/event_types.py does not know"
        fields = {field.alias or name: field for name, field in EVENT_TYPES[kind].data.model_fields.items()}
        assert keys <= fields.keys(), f"{place}: {kind} has {keys - fields.keys()} that its model has not"
        missing = {name for name, field in fields.items() if field.is_required()} - keys
        assert more or not missing, f"{place}: {kind} lacks {missing}"


def test_every_described_event_is_published_somewhere():
    assert {kind for kind, _, _ in published().values()} == EVENT_TYPES.keys()


def test_the_example_of_the_page_is_an_event_of_its_type():
    event = Event(**EXAMPLE)
    data = EVENT_TYPES[event.type].data.model_validate(event.data, strict=True)
    assert data.model_dump(exclude_unset=True) == event.data


def test_data_with_a_field_that_nobody_described_is_no_event_data():
    with pytest.raises(ValidationError):
        EVENT_TYPES["call.ended"].data.model_validate({"status": "completed", "reason": "hangup", "colour": "red"})


def test_an_end_is_what_webhooks_try_for_a_day_to_tell():
    assert is_terminal("call.ended")
    assert not is_terminal("call.answered")
    assert not is_terminal("call.of-a-later-version")


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_the_page_says_of_each_event_what_the_outbox_does(kind):
    event = Event("evt_1", kind, EXAMPLE["time"], "call_1", 1, {"final": True})
    assert is_delivered(event) == EVENT_TYPES[kind].webhooks
