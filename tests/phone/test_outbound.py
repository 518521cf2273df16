"""The host calls somebody: every way in which that goes."""

from __future__ import annotations

import asyncio
from secrets import token_hex

import numpy as np
import pytest
import pytest_asyncio

from openclaw_actors.client import ApiError
from openclaw_actors.errors import StoreUnavailableError
from openclaw_actors.observability import metrics
from openclaw_actors.settings.sections import Numbers
from openclaw_actors.testkit.ear import HEARD_RATE
from openclaw_actors.testkit.providers.carrier.account import NUMBER
from openclaw_actors.testkit.providers.carrier.script import RestFault, Script
from tests.calls.conftest import QUESTION, words
from tests.media.test_tones import detected
from tests.phone.conftest import GREETING, PERSON, fresh, phone_host

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_host():
    async with phone_host(numbers=Numbers(allow_from=(PERSON,), outbound_per_hour=1000)) as host:
        yield host


@pytest_asyncio.fixture(loop_scope="module")
async def phone(one_host):
    async with fresh(one_host) as host:
        yield host


def ended_total(outcome: str, reason: str) -> float:
    return metrics.calls_ended_total.labels("twilio", "outbound", outcome, reason)._value.get()


async def test_a_person_who_is_called_hears_the_agent_and_is_answered(phone, flite):
    question = flite(QUESTION)
    call = await phone.client.place(PERSON, metadata={"order": 7})
    assert (call["transport"], call["direction"], call["from"], call["to"]) == ("twilio", "outbound", NUMBER, PERSON)
    dialled = await phone.twilio.placed()
    line = await dialled.answered()
    await line.wait_voice()
    await line.wait_silence()
    await line.ask(question)
    await line.wait_silence()
    assert "weather" in words(phone.said(call["id"], "user"))
    assert phone.said(call["id"]).startswith(f"{GREETING} You said: ")
    record = await phone.client.call(call["id"])
    assert (record["status"], record["carrier_call_id"], record["metadata"]) == (
        "in-progress",
        dialled.sid,
        {"order": 7},
    )
    await line.hang_up()
    assert await phone.outcome(call["id"]) == ("completed", "caller_hangup")
    assert phone.kinds(call["id"])[:4] == ["call.queued", "call.initiated", "call.ringing", "call.answered"]


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        (Script(outcome="busy"), ("busy", "busy")),
        (Script(outcome="no-answer", ring_s=0.01), ("no-answer", "no_answer")),
        (Script(outcome="failed", error_code="13227"), ("failed", "carrier_failed:13227")),
        (Script(outcome="busy", repeats=True, late_ringing=True), ("busy", "busy")),
        (Script(outcome="no-answer", ring_s=0.01, repeats=True), ("no-answer", "no_answer")),
    ],
    ids=["busy", "no answer", "failed", "busy, out of order and twice", "no answer, twice"],
)
async def test_a_call_that_comes_to_nothing_is_an_outcome_and_no_error(phone, script, outcome):
    phone.twilio.scripts[PERSON] = script
    reason = outcome[1].partition(":")[0]
    before = ended_total(outcome[0], reason)
    call = await phone.client.place(PERSON)
    assert await phone.outcome(call["id"]) == outcome
    assert ended_total(outcome[0], reason) == before + 1
    assert "call.answered" not in phone.kinds(call["id"])
    assert all(reply is not None and reply.status == 200 for _, _, reply in phone.twilio.calls[0].callbacks)


async def test_callbacks_that_are_repeated_and_late_do_not_bring_a_call_back(phone):
    phone.twilio.scripts[PERSON] = Script(repeats=True, late_ringing=True)
    call = await phone.client.place(PERSON)
    dialled = await phone.twilio.placed()
    line = await dialled.answered()
    await phone.until_told("call.answered", call["id"])
    await line.hang_up()
    assert await phone.outcome(call["id"]) == ("completed", "caller_hangup")
    await dialled.told()  # the last was "ringing"
    assert phone.kinds(call["id"]) == ["call.queued", "call.initiated", "call.answered", "call.ended"]
    updates = [path for method, path in phone.twilio.requests if method == "POST" and dialled.sid in path]
    assert not updates, "a call that is over is not hung up once more"


async def test_a_call_is_canceled_while_it_rings(phone):
    phone.twilio.scripts[PERSON] = Script(ring_s=30)
    call = await phone.client.place(PERSON)
    await phone.until_told("call.ringing", call["id"])
    assert (await phone.client.call(call["id"]))["status"] == "ringing"
    await phone.client.hangup(call["id"])
    assert await phone.outcome(call["id"]) == ("canceled", "api_hangup")
    dialled = await phone.twilio.placed()
    assert dialled.status == "canceled"


