"""What a call has of its own, completed by what the settings say of its agent."""

from __future__ import annotations

from dataclasses import replace

from openclaw_actors.engines.protocols import Voice
from openclaw_actors.messages import CallProfile
from openclaw_actors.settings.sections import Agent


def complete(profile: CallProfile, settings: Agent) -> CallProfile:
    """The profile; where it leaves something open, as ``agent.profiles`` has it for its agent."""
    agent = profile.agent or settings.openclaw.agent
    own = next((known for known in settings.profiles if known.agent == agent), None)
    if own is None:
        return profile
    return replace(
        profile,
        voice=profile.voice or own.voice,
        language=profile.language or own.language,
        rate=own.rate if profile.rate == 1 else profile.rate,
        pitch_hz=profile.pitch_hz or own.pitch_hz,
        greeting=own.greeting if profile.greeting is None else profile.greeting,
        system_prompt=profile.system_prompt or own.system_prompt,
    )


def own_voice(profile: CallProfile) -> Voice:
    """In whose voice its calls are answered."""
    return Voice(profile.voice, profile.language, profile.rate, profile.pitch_hz)
