"""A caller who says nothing: asked, prompt by prompt, whether they are there, then told goodbye."""

from __future__ import annotations

from openclaw_actors.actors.floor import Floor
from openclaw_actors.actors.memory import Memory
from openclaw_actors.settings.sections import Calls

REASON = "silent_caller"


class SilentCaller:
    """One call's watch. It belongs to the Call, which looks once a second.

    Args:
        settings: after how long, and what is said.
        floor: who speaks.
        memory: whether anybody listens to the caller.
    """

    def __init__(self, settings: Calls, floor: Floor, memory: Memory) -> None:
        self._settings = settings
        self._floor = floor
        self._memory = memory
        self._prompted = 0
        self._understood = 0
        self._busy_at = 0.0

    def look(self, now: float) -> None:
        """Speak if it is time to: nobody does, nothing is on its way, and the caller would be heard."""
        floor, settings = self._floor, self._settings
        if floor.understood != self._understood:
            self._understood, self._prompted = floor.understood, 0
        if self._memory.deaf or not floor.is_idle:
            self._busy_at = now
        quiet_s = now - max(self._busy_at, floor.active_at)
        if not settings.silent_after_s or quiet_s < settings.silent_after_s:
            return
        if self._prompted < len(settings.silent_prompts):
            self._prompted += 1
            floor.speak(settings.silent_prompts[self._prompted - 1])
        elif settings.silent_goodbye:
            floor.say_goodbye(settings.silent_goodbye, REASON)
