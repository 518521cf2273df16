"""Steering a live call: what each action tells it, once, and what is refused."""

from __future__ import annotations

import base64
import io
import wave

import pytest

from openclaw_actors.api.actions import ACTIONS
from openclaw_actors.messages import (
    HangUp,
    Hold,
    Mute,
    PlayAudio,
    Record,
    SayText,
    SendDtmf,
    SendText,
    Silence,
    Unhold,
)
from openclaw_actors.settings.sections import Auth, Limits, ScopedToken
from tests.api.records import call_entry, commit


def wav(seconds: float = 0.1, rate: int = 8000) -> str:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(bytes(2 * int(seconds * rate)))
    return base64.b64encode(file.getvalue()).decode()


@pytest.fixture
async def live(api):
    api.board.calls["call_1"] = object()
    return api


def act(api, action: str, body: dict | None = None, call_id: str = "call_1", **more):
    return api.request("POST", f"/v1/calls/{call_id}/actions/{action}", json=body, **more)


@pytest.mark.parametrize(
    ("action", "body", "message"),
    [
        ("hangup", None, HangUp("api_hangup")),
        ("hangup", {}, HangUp("api_hangup")),
        ("say", {"text": " Good evening. "}, SayText("Good evening.")),
        ("interrupt", None, Silence()),
        ("mute", None, Mute(True)),
        ("unmute", None, Mute(False)),
        ("hold", None, Hold("music")),
        ("hold", {"sound": "tone"}, Hold("tone")),
        ("resume", None, Unhold()),
        ("send_dtmf", {"digits": "12w#"}, SendDtmf("12w#")),
        ("send_text", {"text": "What is the time?"}, SendText("What is the time?")),
        ("record_start", None, Record(True)),
        ("record_stop", None, Record(False)),
    ],
)
async def test_an_action_tells_the_call(live, action, body, message):
    async with act(live, action, body) as response:
        answer = await response.json()
        assert response.status == 202, answer
    assert live.board.told == [("call_1", message)]
    assert (answer["call_id"], answer["action"], answer["status"]) == ("call_1", action, "accepted")
    assert answer["command_id"].startswith("cmd_")


async def test_a_sound_of_ones_own_is_played(live):
    async with act(live, "play", {"audio": wav(), "name": "jingle"}) as response:
        assert response.status == 202, await response.text()
    ((_, message),) = live.board.told
    assert isinstance(message, PlayAudio)
    assert message.name == "jingle"
    assert len(message.pcm) / 2 / message.sample_rate == pytest.approx(0.1, abs=0.01)


async def test_a_sound_of_ours_is_played_by_its_name(live):
    async with act(live, "play", {"clip": "beep"}) as response:
        assert response.status == 202, await response.text()
    ((_, message),) = live.board.told
    assert message.name == "beep"
    assert message.pcm


@pytest.mark.parametrize("audio", ["!", "AAAA", base64.b64encode(b"RIFFjunk").decode(), wav(0)])
async def test_what_is_no_sound_is_refused(live, audio):
    async with act(live, "play", {"audio": audio}) as response:
        await live.problem(response, 422, "bad_sound")
    assert not live.board.told


async def test_a_sound_may_be_longer_than_other_bodies_and_has_a_limit_of_its_own(serve):
    async with serve(limits=Limits(body_bytes=32_768, play_bytes=100_000)) as api:
        api.board.calls["call_1"] = object()
        async with act(api, "play", {"audio": wav(4)}) as response:
            assert response.status == 202, await response.text()
        async with act(api, "play", {"audio": wav(6)}) as response:
            await api.problem(response, 413, "body_too_large")
        async with act(api, "say", {"text": "x", "command_id": "x" * 40_000}) as response:
            await api.problem(response, 413, "body_too_large")


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("say", {"text": ""}),
        ("say", {"text": " \t\u00a0"}),
        ("say", {"text": "nul \0"}),
        ("say", {"txt": "hello"}),
        ("send_text", {"text": None}),
        ("send_dtmf", {"digits": ""}),
        ("send_dtmf", {"digits": "12E"}),
        ("send_dtmf", {"digits": "1" * 65}),
        ("hold", {"sound": "jazz"}),
        ("play", {}),
        ("play", {"clip": "beep", "audio": "AAAA"}),
        ("mute", {"on": True}),
        ("mute", {"command_id": "two words"}),
        ("mute", {"command_id": ""}),
    ],
)
async def test_a_body_of_the_wrong_shape_is_refused(live, action, body):
    async with act(live, action, body) as response:
        await live.problem(response, 422, "invalid_fields")
    assert not live.board.told


