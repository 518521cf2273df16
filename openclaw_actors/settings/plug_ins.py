"""Which engines other packages bring along: by their entry points, of which nothing is imported here.

A package that is installed beside this one brings an engine by an entry point in the group of its kind, such as
``openclaw_actors.stt``. Its name is the engine's id, which the settings name; ``[stt.<id with _>]`` is its section.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points

KINDS = ("stt", "agent", "tts")


def plug_ins(kind: str) -> tuple[EntryPoint, ...]:
    """The installed engines of a kind, by name."""
    return _found(kind, tuple(sys.path))


def section_of(name: str) -> str:
    """The settings' section of the engine with this id."""
    return name.replace("-", "_")


def has_section(kind: str, section: str) -> bool:
    """Whether an installed engine has that section."""
    return any(section_of(each.name) == section for each in plug_ins(kind))


@lru_cache(maxsize=16)
def _found(kind: str, _path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Looking through 150 packages takes 60 ms; what is installed later is seen after a restart."""
    return tuple(sorted(entry_points(group=f"openclaw_actors.{kind}"), key=lambda each: each.name))
