"""An OpenClaw Gateway and edge-tts, as faithful local servers, fail in a live call."""

from __future__ import annotations

import edge_tts
import pytest
from pydantic import SecretStr

from openclaw_actors.actors.own_voice import NO_ANSWER
from openclaw_actors.settings.sections import Agent, OpenClaw, Server, Settings, Stt, Tts
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.chaos.bench import PATIENT, words
from openclaw_actors.testkit.host import running_host
from openclaw_actors.testkit.providers.edge import EdgeFault, FakeEdge
from openclaw_actors.testkit.providers.gateway import TOKEN, FakeGateway
from openclaw_actors.testkit.providers.plan import Fault

ANSWER = ("The tower ", "is open. ", "You may ", "come ", "until ten.")


@pytest.fixture
async def gateway():
    async with FakeGateway(*ANSWER) as server:
        yield server


@pytest.fixture
async def edge(monkeypatch):
    async with FakeEdge() as server:
        monkeypatch.setattr(edge_tts.communicate, "WSS_URL", server.endpoint)
        yield server


@pytest.fixture
async def caller(gateway, edge):
    """A call on both; what the caller asks is typed, as these tests are about what comes back."""
    settings = Settings(
        server=Server(port=0),
        supervision=PATIENT.model_copy(update={"first_audio_s": 1.0, "gateway_first_token_s": 1.0}),
        stt=Stt(engines=("pocketsphinx",)),
        agent=Agent(
            engines=("openclaw", "parrot"),
            greeting="",
            openclaw=OpenClaw(base_url=gateway.base_url, token=SecretStr(TOKEN), warm=False),
        ),
        tts=Tts(engines=("edge-tts", "espeak-ng")),
    )
    async with running_host(settings) as running, Caller(running.url) as calling:
        yield calling


async def answer(caller: Caller, question: str, *ends: str) -> str:
    """What the agent says to a question, up to one of these ends."""
    said = len(caller.transcript)

    def spoken() -> str:
        return " ".join(line.text for line in caller.transcript[said:] if line.role == "agent")

    caller.send("text", text=question)
    await caller.wait_event("call.transcript", lambda _: spoken().endswith(ends), 20)
    return spoken()


async def test_a_gateway_whose_answer_breaks_off_is_not_asked_again_and_its_next_is_told_what_was_heard(
    caller, gateway
):
    gateway.fail(Fault("error", after=3))
    broken = await answer(caller, "Is the tower open?", NO_ANSWER)
    assert broken.startswith("The tower is open.")
    assert words(await answer(caller, "Until when?", "until ten.")) == words("".join(ANSWER))
    assert [run.body["messages"][-1]["content"] for run in gateway.runs] == ["Is the tower open?", "Until when?"]


async def test_a_gateway_that_hangs_is_given_up_with_an_apology_and_serves_the_next_question(caller, gateway):
    gateway.fail(Fault("hang"))
    assert NO_ANSWER in await answer(caller, "Is the tower open?", NO_ANSWER)
    assert words(await answer(caller, "And now?", "until ten.")) == words("".join(ANSWER))
    assert len(gateway.runs) == 2


async def test_a_gateway_that_is_gone_leaves_the_question_to_the_next_agent(caller, gateway):
    await gateway.stop()
    assert await answer(caller, "Is the tower open?", "open?") == "You said: Is the tower open?"


@pytest.mark.parametrize(
    "fault",
    [EdgeFault("drop", after=1), EdgeFault("hang", after=1)],
    ids=lambda fault: fault.kind,
)
async def test_a_voice_of_edge_tts_that_fails_once_says_every_word_once(caller, edge, fault):
    edge.fail(fault)
    assert words(await answer(caller, "Is the tower open?", "until ten.")) == words("".join(ANSWER))
