"""What a message waits for: hours, numbers that may be called, room, an agent; and what dead hosts leave behind."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from openclaw_actors.errors import RefusalError
from openclaw_actors.media.message_file import in_pieces, read_message, write_message
from openclaw_actors.settings.sections import Agent, NumberRoute, Numbers, OpenClaw
from openclaw_actors.testkit.providers.carrier.account import NUMBER
from tests.phone.conftest import PERSON
from tests.voicemail.conftest import (
    ANSWER,
    MAILBOX,
    WORDS,
    at,
    leave_message,
    seed,
    speak_after_tone,
    until_told_of,
    voicemail_host,
)


async def test_nobody_is_called_in_quiet_hours_in_a_night_in_which_clocks_change(message):
    quiet = {"quiet_hours": ("22:00-08:00",), "time_zone": "UTC", "time_zones": {"+1555": "Europe/Berlin"}}
    async with voicemail_host(voicemail=quiet) as phone:
        desk = phone.running.host.desk
        with at(datetime(2026, 3, 28, 23, 0, tzinfo=UTC).timestamp(), desk):  # midnight in Berlin
            voicemail_id = await leave_message(phone, message)
            waits = await until_told_of(phone, "callback.scheduled", voicemail_id)
            assert (waits.data["at"], waits.data["reason"]) == ("2026-03-29T06:00:00.000Z", "quiet_hours")
            record = await phone.client.voicemail(voicemail_id)
            assert (record["state"], record["next_attempt_at"]) == ("due", "2026-03-29T06:00:00.000Z")
            assert phone.twilio.calls == []
        with at(datetime(2026, 3, 29, 6, 0, 1, tzinfo=UTC).timestamp(), desk):  # eight, an hour earlier than before
            desk.rounds.look_again()
            await until_told_of(phone, "callback.completed", voicemail_id)


async def test_numbers_that_may_not_be_called_are_not(message):
    routes = {MAILBOX: NumberRoute(voicemail=True)}
    numbers = Numbers(allow_from=(PERSON,), routes=routes, outbound_per_hour=0)
    async with voicemail_host(numbers=numbers) as phone:
        voicemail_id = await leave_message(phone, message)
        waits = await until_told_of(phone, "callback.scheduled", voicemail_id)
        assert waits.data["reason"] == "hourly_cap"
        record = await phone.client.voicemail(voicemail_id)
        assert (record["state"], record["attempts"]) == ("due", 0)
        abroad = await seed(phone, "due", callback_to="+4915550100", transcript=WORDS, answer=ANSWER)
        failed = await until_told_of(phone, "callback.failed", abroad)
        assert failed.data["reason"] == "number_not_allowed"
        late = await seed(
            phone, "due", received_at="2026-01-01T00:00:00.000Z", transcript=WORDS, callback_to="+15550100009"
        )
        assert (await until_told_of(phone, "callback.failed", late)).data["reason"] == "too_old"
        assert phone.twilio.calls == []


async def test_a_full_mailbox_says_so_and_takes_nothing(message):
    async with voicemail_host(voicemail={"max_per_caller": 1, "mailbox_full": "No room."}) as phone:
        await leave_message(phone, message)
        async with phone.calls_in(callee=MAILBOX) as line:
            await line.wait_voice()
            await line.wait_over()
        await phone.waits.until(
            lambda _: [each for each in phone.told("call.ended") if each.data["reason"] == "mailbox_full"],
            10,
            "the end",
        )
        assert len((await phone.client.voicemails())["voicemails"]) == 1
        # What was kept is not the caller's alone to fill.
        spec = type("Spec", (), {"party": "+15550100044"})
        phone.running.host.desk.book._settings = phone.running.host.desk.book._settings.model_copy(
            update={"max_bytes": 1}
        )
        with pytest.raises(RefusalError, match="max_bytes"):
            await phone.running.host.desk.book.open_tape(spec)


async def test_an_agent_that_is_down_is_waited_for_and_its_callers_leave_messages(message):
    agent = Agent(engines=("openclaw", "parrot"), openclaw=OpenClaw(base_url="http://127.0.0.1:9/v1"))
    async with voicemail_host(agent=agent) as phone:
        async with phone.calls_in(callee=NUMBER) as line:  # the number at which the agent would answer
            await speak_after_tone(line, message)
        told = await phone.until_told("voicemail.transcribed")
        desk = phone.running.host.desk
        record = await phone.client.voicemail(told.data["voicemail_id"])
        assert record["state"] == "transcribed"
        assert desk.secretary.agent_is_down


async def test_what_dead_hosts_leave_is_taken_up(tmp_path):
    async with voicemail_host() as phone:
        desk = phone.running.host.desk
        once = await seed(phone, "asking", reason="once", transcript=WORDS, callback_to="+15550100021")
        await phone.waits.until(
            lambda _: [e for e in phone.told("voicemail.answered") if e.data["voicemail_id"] == once], 10, "an answer"
        )
        assert (await phone.client.voicemail(once))["answer"] == desk.settings.no_answer
        again = await seed(phone, "asking", reason="repeatable", transcript=WORDS, callback_to="+15550100022")
        await phone.waits.until(
            lambda _: [e for e in phone.told("voicemail.answered") if e.data["voicemail_id"] == again], 10, "an answer"
        )
        assert (await phone.client.voicemail(again))["answer"] == ANSWER

        # Nobody was dialled yet: no attempt was made. And of one that was dialled, the call is on record.
        undialled = await seed(phone, "dialling", attempts=1, answer=ANSWER, callback_to="+15550100023")
        started = await until_told_of(phone, "callback.started", undialled)
        assert started.data["attempt"] == 1
        dialled = await seed(
            phone, "dialling", attempts=1, answer=ANSWER, callback_to="+15550100024", callback_call_id="call_gone"
        )
        missed = await until_told_of(phone, "callback.missed", dialled)
        assert (missed.data["attempt"], missed.data["call_id"]) == (1, "call_gone")

        # Sound that was on its way to the disk is the message; without any there is none.
        sound = phone.running.host.desk.book._raw("vm_left")
        sound.write_bytes((8000 * np.sin(np.arange(32_000) * 0.3)).astype(np.int16).tobytes())
        await seed(phone, "recording", id="vm_left")
        empty = await seed(phone, "recording")
        kept = await phone.until_told("voicemail.received")
        assert (kept.data["voicemail_id"], kept.data["seconds"]) == ("vm_left", 2.0)
        assert not sound.exists()
        assert empty not in {each["id"] for each in (await phone.client.voicemails(limit=200))["voicemails"]}


def test_a_long_message_is_cut_in_its_pauses_and_nothing_of_it_is_lost(tmp_path: Path):
    rng = np.random.default_rng(7)
    speech = rng.integers(-9000, 9000, 60 * 16_000).astype(np.int16)
    for pause in (20, 41):
        speech[pause * 16_000 : pause * 16_000 + 4_000] = 0
    pieces = in_pieces(speech.tobytes())
    assert b"".join(pieces) == speech.tobytes()
    ends = np.cumsum([len(piece) / 32_000 for piece in pieces])
    assert [20 <= ends[0] <= 20.25, 41 <= ends[1] <= 41.25] == [True, True]
    size = write_message(speech.tobytes(), tmp_path / "a.ogg")
    assert size < 300_000
    assert abs(len(read_message((tmp_path / "a.ogg").read_bytes(), 120)) / 32_000 - 60) < 0.05
    assert len(read_message((tmp_path / "a.ogg").read_bytes(), 10)) == 320_000
    with pytest.raises(ValueError, match="WAV or an Ogg"):
        read_message(b"nothing", 10)