async def test_a_call_that_is_hung_up_before_the_carrier_has_answered_is_hung_up_there_too(phone):
    release = phone.twilio.hold()
    phone.twilio.scripts[PERSON] = Script(ring_s=30, mute=True)
    placing = asyncio.create_task(phone.client.place(PERSON))
    dialled = await phone.twilio.placed()
    (call_id,) = phone.running.host.places.running
    await phone.client.hangup(call_id)
    release()
    await placing
    assert await phone.outcome(call_id) == ("canceled", "api_hangup")
    await asyncio.wait_for(dialled.over.wait(), 5)
    assert dialled.status == "canceled"


async def test_keys_are_sent_in_our_voice_and_heard_from_theirs(phone):
    call = await phone.client.place(PERSON, message="Hi.")
    dialled = await phone.twilio.placed()
    line = await dialled.answered()
    await line.wait_voice()
    await line.wait_silence()
    before = len(line.heard.recording())
    await phone.client.send_dtmf(call["id"], "19#")
    sent = await phone.until_told("call.dtmf", call["id"])
    assert (sent.data["digits"], sent.data["direction"]) == ("19#", "out")
    heard = np.frombuffer(line.heard.recording()[before:], np.int16).astype(float)
    assert detected(heard, HEARD_RATE) == "19#"
    await line.press("42#")
    (received,) = await phone.waits.until(
        lambda _: [each for each in phone.told("call.dtmf") if each.data["direction"] == "in"], 5, "keys"
    )
    assert received.data["digits"] == "42"


async def test_a_transferred_caller_talks_with_the_other_and_the_call_is_over_here(phone):
    call = await phone.client.place(PERSON)
    dialled = await phone.twilio.placed()
    line = await dialled.answered()
    await phone.until_told("call.answered", call["id"])
    await phone.client.transfer(call["id"], "+15550100009")
    assert await phone.outcome(call["id"]) == ("completed", "transferred")
    await line.wait_over()
    assert line.dialled == "+15550100009"
    assert line.dial_attributes == {"callerId": NUMBER, "timeLimit": "1800"}


async def test_a_transfer_that_twilio_refuses_leaves_the_call_where_it_is(phone):
    call = await phone.client.place(PERSON)
    await (await phone.twilio.placed()).answered()
    await phone.until_told("call.answered", call["id"])
    phone.twilio.fail(RestFault(400, 21214, "To number cannot be reached"))
    await phone.client.transfer(call["id"], "+15550100009")
    failed = await phone.until_told("call.transfer_failed")
    assert (failed.data["to"], failed.data["code"]) == ("+15550100009", "carrier_refused")
    assert "21214" in failed.data["detail"]
    assert (await phone.client.call(call["id"]))["status"] == "in-progress"


async def test_a_transfer_to_a_number_that_may_not_be_called_is_refused(phone):
    call = await phone.client.place(PERSON)
    await (await phone.twilio.placed()).answered()
    with pytest.raises(ApiError, match="number_not_allowed") as refused:
        await phone.client.transfer(call["id"], "+4915550100009")
    assert refused.value.status == 403
    assert (await phone.client.call(call["id"]))["status"] == "in-progress"


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "status", "code"),
    [
        ({"to": "+4915550100001"}, 403, "number_not_allowed"),
        ({"to": NUMBER}, 403, "own_number"),
        ({"to": PERSON, "from_": "+15550100077"}, 422, "from_not_ours"),
        ({"to": PERSON, "mode": "notify"}, 422, "message_missing"),
        ({"to": PERSON, "mode": "voicemail"}, 422, "voicemail_off"),
    ],
    ids=["another country", "its own number", "from a stranger's number", "no message", "no voicemail"],
)
async def test_what_may_not_be_called_is_refused_with_its_reason(phone, order, status, code):
    with pytest.raises(ApiError, match=code) as refused:
        await phone.client.place(**order)
    assert refused.value.status == status
    assert not phone.twilio.requests, "Twilio hears nothing of it"
    assert not phone.events


async def test_the_hourly_cap_holds_and_says_when_it_ends():
    async with phone_host(numbers=Numbers(outbound_per_hour=2)) as phone:
        phone.twilio.scripts[PERSON] = Script(outcome="busy")
        for _ in range(2):
            call = await phone.client.place(PERSON)
            await phone.until_told("call.ended", call["id"])
        with pytest.raises(ApiError, match="hourly_cap") as refused:
            await phone.client.place(PERSON)
        assert refused.value.status == 429
        assert len(phone.twilio.calls) == 2


