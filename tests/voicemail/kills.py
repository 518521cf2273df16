"""One message, and a host that is killed between any two steps on its way: ``python -m tests.voicemail.kills``."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from openclaw_actors.client import Client
from openclaw_actors.testkit import speakers
from openclaw_actors.testkit.host import HostProcess
from openclaw_actors.testkit.providers.carrier.line import Line
from openclaw_actors.testkit.providers.carrier.script import Script
from openclaw_actors.testkit.providers.gateway import TOKEN, FakeGateway
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import Fault, StubPlan
from openclaw_actors.testkit.providers.twilio.account import NUMBER, PUBLIC_URL, FakeTwilio
from openclaw_actors.testkit.speakers import Speech
from tests.phone.conftest import API_TOKEN, PERSON
from tests.voicemail.conftest import WORDS, speak_after_tone

ALL = ("recording", "recorded", "transcribed", "asked", "due", "dialling", "promised", "placed", "spoken")
SHORT = ("asked", "placed", "spoken")
NO_ANSWER = "I have got your message."


def config(twilio: FakeTwilio, ears: OpenAiStub, gateway: FakeGateway, folder: str) -> str:
    return f"""
[server]
port = 0
public_url = "{PUBLIC_URL}"
[auth]
tokens = ["{API_TOKEN}"]
[stt]
engines = ["openai"]
[stt.openai]
base_url = "{ears.base_url}"
api_key = "stub"
[agent]
engines = ["openclaw"]
[agent.openclaw]
base_url = "{gateway.base_url}"
token = "{TOKEN}"
warm = false
[tts]
engines = ["espeak-ng"]
[store]
url = "sqlite:///{folder}/calls.db"
[numbers]
allow_from = ["{PERSON}"]
[voicemail]
enabled = true
when = ["always"]
silence_s = 1.5
greeting = "Speak now."
goodbye = "Bye."
opening = "Hello again."
no_answer = "{NO_ANSWER}"
call_back_after_s = 0
retry_s = 0.5
attempts = 9
answering_machine = "off"
[twilio]
account_sid = "{twilio.account_sid}"
auth_token = "{twilio.auth_token}"
from_number = "{NUMBER}"
api_base_url = "{twilio.api_base_url}"
"""


async def leave(twilio: FakeTwilio, speech: Speech) -> None:
    """Call, and speak until hung up on, or to the end."""
    line = Line(twilio.exchange, PERSON, NUMBER)
    try:
        await line.dial()
        await speak_after_tone(line, speech)
    except Exception as error:  # noqa: BLE001 - the host may have gone in the middle of it
        sys.stderr.write(f"the caller was cut off: {error!r}\n")
    finally:
        await line.hang_up()


async def survive(steps: Sequence[str], speech: Speech) -> dict[str, Any]:
    """Kill a host at each step, one after the other; what a last one brings the message to."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            FakeTwilio() as twilio,
            OpenAiStub(StubPlan(transcript=WORDS)) as ears,
            FakeGateway("Your table is booked.") as gateway,
        ):
            twilio.scripts[PERSON] = Script(ring_s=0.3)
            text = config(twilio, ears, gateway, folder)
            is_left = False
            for step in steps:
                if step == "asked":
                    gateway.fail(Fault("hang"))
                kill = {"VOICEMAIL_KILL": step}
                async with HostProcess(text, kill, module="tests.voicemail.host_to_kill") as host:
                    twilio.exchange.reach = host.url
                    if not is_left:
                        leaving = asyncio.create_task(leave(twilio, speech))
                        is_left = True
                    if step == "asked":
                        await asyncio.wait_for(gateway.asked.wait(), 30)
                        os.kill(host.pid, signal.SIGKILL)
                    assert await host.ended(40) == -signal.SIGKILL, f"{step}:\n{host.log()[-3000:]}"
                await leaving
            async with HostProcess(text) as host:
                twilio.exchange.reach = host.url
                async with Client(host.url, API_TOKEN) as client:
                    message = await until_done(client)
                    calls = (await client.calls(direction="outbound"))["calls"]
                    last = await client.transcript(message["callback_call_id"] or "")
                    sound = await client.voicemail_audio(message["id"])
            return {
                "message": message,
                "asked": len(gateway.runs),
                "dialled": [each.status for each in twilio.calls],
                "calls": calls,
                "said": " ".join(line["text"] for line in last["lines"] if line["role"] == "agent"),
                "sound": sound,
            }


async def until_done(client: Client) -> Any:
    """The message, once nothing is left to be done for it."""
    for _ in range(300):
        found = (await client.voicemails())["voicemails"]
        if found and found[0]["state"] in {"done", "failed", "kept"}:
            (message,) = found
            return message
        await asyncio.sleep(0.1)
    raise TimeoutError(f"the message is still on its way: {found}")


def check(steps: Sequence[str], found: dict[str, Any]) -> None:
    """Nothing is lost, the agent is asked once, and nobody is called who has heard the answer."""
    message = found["message"]
    assert message["state"] == "done", message
    assert message["transcript"] == WORDS
    assert found["asked"] == 1, "an agent that runs tools is asked once"
    expected = NO_ANSWER if "asked" in steps else "Your table is booked."
    assert found["said"].startswith(f"Hello again. {expected}"), found["said"]
    # A call that was dialled when its host was killed, and one of which all was heard.
    dialled = sum(step in {"placed", "spoken"} for step in steps) or 1
    assert len(found["dialled"]) == dialled, found["dialled"]
    assert found["sound"].startswith(b"OggS")


def main() -> None:
    """Kill at each step; say so."""
    speech = speakers.flite("please book a table for two at eight tonight and call me back about it")
    found = asyncio.run(survive(ALL, speech))
    check(ALL, found)
    message = found["message"]
    sys.stdout.write(
        f"killed at {', '.join(ALL)}: {message['state']} ({message['reason']}), asked {found['asked']} time, "
        f"dialled {len(found['dialled'])} times, of which {found['dialled'].count('completed')} completed\n"
    )


if __name__ == "__main__":
    main()
