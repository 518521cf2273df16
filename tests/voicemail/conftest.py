"""A host with a telephone whose second number takes messages, and people who leave some."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from openclaw_actors.media.message_file import write_message
from openclaw_actors.messages import Event
from openclaw_actors.settings.sections import NumberRoute, Numbers, OpenAiStt, Stt, Voicemail
from openclaw_actors.stamps import now_rfc3339, ulid
from openclaw_actors.store.records import VoicemailRecord
from openclaw_actors.testkit.providers.carrier.line import Line
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import Hear, StubPlan
from openclaw_actors.testkit.providers.twilio.account import NUMBER, FakeTwilio
from openclaw_actors.testkit.speakers import Speech
from tests.phone.conftest import PERSON, PhoneHost, phone_host

MAILBOX = "+15550100003"
"""Who calls it leaves a message; at NUMBER the agent answers."""
WORDS = "please book a table for two"
ANSWER = f"You said: {WORDS}"
QUICK: dict[str, Any] = {
    "enabled": True,
    "silence_s": 1.5,
    "greeting": "Speak now.",
    "goodbye": "Bye.",
    "call_back_after_s": 0,
    "retry_s": 0.3,
    "max_per_caller": 1000,
    "opening": "Hello again.",
}


@asynccontextmanager
async def voicemail_host(words: str | Hear = WORDS, **changes: Any) -> AsyncIterator[PhoneHost]:
    """Start carrier, recogniser and host; what is left out of ``voicemail`` is QUICK."""
    settings = Voicemail(**{**QUICK, **changes.pop("voicemail", {})})
    routes = {MAILBOX: NumberRoute(voicemail=True)}
    numbers = changes.pop("numbers", Numbers(allow_from=(PERSON,), routes=routes, outbound_per_hour=100))
    async with OpenAiStub(StubPlan(transcript=words)) as stub:
        ears = Stt(engines=("openai",), openai=OpenAiStt(base_url=stub.base_url, api_key="stub"))
        twilio = FakeTwilio(numbers=(NUMBER, MAILBOX))
        async with phone_host(twilio, voicemail=settings, numbers=numbers, **{"stt": ears, **changes}) as host:
            yield host


async def leave_message(phone: PhoneHost, speech: Speech, callee: str = MAILBOX) -> str:
    """Call, wait for the tone, speak, hang up; the message's id, once it is kept."""
    known = len(phone.told("voicemail.received"))
    async with phone.calls_in(callee=callee) as line:
        await speak_after_tone(line, speech)
    events = await phone.waits.until(lambda _: phone.told("voicemail.received")[known:], 20, "a message that is kept")
    return str(events[0].data["voicemail_id"])


async def speak_after_tone(line: Line, speech: Speech) -> None:
    """Hear the greeting and the tone to their end, and say it."""
    await line.wait_voice()
    await line.wait_silence()
    await line.say(speech)


async def seed(phone: PhoneHost, state: str, **values: object) -> str:
    """A message in this state, as a host that is gone left it; its id."""
    record = VoicemailRecord(
        **{
            "id": f"vm_{ulid()}",
            "state": state,
            "source": "stream",
            "received_at": now_rfc3339(),
            "caller": PERSON,
            "callee": MAILBOX,
            "transport": "twilio",
            "callback_to": PERSON,
            **values,
        }
    )
    await phone.running.host.store.voicemails.add(record)
    phone.running.host.desk.rounds.look_again()
    return record.id


async def answered_message(phone: PhoneHost, speech: Speech) -> str:
    """A message that is kept, understood and answered, and due in an hour."""
    hour = time.time() + 3600
    voicemail_id = await seed(phone, "due", transcript=WORDS, answer=ANSWER, next_at=hour, seconds=2.0, bytes=1)
    write_message(speech.pcm, phone.running.host.desk.book.sound(voicemail_id))
    desk = phone.running.host.desk
    await asyncio.sleep(0)
    while voicemail_id not in {each.id for each in desk.rounds.waiting}:  # noqa: ASYNC110 - no event tells of a look
        await asyncio.sleep(0.01)
    return voicemail_id


def told_of(phone: PhoneHost, kind: str, voicemail_id: str) -> list[Event]:
    """Events of this type about the message."""
    return [each for each in phone.told(kind) if voicemail_id in each.data.get("voicemail_ids", ())]


async def until_told_of(phone: PhoneHost, kind: str, voicemail_id: str, timeout_s: float = 30) -> Event:
    """The first of them."""
    return (await phone.waits.until(lambda _: told_of(phone, kind, voicemail_id), timeout_s, kind))[0]


@pytest.fixture
def message(flite):
    return flite("please book a table for two")


@contextlib.contextmanager
def at(moment: float, desk: Any):
    """Let the voicemail's clock show ``moment``, seconds of the epoch."""
    clocks = (desk, desk.rounds, desk.secretary, desk.callbacks, desk.carrier_tapes)
    before = [each._now for each in clocks]
    for each in clocks:
        each._now = lambda: moment
    try:
        yield
    finally:
        for each, clock in zip(clocks, before, strict=True):
            each._now = clock
