"""How each engine is made: the list of ids that the settings may name, beside those of installed plug-ins."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from openclaw_actors.engines.plug_ins import make_plug_in
from openclaw_actors.engines.protocols import Engine
from openclaw_actors.errors import SettingsError
from openclaw_actors.settings.plug_ins import plug_ins
from openclaw_actors.settings.sections import Settings


@dataclass(frozen=True, slots=True)
class Recipe:
    """Where an engine's class is, and what of the settings it is given. Imported only when it is named."""

    where: str
    """``module:class``, below openclaw_actors.engines."""
    arguments: Callable[[Settings], tuple[Any, ...]]


RECIPES: Mapping[str, Mapping[str, Recipe]] = {
    "stt": {
        "faster-whisper": Recipe("stt.faster_whisper:FasterWhisperEngine", lambda s: (s.stt.faster_whisper,)),
        "openai": Recipe("stt.openai:OpenAiSttEngine", lambda s: (s.stt.openai,)),
        "openai-realtime": Recipe("stt.openai_realtime:OpenAiRealtimeEngine", lambda s: (s.stt.openai_realtime,)),
        "pocketsphinx": Recipe("stt.pocketsphinx:PocketSphinxEngine", lambda _: ()),
    },
    "agent": {
        "openclaw": Recipe(
            "agent.openclaw:OpenClawEngine",
            lambda s: (s.agent.openclaw, s.supervision.gateway_first_token_s, s.agent.transfer_to),
        ),
        "openai": Recipe("agent.openai:OpenAiAgentEngine", lambda s: (s.agent.openai, s.agent.transfer_to)),
        "parrot": Recipe("agent.parrot:ParrotEngine", lambda _: ()),
    },
    "tts": {
        "edge-tts": Recipe("tts.edge_tts:EdgeTtsEngine", lambda s: (s.tts.edge_tts,)),
        "openai": Recipe("tts.openai:OpenAiTtsEngine", lambda s: (s.tts.openai,)),
        "edge-tts-service": Recipe("tts.edge_tts_service:EdgeTtsServiceEngine", lambda s: (s.tts.edge_tts_service,)),
        "piper": Recipe("tts.piper:PiperEngine", lambda s: (s.tts.piper,)),
        "espeak-ng": Recipe("tts.espeak_ng:EspeakNgEngine", lambda s: (s.tts.espeak_ng,)),
    },
}


EngineMaker = Callable[[str, str, Settings], Engine]
"""What ``make_engine`` is: from kind, id and settings to an engine that is not open yet."""


def make_engine(kind: str, name: str, settings: Settings) -> Engine:
    """An engine, not yet opened.

    Raises:
        SettingsError: no engine of this kind has that name, or the plug-in that has can't be used.
    """
    recipe = RECIPES[kind].get(name)
    if recipe is None:
        plug_in = make_plug_in(kind, name, getattr(settings, kind))
        if plug_in is not None:
            return plug_in
        known = ", ".join(dict.fromkeys([*RECIPES[kind], *(each.name for each in plug_ins(kind))]))
        raise SettingsError("the settings", f"{kind}.engines", f"there is no engine {name!r}; known are {known}")
    module, _, class_name = recipe.where.partition(":")
    maker = getattr(importlib.import_module(f"openclaw_actors.engines.{module}"), class_name)
    return cast("Engine", maker(*recipe.arguments(settings)))
