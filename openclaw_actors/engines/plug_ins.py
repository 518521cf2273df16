"""Engines that other packages bring along: made from an entry point, and looked over before a call depends on them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import EntryPoint
from typing import Any, Protocol, cast, runtime_checkable

from openclaw_actors.engines.protocols import Engine
from openclaw_actors.errors import SettingsError
from openclaw_actors.settings.plug_ins import plug_ins, section_of
from openclaw_actors.settings.sections import EngineStage

_MEMBERS = {
    "stt": ("transcribe", "partial_every_s"),
    "agent": ("reply", "speculative", "repeatable", "first_token_s"),
    "tts": ("speak", "cache_key", "sample_rate"),
}
"""What each kind has beside ``name``, ``open`` and ``aclose`` (engines/protocols.py)."""

_METHODS = {"open", "aclose", "transcribe", "reply", "speak", "cache_key"}


@runtime_checkable
class ListsVoices(Protocol):
    """What a TTS engine has beside TtsEngine if ``openclaw-actors voices`` can list its voices."""

    async def voices(self) -> Sequence[tuple[str, str]]:
        """Name and language (BCP 47, or empty) of each. Called without ``open``.

        Raises:
            EngineError: the list can't be had.
        """


def make_plug_in(kind: str, name: str, stage: EngineStage) -> Engine | None:
    """The engine that an installed package brings by this name, not yet opened; None if none does.

    Args:
        kind: stt, agent or tts.
        name: its id.
        stage: the section of its kind, in which its own is.

    Raises:
        SettingsError: it can't be imported, does not take its settings, or is no engine; the text names its package.
    """
    entries = [each for each in plug_ins(kind) if each.name == name]
    if not entries:
        return None
    entry, *others = entries
    if others:
        raise _fault(kind, entry, f"{_package(others[0])} brings an engine of that name too; uninstall one of them")
    try:
        maker = entry.load()
    except Exception as error:
        raise _fault(kind, entry, f"it can't be imported: {type(error).__name__}: {error}") from error
    try:
        engine = maker(stage.plug_in(section_of(name)))
    except Exception as error:
        section = f"{kind}.{section_of(name)}"
        raise _fault(kind, entry, f"it does not take [{section}]: {type(error).__name__}: {error}") from error
    _look_over(kind, entry, engine)
    return cast("Engine", engine)


def _look_over(kind: str, entry: EntryPoint, engine: Any) -> None:
    members = ("name", "open", "aclose", *_MEMBERS[kind])
    missing = [each for each in members if not hasattr(engine, each)]
    missing += [f"{each}()" for each in members if each in _METHODS and not callable(getattr(engine, each, len))]
    if missing:
        raise _fault(kind, entry, f"it is no {kind} engine: it lacks {', '.join(missing)}")
    if engine.name != entry.name:
        raise _fault(kind, entry, f"it calls itself {engine.name!r}; both names must be the same")


def _fault(kind: str, entry: EntryPoint, what: str) -> SettingsError:
    return SettingsError("the settings", f"{kind}.engines", f"{entry.name!r} of {_package(entry)}: {what}")


def _package(entry: EntryPoint) -> str:
    return f"the package {entry.dist.name} {entry.dist.version}" if entry.dist is not None else entry.value
