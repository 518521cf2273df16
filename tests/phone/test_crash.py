"""A host that is killed leaves no call behind at its carrier, and dials nobody twice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

from openclaw_actors.client import Client
from openclaw_actors.errors import OpenclawActorsError
from openclaw_actors.testkit.host import HostProcess
from openclaw_actors.testkit.providers.carrier.account import NUMBER, PUBLIC_URL
from openclaw_actors.testkit.providers.carrier.script import RestFault, Script
from openclaw_actors.testkit.providers.twilio.account import FakeTwilio
from tests.phone.conftest import API_TOKEN, PERSON

OTHER = "+15550100007"


def config(twilio: FakeTwilio, database: str) -> str:
    return f"""
[server]
port = 0
public_url = "{PUBLIC_URL}"
[auth]
tokens = ["{API_TOKEN}"]
[stt]
engines = ["pocketsphinx"]
[agent]
engines = ["parrot"]
[tts]
engines = ["espeak-ng"]
[store]
url = "sqlite:///{database}"
[twilio]
account_sid = "{twilio.account_sid}"
auth_token = "{twilio.auth_token}"
from_number = "{NUMBER}"
api_base_url = "{twilio.api_base_url}"
"""


async def status_of(client: Client, call_id: str, wanted: str) -> None:
    """Return when the call is in this state: the host is another process, and its events end with it."""
    async for event in client.events(call_id):
        if event["type"] == wanted:
            return


async def test_a_killed_host_is_hung_up_by_the_next_one_and_its_keys_dial_nobody_again(tmp_path):
    async with FakeTwilio() as twilio:
        text = config(twilio, f"{tmp_path}/calls.db")
        twilio.scripts[PERSON] = Script(ring_s=60)
        async with HostProcess(text) as first:
            twilio.exchange.reach = first.url
            async with Client(first.url, API_TOKEN) as client:
                rings = await client.place(PERSON, idempotency_key="rings")
                await status_of(client, rings["id"], "call.ringing")
                twilio.fail(RestFault(0, hangs=True))
                asked = len(twilio.requests)
                lost = asyncio.create_task(client.place(OTHER, idempotency_key="lost"))
                await twilio.asked(asked + 1)
                os.kill(first.pid, signal.SIGKILL)
                with contextlib.suppress(OpenclawActorsError):
                    await lost
        (dialled,) = twilio.calls
        assert dialled.status == "ringing"

        async with HostProcess(text) as second:
            twilio.exchange.reach = second.url
            await asyncio.wait_for(dialled.over.wait(), 10)
            assert dialled.status == "canceled", "the carrier was told to hang up what nobody holds any more"
            async with Client(second.url, API_TOKEN) as client:
                again = await client.place(PERSON, idempotency_key="rings")
                assert again["id"] == rings["id"]
                record = await client.call(rings["id"])
                assert (record["status"], record["end_reason"]) == ("failed", "host_restarted")
                assert record["carrier_call_id"] == dialled.sid
                never = await client.place(OTHER, idempotency_key="lost")
                record = await client.call(never["id"])
                assert (record["to"], record["status"], record["end_reason"]) == (OTHER, "failed", "host_restarted")
        assert twilio.calls == [dialled], "nobody was called a second time"
