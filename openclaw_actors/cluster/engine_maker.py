"""Which engines of a host are the cluster's, and how those are made. Imported where a cluster is up."""

from __future__ import annotations

import hashlib
import zlib

from openclaw_actors.cluster.engine_pool import Actor, EnginePool
from openclaw_actors.cluster.engine_ray import EngineActor, Wants
from openclaw_actors.cluster.engine_service import SharedKind
from openclaw_actors.cluster.engine_shared import SharedStt, SharedTts
from openclaw_actors.engines.protocols import Engine
from openclaw_actors.engines.recipes import RECIPES, EngineMaker, make_engine
from openclaw_actors.errors import SettingsError
from openclaw_actors.settings.plug_ins import plug_ins, section_of
from openclaw_actors.settings.sections import Settings, Stt, Tts

MOST_ACTORS = 8
"""Of one engine that one host asks, each host eight of its own: two choices need no more, and if 3,000 hosts each knew
400 actors, that were 1.2 million connections, and 120,000 greetings a second."""

_KINDS: tuple[SharedKind, ...] = ("stt", "tts")


def shared_engines(settings: Settings, host: str) -> EngineMaker:
    """What makes a host's engines, in place of recipes.make_engine: the cluster's where ``[cluster]`` says so.

    Args:
        settings: the host's.
        host: its name, by which it chooses its actors of many.

    Raises:
        SettingsError: an engine that is to be shared is none that there is.
    """
    known = {kind: {*RECIPES[kind], *(each.name for each in plug_ins(kind))} for kind in _KINDS}
    for name in settings.cluster.shared:
        if not any(name in names for names in known.values()):
            names = ", ".join(sorted(set().union(*known.values())))
            raise SettingsError("the settings", "cluster.shared", f"there is no engine {name!r}; known are {names}")

    def make(kind: str, name: str, settings: Settings) -> Engine:
        engine = make_engine(kind, name, settings)  # also where another is used: its settings' faults are found here
        if settings.cluster.engines and name in settings.cluster.shared:
            match kind:
                case "stt":
                    return SharedStt(name, _pool(kind, name, settings, host))
                case "tts":
                    return SharedTts(name, _pool(kind, name, settings, host))
        return engine

    return make


def _pool(kind: SharedKind, name: str, settings: Settings, host: str) -> EnginePool:
    cluster, own = settings.cluster, settings_for(kind, name, settings)
    label = label_of(kind, name, own)
    wants = Wants(cluster.engine_cpus, cluster.engine_gpus, cluster.engine_resource)

    async def find(number: int) -> Actor:
        return await EngineActor.find_or_make(f"{label} {number}", wants, (kind, name, own))

    return EnginePool(name, numbers_for(host, label, cluster.engines), find, str(wants))


def settings_for(kind: SharedKind, name: str, settings: Settings) -> Settings:
    """What an actor is told: the settings of its engine, of logs and watchdog; nothing, and no secret, of others."""
    stage: Stt | Tts = getattr(settings, kind)
    section = section_of(name)
    known = section in type(stage).model_fields
    own = {section: getattr(stage, section) if known else stage.plug_in(section)}
    return Settings.model_validate(
        {
            "logs": settings.logs,
            "supervision": settings.supervision,
            kind: type(stage).model_validate({"engines": (name,), **own}),
        }
    )


def label_of(kind: SharedKind, name: str, own: Settings) -> str:
    """What its actors are called. Hosts with other settings, as during a roll-out, have others of their own."""
    said = repr(getattr(own, kind)) + repr(own.logs)
    return f"{kind} {name} {hashlib.sha256(said.encode()).hexdigest()[:12]}"


def numbers_for(host: str, label: str, engines: int) -> tuple[int, ...]:
    """Which of so many actors a host asks: all, or MOST_ACTORS by rendezvous hashing: each has as many hosts."""
    order = sorted(range(engines), key=lambda number: zlib.crc32(f"{host} {label} {number}".encode()))
    return tuple(sorted(order[:MOST_ACTORS]))
