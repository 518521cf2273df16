"""What a call asks for comes first, then what the settings say of its agent, then the settings."""

from __future__ import annotations

from openclaw_actors.actors.profiles import complete, own_voice
from openclaw_actors.engines.protocols import Voice
from openclaw_actors.messages import CallProfile
from openclaw_actors.settings.sections import Agent, AgentProfile, OpenClaw

SUPPORT = AgentProfile(
    agent="support",
    voice="en-GB-SoniaNeural",
    language="en-GB",
    rate=1.2,
    greeting="Support, hello?",
    system_prompt="Be brief.",
)
SETTINGS = Agent(profiles=(SUPPORT, AgentProfile(agent="mute", greeting="")))


def test_a_call_to_an_agent_speaks_in_the_agents_voice():
    profile = complete(CallProfile(agent="support"), SETTINGS)

    assert own_voice(profile) == Voice("en-GB-SoniaNeural", "en-GB", 1.2, 0)
    assert (profile.greeting, profile.system_prompt) == ("Support, hello?", "Be brief.")


def test_what_the_call_asks_for_itself_comes_first():
    asked = CallProfile("support", "alloy", "de", 0.8, 5, "Hallo?", "Sei nett.")

    assert complete(asked, SETTINGS) == asked


def test_an_agent_without_a_profile_has_the_settings_own():
    assert complete(CallProfile(), SETTINGS) == CallProfile()
    assert complete(CallProfile(agent="mute"), SETTINGS).greeting == ""


def test_a_call_that_names_no_agent_has_the_profile_of_the_gateways_own():
    settings = SETTINGS.model_copy(update={"openclaw": OpenClaw(agent="support")})

    assert complete(CallProfile(), settings).voice == "en-GB-SoniaNeural"
