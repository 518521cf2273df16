"""A caller leaves a message; it is understood, answered, and the answer is brought to them."""

from __future__ import annotations

from openclaw_actors.media.clips import read_clip
from openclaw_actors.testkit.providers.carrier.script import Script
from tests.phone.conftest import PERSON
from tests.voicemail.conftest import (
    ANSWER,
    MAILBOX,
    WORDS,
    answered_message,
    leave_message,
    told_of,
    until_told_of,
    voicemail_host,
)


async def test_a_message_is_kept_understood_answered_and_its_caller_hears_the_answer(message):
    async with voicemail_host() as phone:
        phone.twilio.scripts[PERSON] = Script(answered_by="human", verdict_s=0.1)
        voicemail_id = await leave_message(phone, message)
        done = await until_told_of(phone, "callback.completed", voicemail_id)
        assert done.data["result"] == "reached"
        call_id = done.data["call_id"]
        await phone.until_told("callback.spoken", call_id)
        assert phone.said(call_id) == f"Hello again. {ANSWER}"
        (dialled,) = phone.twilio.calls
        assert (dialled.form["To"], dialled.form["From"]) == (PERSON, MAILBOX)
        assert dialled.form["MachineDetection"] == "DetectMessageEnd"

        record = await phone.client.voicemail(voicemail_id)
        assert (record["state"], record["reason"], record["attempts"]) == ("done", "reached", 1)
        assert (record["from"], record["to"], record["transcript"]) == (PERSON, MAILBOX, WORDS)
        assert record["answer"] == ANSWER
        clip = read_clip(await phone.client.voicemail_audio(voicemail_id))
        assert abs(clip.seconds - len(message.pcm) / 32_000) < 1.5
        kinds = [each.type for each in phone.events if each.type.startswith(("voicemail.", "callback."))]
        assert kinds[:4] == [
            "voicemail.received", "voicemail.transcribed", "voicemail.answered", "callback.started",
        ]  # fmt: skip


async def test_busy_no_answer_and_the_third_attempt_leaves_it_on_a_machine(message):
    async with voicemail_host() as phone:
        phone.twilio.scripts[PERSON] = Script(outcome="busy")
        voicemail_id = await answered_message(phone, message)
        await phone.client.call_back(voicemail_id)
        await until_told_of(phone, "callback.missed", voicemail_id)
        phone.twilio.scripts[PERSON] = Script(outcome="no-answer", ring_s=0.01)
        await phone.waits.until(lambda _: len(told_of(phone, "callback.missed", voicemail_id)) == 2, 30, "two missed")
        phone.twilio.scripts[PERSON] = Script(answered_by="machine_end_beep", verdict_s=0.3)
        done = await until_told_of(phone, "callback.completed", voicemail_id)
        assert done.data["result"] == "left"
        assert phone.said(done.data["call_id"]).endswith(f"Hello again. {ANSWER}")
        missed = told_of(phone, "callback.missed", voicemail_id)
        assert [(each.data["attempt"], each.data["reason"]) for each in missed] == [(1, "busy"), (2, "no_answer")]
        assert len(phone.twilio.calls) == 3
        assert (await phone.client.voicemail(voicemail_id))["attempts"] == 3
