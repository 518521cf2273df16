"""A message for somebody: said to a person, left on a machine, or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest
import pytest_asyncio

from openclaw_actors.settings.sections import Outbound
from openclaw_actors.testkit.providers.carrier.script import Script
from tests.phone.conftest import GREETING, PERSON, PhoneHost, fresh, phone_host

MESSAGE = "The parcel has come."
LEFT = "Please call back."
LEAVE = Outbound(answering_machine="leave_message", machine_message=LEFT)
HANG_UP = Outbound(answering_machine="hang_up")


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_that_leaves_messages():
    async with phone_host(outbound=LEAVE) as host:
        yield host


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_that_hangs_up():
    async with phone_host(outbound=HANG_UP) as host:
        yield host


@pytest_asyncio.fixture(loop_scope="module")
async def leaving(one_that_leaves_messages):
    async with fresh(one_that_leaves_messages) as host:
        yield host


@pytest_asyncio.fixture(loop_scope="module")
async def hanging_up(one_that_hangs_up):
    async with fresh(one_that_hangs_up) as host:
        yield host


async def answered_by(phone: PhoneHost, what: str, **order: str) -> tuple[str, str]:
    """Place a call that a person or a machine takes; what was said to them after the greeting, and why it ended."""
    phone.twilio.scripts[PERSON] = Script(answered_by=what, verdict_s=0.2, repeats=True)
    call = await phone.client.place(PERSON, **order)
    status, reason = await phone.outcome(call["id"])
    assert status == "completed"
    (told,) = phone.told("call.answered_by")
    assert told.data == {"what": what}
    # A conversation begins at once, as nobody knows yet that it is a machine; how far it comes is chance.
    return phone.said(call["id"]).removeprefix(GREETING).strip(), reason


async def test_a_message_is_said_and_the_call_ends(flite):
    speech = flite("hello who is speaking please")
    async with phone_host() as phone:
        call = await phone.client.place(PERSON, mode="notify", message=MESSAGE)
        dialled = await phone.twilio.placed()
        line = await dialled.answered()
        line.start_saying(speech)  # people do, and must not cut it off
        assert await phone.outcome(call["id"]) == ("completed", "announced")
        assert phone.said(call["id"]) == MESSAGE
        assert phone.said(call["id"], "user") == ""
        await line.wait_over()
        assert "MachineDetection" not in dialled.form, "it costs a fee, and was not asked for"


@pytest.mark.parametrize(
    ("what", "order", "said", "reason"),
    [
        ("human", {"mode": "notify", "message": MESSAGE}, MESSAGE, "announced"),
        ("unknown", {"mode": "notify", "message": MESSAGE}, MESSAGE, "announced"),
        ("machine_end_beep", {"mode": "notify", "message": MESSAGE}, MESSAGE, "announced"),
        ("machine_end_silence", {}, LEFT, "announced"),
        ("fax", {"mode": "notify", "message": MESSAGE}, "", "machine"),
    ],
    ids=["person", "nobody knows", "after the beep", "by a conversation", "fax"],
)
async def test_a_message_is_said_to_a_person_and_left_on_a_machine(leaving, what, order, said, reason):
    heard, why = await answered_by(leaving, what, **order)
    assert (heard.endswith(said), why) == (True, reason)
    form = leaving.twilio.calls[0].form
    assert (form["MachineDetection"], form["AsyncAmd"]) == ("DetectMessageEnd", "true")


@pytest.mark.parametrize("order", [{"mode": "notify", "message": MESSAGE}, {}], ids=["a message", "a talk"])
async def test_a_machine_is_hung_up_on(hanging_up, order):
    heard, why = await answered_by(hanging_up, "machine_start", **order)
    assert why == "machine"
    assert MESSAGE not in heard
    assert hanging_up.twilio.calls[0].form["MachineDetection"] == "Enable"


async def test_with_a_person_the_talk_goes_on(hanging_up):
    hanging_up.twilio.scripts[PERSON] = Script(answered_by="human", verdict_s=0.1)
    call = await hanging_up.client.place(PERSON)
    await hanging_up.until_told("call.answered_by")
    assert (await hanging_up.client.call(call["id"]))["status"] == "in-progress"


async def test_without_a_verdict_the_message_is_said_all_the_same(hanging_up, monkeypatch):
    carrier = hanging_up.running.host.phone.carriers["twilio"]
    monkeypatch.setattr(carrier, "abilities", replace(carrier.abilities, verdict_s=0.3))
    hanging_up.twilio.scripts[PERSON] = Script(answered_by="")
    call = await hanging_up.client.place(PERSON, mode="notify", message=MESSAGE)
    assert await hanging_up.outcome(call["id"]) == ("completed", "announced")
    assert hanging_up.said(call["id"]) == MESSAGE
