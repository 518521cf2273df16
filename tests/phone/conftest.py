"""A whole host with a telephone: its carriers are played by the test kit, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import SecretStr

from openclaw_actors.client import Client
from openclaw_actors.messages import Event
from openclaw_actors.settings.sections import Auth, Numbers, Outbound, Plivo, Settings, Telnyx, Twilio
from openclaw_actors.testkit.host import RunningHost, embedded_settings, running_host
from openclaw_actors.testkit.providers.carrier.account import NUMBER, FakeCarrier
from openclaw_actors.testkit.providers.carrier.line import Line
from openclaw_actors.testkit.providers.plivo.account import AUTH_ID, AUTH_TOKEN, FakePlivo
from openclaw_actors.testkit.providers.telnyx.account import API_KEY, FakeTelnyx
from openclaw_actors.testkit.providers.twilio.account import FakeTwilio
from openclaw_actors.testkit.waiting import Waits

PERSON = "+15550100001"
"""Whom the host calls, and who calls it."""
API_TOKEN = "a-token-of-the-operator"
GREETING = "Hello!"


@dataclass
class PhoneHost:
    """The host, its carrier, and what its calls told."""

    running: RunningHost
    carrier: Any
    client: Client
    events: list[Event] = field(default_factory=list)
    waits: Waits = field(default_factory=lambda: Waits(lambda: "events"))

    @property
    def twilio(self) -> FakeTwilio:
        return self.carrier

    def hear(self, event: Event) -> None:
        self.events.append(event)
        self.waits.check(0.0)

    def told(self, kind: str, call_id: str = "") -> list[Event]:
        return [each for each in self.events if each.type == kind and call_id in {"", each.call_id}]

    async def until_told(self, kind: str, call_id: str = "", timeout_s: float = 20.0) -> Event:
        """The first event of this type."""
        return (await self.waits.until(lambda _: self.told(kind, call_id), timeout_s, kind))[0]

    async def outcome(self, call_id: str) -> tuple[str, str]:
        """Status and reason of the call's end, as told and as recorded."""
        event = await self.until_told("call.ended", call_id)
        record = await self.client.call(call_id)
        assert (record["status"], record["end_reason"]) == (event.data["status"], event.data["reason"])
        return event.data["status"], event.data["reason"]

    def kinds(self, call_id: str) -> list[str]:
        """The types of the call's events, without those that only displays look at."""
        passing = {
            "call.stages",
            "call.media.connected",
            "call.transcript",
            "call.turn.completed",
            "call.speech.started",
        }
        return [each.type for each in self.events if each.call_id == call_id and each.type not in passing]

    def said(self, call_id: str, role: str = "agent") -> str:
        """All that was said for good."""
        lines = [each.data for each in self.told("call.transcript", call_id) if each.data["final"]]
        return " ".join(line["text"] for line in lines if line["role"] == role and line["text"])

    @asynccontextmanager
    async def calls_in(self, caller: str = PERSON, callee: str = NUMBER) -> AsyncIterator[Line]:
        """Somebody calls; their stream has started."""
        async with Line(self.carrier.exchange, caller, callee) as line:
            yield line


def account_of(carrier: FakeCarrier) -> dict[str, Any]:
    """The section of the settings that this carrier needs."""
    own = {"from_number": NUMBER, "api_base_url": carrier.api_base_url}
    match carrier:
        case FakeTwilio():
            token = SecretStr(carrier.auth_token)
            return {"twilio": Twilio(account_sid=carrier.account_sid, auth_token=token, **own)}
        case FakeTelnyx():
            exchange = carrier.exchange
            keys = {"public_key": exchange.public_key, "connection_id": exchange.connection_id}
            return {"telnyx": Telnyx(api_key=SecretStr(API_KEY), **keys, **own)}
        case FakePlivo():
            return {"plivo": Plivo(auth_id=AUTH_ID, auth_token=SecretStr(AUTH_TOKEN), **own)}
    raise TypeError(carrier)


def phone_settings(
    carrier: FakeCarrier, *, numbers: Numbers | None = None, outbound: Outbound | None = None
) -> Settings:
    """Embedded engines, one number, one token; anybody of the same country may be called, PERSON may call."""
    settings = embedded_settings()
    return settings.model_copy(
        update={
            "server": settings.server.model_copy(update={"public_url": carrier.exchange.public_url}),
            "auth": Auth(tokens=(SecretStr(API_TOKEN),)),
            "agent": settings.agent.model_copy(update={"greeting": GREETING}),
            "numbers": numbers or Numbers(allow_from=(PERSON,)),
            "outbound": outbound or Outbound(),
            **account_of(carrier),
        }
    )


@asynccontextmanager
async def phone_host(over: FakeCarrier | None = None, **changes: Any) -> AsyncIterator[PhoneHost]:
    """Start both; ``changes`` are sections of the settings. It takes 2 s, so tests share one, by way of ``fresh``."""
    async with over or FakeTwilio() as carrier:
        settings = phone_settings(carrier)
        async with running_host(settings.model_copy(update=changes)) as running:
            carrier.exchange.reach = running.url
            async with Client(running.url, API_TOKEN) as client:
                host = PhoneHost(running, carrier, client)
                stop = running.host.hub.subscribe(host.hear)
                try:
                    yield host
                finally:
                    stop()
                    await settle(host)


@asynccontextmanager
async def fresh(host: PhoneHost) -> AsyncIterator[PhoneHost]:
    """A host that other tests have used: nothing is left of them, and nothing will be left of this one."""
    try:
        yield host
    finally:
        host.running.host.hang_up_all("test_over")
        async with asyncio.timeout(10):
            await host.running.host.places.idle.wait()
        host.running.host.places.closing = host.running.host.places.ending = False
        begun = {each.call_id for each in host.events if each.call_id}
        await host.waits.until(lambda _: begun <= {each.call_id for each in host.told("call.ended")}, 10, "the ends")
        await asyncio.gather(*(call.aclose() for call in host.carrier.calls))
        host.carrier.forget()
        host.events.clear()


async def settle(host: PhoneHost) -> None:
    """Let the carrier hear of each end before it is taken away."""
    host.running.host.hang_up_all("test_over")
    async with asyncio.timeout(10):
        await host.running.host.places.idle.wait()


@pytest.fixture
async def phone():
    async with phone_host() as host:
        yield host