async def test_a_clip_that_is_not_there_is_refused_with_those_that_are(live):
    async with act(live, "play", {"clip": "fanfare"}) as response:
        problem = await response.json(content_type=None)
    assert response.status == 422
    assert "beep" in problem["detail"]


@pytest.mark.parametrize(("action", "body"), [("say", None), ("send_dtmf", None), ("play", None)])
async def test_an_action_that_needs_more_is_refused_without_a_body(live, action, body):
    async with act(live, action, body) as response:
        await live.problem(response, 400, "no_body")


async def test_what_the_transport_can_not_do_is_refused_as_such(live):
    async with act(live, "transfer", {"to": "+15550100001"}) as response:
        await live.problem(response, 422, "not_supported_on_transport")


async def test_an_action_that_there_is_not_is_404(live):
    async with act(live, "explode") as response:
        await live.problem(response, 404, "not_found")


BODIES = {
    "say": {"text": "x"},
    "send_text": {"text": "x"},
    "send_dtmf": {"digits": "1"},
    "play": {"clip": "beep"},
    "transfer": {"to": "+15550100001"},
}


@pytest.mark.parametrize("action", [each.name for each in ACTIONS])
async def test_a_call_that_is_over_is_told_from_one_that_never_was(api, action):
    await commit(api.store, call_entry("call_1"))
    async with act(api, action, BODIES.get(action)) as response:
        await api.problem(response, 409, "call_ended")
    async with act(api, action, BODIES.get(action), call_id="call_0") as response:
        await api.problem(response, 404, "no_such_call")


async def test_a_call_that_ends_at_this_very_moment_is_over(live):
    live.board.ending.add("call_1")
    async with act(live, "mute") as response:
        await live.problem(response, 409, "call_ended")


# --- once -------------------------------------------------------------------------------------------------------------


async def test_a_command_is_done_once_and_answered_each_time(live):
    answers = []
    for _ in range(3):
        async with act(live, "say", {"text": "Hello.", "command_id": "c1"}) as response:
            assert response.status == 202
            answers.append((await response.json(), response.headers.get("Idempotent-Replayed")))
    assert live.board.told == [("call_1", SayText("Hello."))]
    assert [replayed for _, replayed in answers] == [None, "true", "true"]
    assert answers[0][0] == answers[1][0] == answers[2][0]
    assert answers[0][0]["command_id"] == "c1"


async def test_without_a_command_id_it_is_done_each_time(live):
    for _ in range(2):
        async with act(live, "say", {"text": "Hello."}) as response:
            assert response.status == 202
    assert len(live.board.told) == 2


@pytest.mark.parametrize(("action", "body"), [("say", {"text": "Bye."}), ("send_text", {"text": "Hello."})])
async def test_a_command_id_is_for_one_command(live, action, body):
    async with act(live, "say", {"text": "Hello.", "command_id": "c1"}) as response:
        assert response.status == 202
    async with act(live, action, {**body, "command_id": "c1"}) as response:
        await live.problem(response, 422, "command_conflict")


async def test_calls_and_clients_have_their_own_command_ids(serve):
    tokens = Auth(
        tokens=("everything",),
        scoped_tokens=(ScopedToken(name="other", token="other-token", scopes=("call:control",)),),
    )
    async with serve(auth=tokens) as api:
        for call_id in ("call_1", "call_2"):
            api.board.calls[call_id] = object()
            for token in ("everything", "other-token"):
                headers = {"Authorization": f"Bearer {token}"}
                async with act(api, "mute", {"command_id": "c1"}, call_id, headers=headers) as response:
                    assert response.status == 202
        assert len(api.board.told) == 4


async def test_a_refused_command_may_be_sent_again(live):
    live.board.ending.add("call_1")
    async with act(live, "mute", {"command_id": "c1"}) as response:
        assert response.status == 409
    live.board.ending.clear()
    async with act(live, "mute", {"command_id": "c1"}) as response:
        assert response.status == 202
