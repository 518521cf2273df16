"""Does an engine hold? The suite that built-in engines pass, for authors of others.

``stt.py``, ``agent.py`` and ``tts.py`` hold the checks, plain coroutines; ``suites.py`` is their pytest face. Not here:
what an engine says or hears, which is its author's to test.
"""

from openclaw_actors.testkit.conformance.bench import Bench, ConformanceError
from openclaw_actors.testkit.conformance.faults import Faults, NotOfferedError

__all__ = [
    "AgentConformance",
    "Bench",
    "ConformanceError",
    "Faults",
    "NotOfferedError",
    "SttConformance",
    "TtsConformance",
]


def __getattr__(name: str) -> type:
    """The suites, imported only when they are asked for: the checks themselves need no pytest."""
    if name in __all__:
        from openclaw_actors.testkit.conformance import suites  # noqa: PLC0415 - see above

        return getattr(suites, name)  # type: ignore[no-any-return]  # a module's attributes are Any
    raise AttributeError(name)