@pytest.mark.parametrize(
    ("fault", "status", "code", "words"),
    [
        (RestFault(401, 20003, "Authenticate"), 502, "carrier_refused", "twilio.auth_token"),
        (RestFault(429, 20429, "Too Many Requests"), 503, "carrier_busy", "wait"),
        (RestFault(400, 21211, "The 'To' number is not a valid phone number."), 422, "carrier_refused", "E.164"),
        (RestFault(400, 21215, "Account not authorized to call"), 422, "carrier_refused", "Geo permissions"),
        (RestFault(400, 21219, "unverified"), 422, "carrier_refused", "trial account"),
    ],
    ids=["wrong key", "too many requests", "no number", "country not allowed", "trial account"],
)
async def test_what_the_carrier_refuses_is_refused_with_a_remedy(phone, fault, status, code, words):
    key = token_hex(8)
    phone.twilio.fail(fault)
    with pytest.raises(ApiError, match=code) as refused:
        await phone.client.place(PERSON, idempotency_key=key)
    assert refused.value.status == status
    assert words in str(refused.value)
    (event,) = [await phone.until_told("call.ended")]
    assert (event.data["status"], event.data["reason"]) == ("failed", f"carrier_refused:{fault.code}")
    # Nothing was dialled, so the same key may be tried again.
    assert (await phone.client.place(PERSON, idempotency_key=key))["status"] in {"queued", "initiated", "ringing"}


LOST_ANSWERS = pytest.mark.parametrize(
    "fault", [RestFault(500, done=True), RestFault(0, done=True)], ids=["500", "dropped"]
)


@LOST_ANSWERS
async def test_a_call_that_was_dialled_without_an_answer_is_hung_up_and_not_dialled_again(phone, fault):
    key = token_hex(8)
    phone.twilio.scripts[PERSON] = Script(dial_s=0.5, ring_s=30)
    phone.twilio.fail(fault)
    call = await phone.client.place(PERSON, idempotency_key=key)
    status, reason = await phone.outcome(call["id"])
    assert (status, reason.partition(":")[0]) == ("failed", "carrier_failed")
    dialled = await phone.twilio.placed()
    await asyncio.wait_for(dialled.over.wait(), 5)
    assert dialled.status == "canceled", "its first callback found the call over"
    again = await phone.client.place(PERSON, idempotency_key=key)
    assert again["id"] == call["id"]
    assert len(phone.twilio.calls) == 1


@LOST_ANSWERS
async def test_a_call_whose_answer_was_lost_goes_on_when_a_callback_tells_of_it(phone, fault):
    phone.twilio.fail(fault)
    release = phone.twilio.hold()
    placing = asyncio.create_task(phone.client.place(PERSON))
    await phone.until_told("call.ringing")
    release()
    call = await placing
    await (await phone.twilio.placed()).answered()
    await phone.until_told("call.answered")
    assert (await phone.client.call(call["id"]))["status"] == "in-progress"


# --- the host itself ------------------------------------------------------------------------------


async def test_nobody_is_called_when_the_call_can_not_be_put_on_record(phone, monkeypatch):
    async def settle():
        raise StoreUnavailableError("the disk is full")

    monkeypatch.setattr(phone.running.host.store, "settle", settle)
    with pytest.raises(ApiError, match="store_unavailable") as refused:
        await phone.client.place(PERSON)
    assert refused.value.status == 503
    ended = await phone.until_told("call.ended")
    assert (ended.data["status"], ended.data["reason"]) == ("failed", "not_recorded")
    assert not phone.twilio.requests


async def test_a_draining_host_calls_nobody_and_lets_those_who_talk_go_on(phone):
    call = await phone.client.place(PERSON, agent="concierge")
    line = await (await phone.twilio.placed()).answered()
    await phone.until_told("call.answered")
    await phone.client.drain(True)
    try:
        with pytest.raises(ApiError, match="draining") as refused:
            await phone.client.place(PERSON)
        assert refused.value.status == 503
        record = await phone.client.call(call["id"])
        assert (record["status"], record["agent"]) == ("in-progress", "concierge")
    finally:
        await phone.client.drain(False)
    await line.hang_up()
    assert await phone.outcome(call["id"]) == ("completed", "caller_hangup")


async def test_a_callback_that_twilio_has_not_signed_moves_no_call(phone):
    phone.twilio.scripts[PERSON] = Script(ring_s=30)
    call = await phone.client.place(PERSON)
    await phone.until_told("call.ringing")
    dialled = await phone.twilio.placed()
    form = phone.twilio.exchange.form(dialled.sid, NUMBER, PERSON, CallStatus="completed")
    url = dialled.form["StatusCallback"]
    for forged in ("", "x", phone.twilio.exchange.sign(url.replace(call["id"], "call_other"), form)):
        reply = await phone.twilio.exchange.post(url, form, {"X-Twilio-Signature": forged})
        assert reply.status == 401
    assert (await phone.client.call(call["id"]))["status"] == "ringing"
