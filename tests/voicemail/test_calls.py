"""Who calls while an answer is due, messages that belong together, and what the API does with them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from pathlib import Path

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from openclaw_actors.cli.main import app
from openclaw_actors.client import ApiError
from openclaw_actors.media.clips import read_clip
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.providers.carrier.account import NUMBER
from openclaw_actors.testkit.providers.carrier.line import Line
from openclaw_actors.testkit.providers.carrier.script import Script
from openclaw_actors.testkit.waiting import CallEndedError
from tests.phone.conftest import API_TOKEN, PERSON, PhoneHost, fresh
from tests.voicemail.conftest import (
    ANSWER,
    MAILBOX,
    WORDS,
    answered_message,
    leave_message,
    speak_after_tone,
    until_told_of,
    voicemail_host,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_host():
    async with voicemail_host(voicemail={"call_back_after_s": 3600, "attempts": 1}) as host:
        yield host


@pytest_asyncio.fixture(loop_scope="module")
async def phone(one_host):
    async with fresh(one_host) as host:
        yield host
    async with asyncio.timeout(20):
        while messages := (await one_host.client.voicemails(limit=200))["voicemails"]:
            for each in messages:
                with contextlib.suppress(ApiError):  # a step that was begun is done to its end
                    await one_host.client.erase_voicemail(each["id"])
            await asyncio.sleep(0.05)
    one_host.events.clear()


async def until_due(phone: PhoneHost, voicemail_id: str) -> None:
    await phone.waits.until(
        lambda _: [each for each in phone.told("voicemail.answered") if each.data["voicemail_id"] == voicemail_id],
        20,
        "an answer",
    )


async def test_two_messages_of_one_caller_are_answered_in_one_call(phone, message):
    first = await answered_message(phone, message)
    second = await leave_message(phone, message)
    await until_due(phone, second)
    await phone.client.call_back(second, message="The second answer.", now=True)
    done = await until_told_of(phone, "callback.completed", first)
    assert done.data["voicemail_ids"] == [first, second]
    await phone.until_told("callback.spoken", done.data["call_id"])
    assert phone.said(done.data["call_id"]) == f"Hello again. {ANSWER} The second answer."
    assert len(phone.twilio.calls) == 1


async def test_who_rings_in_hears_the_answer_and_is_not_called(phone, message):
    voicemail_id = await answered_message(phone, message)
    async with phone.calls_in(callee=NUMBER) as line:
        done = await until_told_of(phone, "callback.completed", voicemail_id)
        await line.wait_voice()
    assert done.data["result"] == "rang_in"
    assert phone.said(done.data["call_id"]).startswith(f"Hello again. {ANSWER}")
    assert (await phone.client.voicemail(voicemail_id))["reason"] == "rang_in"
    assert phone.twilio.calls == []


async def test_who_rings_in_while_their_phone_rings_is_answered_and_the_ringing_ends(phone, message):
    phone.twilio.scripts[PERSON] = Script(ring_s=30)
    voicemail_id = await answered_message(phone, message)
    await phone.client.call_back(voicemail_id, now=True)
    rings = await phone.twilio.placed()
    await until_told_of(phone, "callback.started", voicemail_id)
    await phone.until_told("call.ringing")
    async with phone.calls_in(callee=NUMBER):
        done = await until_told_of(phone, "callback.completed", voicemail_id)
    assert done.data["result"] == "rang_in"
    await rings.over.wait()
    assert rings.status == "canceled"
    assert phone.twilio.calls == [rings]


async def test_an_agent_that_talks_to_a_caller_again_knows_their_message(phone, message):
    phone.twilio.scripts[PERSON] = Script(answered_by="human")
    voicemail_id = await answered_message(phone, message)
    await phone.client.call_back(voicemail_id, now=True)
    (call,) = [await phone.until_told("callback.started")]
    spec = phone.running.host.switchboard._actor_weakref()._calls[call.data["call_id"]].ref._actor_weakref().spec
    assert [line.text for line in spec.history] == [WORDS]
    assert f"«{ANSWER}»" in spec.profile.context
    await until_told_of(phone, "callback.completed", voicemail_id)


async def test_a_message_can_be_left_from_a_browser_and_is_heard_again(phone, message):
    async with Caller(phone.running.url, API_TOKEN, mode="voicemail") as caller:
        await caller.wait_voice()
        await caller.wait_silence()
        await caller.say(message)
    told = await phone.until_told("voicemail.answered")
    record = await phone.client.voicemail(told.data["voicemail_id"])
    assert (record["state"], record["reason"], record["transcript"]) == ("kept", "no_number", WORDS)
    assert record["transport"] == "webrtc"
    sound = read_clip(await phone.client.voicemail_audio(record["id"]))
    assert 0 < sound.seconds - len(message.pcm) / 32_000 < 1.5


async def test_a_key_ends_a_message_and_a_caller_who_says_nothing_leaves_none(phone, message):
    async with phone.calls_in(callee=MAILBOX) as line:
        await speak_after_tone(line, message)
        await line.press("#")
        await line.wait_over()
    assert (await phone.until_told("call.ended")).data["reason"] == "message_taken"
    await phone.until_told("voicemail.received")
    phone.events.clear()
    async with phone.calls_in(callee=MAILBOX) as line:
        await line.wait_over(15)
    assert (await phone.until_told("call.ended")).data["reason"] == "message_taken"
    assert phone.told("voicemail.received") == []
    assert len((await phone.client.voicemails())["voicemails"]) == 1


async def test_somebody_is_called_for_their_message(phone, message):
    call = await phone.client.place(PERSON, mode="voicemail", message="What do you want?")
    line = await (await phone.twilio.placed()).answered()
    await speak_after_tone(line, message)
    await line.hang_up()
    told = await phone.until_told("voicemail.received")
    assert (told.data["call_id"], told.data["from"], told.data["to"]) == (call["id"], PERSON, NUMBER)


async def test_a_full_or_draining_host_takes_messages_in_place_of_calls(phone, message):
    host = phone.running.host
    limit, capacity = host.places.limit, host.places._capacity
    host.places.limit, host.places._capacity = 0, None  # it would else be found out from the machine
    try:
        voicemail_id = await leave_message(phone, message, callee=NUMBER)
    finally:
        host.places.limit, host.places._capacity = limit, capacity
    await phone.client.drain()
    try:
        other = await leave_message(phone, message, callee=NUMBER)
    finally:
        await phone.client.drain(on=False)
    assert voicemail_id != other


async def test_what_this_host_can_not_hear_the_carrier_records_and_forgets(phone, message):
    host = phone.running.host
    host.places.closing = host.places.ending = True
    try:
        line = Line(phone.twilio.exchange, PERSON, NUMBER)
        line.message = message
        with pytest.raises(CallEndedError):
            await line.dial()
        told = await phone.until_told("voicemail.transcribed")
    finally:
        host.places.closing = host.places.ending = False
    assert line.said == ["Speak now."]
    assert line.recorded is not None
    assert line.recorded.attributes["maxLength"] == "120"
    record = await phone.client.voicemail(told.data["voicemail_id"])
    assert (record["from"], record["to"]) == (PERSON, NUMBER)
    sound = read_clip(await phone.client.voicemail_audio(record["id"]))
    assert abs(sound.seconds - len(message.pcm) / 32_000) < 0.2
    assert [each for each in phone.twilio.requests if each[0] == "DELETE"]
    assert phone.twilio.exchange.recordings == {}


async def test_messages_are_listed_called_back_and_erased(phone, message):
    voicemail_id = await answered_message(phone, message)
    page = await phone.client.voicemails(state="due", from_=PERSON)
    assert [each["id"] for each in page["voicemails"]] == [voicemail_id]
    assert page["voicemails"][0]["next_attempt_at"] is not None
    with pytest.raises(ApiError, match="number_not_allowed"):
        await phone.client.call_back(voicemail_id, to="+4915550100")
    phone.twilio.scripts[PERSON] = Script(outcome="busy")
    await phone.client.call_back(voicemail_id, now=True)
    failed = await until_told_of(phone, "callback.failed", voicemail_id)
    assert failed.data["reason"] == "busy"
    sound = phone.running.host.desk.book.sound(voicemail_id)
    assert sound.stat().st_mode & 0o77 == 0
    await phone.client.erase_voicemail(voicemail_id)
    assert not sound.exists()
    for gone in (phone.client.voicemail, phone.client.voicemail_audio, phone.client.erase_voicemail):
        with pytest.raises(ApiError, match="no_such_voicemail"):
            await gone(voicemail_id)
    await phone.until_told("voicemail.erased")
    kept = await phone.running.host.store.events(None, limit=100_000)
    of_none = [each.type for each in kept if not each.call_id and voicemail_id in str(each.data)]
    assert of_none == ["voicemail.erased"]


async def test_the_commands_list_show_keep_call_back_and_delete_a_message(phone, message, tmp_path):
    voicemail_id = await answered_message(phone, message)
    phone.twilio.scripts[PERSON] = Script(outcome="busy")
    shell, environ = CliRunner(), {"OPENCLAW_ACTORS_URL": phone.running.url, "OPENCLAW_ACTORS_TOKEN": API_TOKEN}

    async def run(*words: str) -> str:
        result = await asyncio.to_thread(shell.invoke, app, list(words), env=environ)
        assert result.exit_code == 0, result.output
        return result.stdout  # and what the host, which is in this process, has logged meanwhile

    listed = await run("voicemails", "--from", PERSON, "--json")
    found = json.loads(listed[listed.index("{\n") : listed.rindex("\n}") + 2])
    assert [each["id"] for each in found["voicemails"]] == [voicemail_id]
    assert WORDS in await run("voicemails", "--state", "due")
    assert ANSWER in await run("voicemail", "show", voicemail_id)
    await run("voicemail", "play", voicemail_id, "--out", str(tmp_path / "message.ogg"))
    assert (tmp_path / "message.ogg").read_bytes().startswith(b"OggS")
    assert PERSON in await run("voicemail", "callback", voicemail_id, "--now", "--message", "It is booked.")
    await until_told_of(phone, "callback.failed", voicemail_id)
    assert (await phone.client.voicemail(voicemail_id))["answer"] == "It is booked."
    await run("voicemail", "delete", voicemail_id, "--yes")
    assert "no messages" in await run("voicemails")


async def test_the_page_s_program_tries_again_for_who_could_not_be_reached(phone, message):
    page = (Path(__file__).parents[2] / "docs" / "voicemail.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    voicemail_id = await answered_message(phone, message)
    phone.twilio.scripts[PERSON] = Script(outcome="busy")
    await phone.client.call_back(voicemail_id, now=True)
    await until_told_of(phone, "callback.failed", voicemail_id)
    phone.twilio.scripts[PERSON] = Script(answered_by="human")
    names: dict = {}
    exec(compile(code, "voicemail.md", "exec"), names)
    assert await names["unanswered"](phone.running.url, API_TOKEN) == [f"{PERSON}: {WORDS}"]
    done = await until_told_of(phone, "callback.completed", voicemail_id)
    assert done.data["result"] == "reached"
