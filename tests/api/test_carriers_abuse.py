"""What strangers may try on Telnyx's and Plivo's routes: as on Twilio's (test_voice_abuse.py), it comes to nothing."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from openclaw_actors.observability import metrics
from openclaw_actors.settings.sections import Limits, Numbers, Plivo, Server, Telnyx
from openclaw_actors.testkit.providers.carrier.line import Line
from openclaw_actors.testkit.providers.carrier.verbs import ConnectStream
from openclaw_actors.testkit.providers.plivo.account import AUTH_ID, AUTH_TOKEN, FakePlivo
from openclaw_actors.testkit.providers.telnyx.account import API_KEY, FakeTelnyx
from tests.api.conftest import Api

PUBLIC = "https://voice.example.org"
CALLER, CALLEE = "+15550100001", "+15550100002"
CARRIERS: dict[str, Any] = {"telnyx": FakeTelnyx, "plivo": FakePlivo}
Socket = aiohttp.ClientWebSocketResponse


@dataclass
class Door:
    """The API, and a carrier that knocks."""

    api: Api
    carrier: Any

    @property
    def exchange(self) -> Any:
        return self.carrier.exchange

    @property
    def url(self) -> str:
        return f"{PUBLIC}/voice/{self.carrier.name}/webhook"

    def line(self) -> Line:
        line = Line(self.exchange, CALLER, CALLEE)
        self.exchange.lines[line.call_sid] = line
        return line

    def body(self, line: Line, **more: str) -> bytes | dict[str, str]:
        """A webhook of a call that comes in."""
        if self.carrier.name == "plivo":
            return self.exchange.form(line, **more)
        payload = self.exchange.payload(line.call_sid, CALLER, CALLEE, direction="incoming", **more)
        return json.dumps({"data": {"event_type": "call.initiated", "id": "1", "payload": payload}}).encode()

    async def call(self) -> tuple[Line, ConnectStream]:
        """A call that was let in and waits for its stream."""
        line = self.line()
        verb = (await self.exchange.ring(line))[0]
        assert isinstance(verb, ConnectStream)
        return line, verb

    def start(self, line: Line, verb: ConnectStream, **changes: Any) -> list[dict[str, Any]]:
        """What an honest stream says first."""
        messages = list(self.exchange.new_stream(line, verb).opening())
        messages[-1]["start"] |= changes
        return messages

    async def open(self, url: str) -> Socket:
        """A bare socket where the carrier would open a stream."""
        address, headers = self.exchange.upgrade(url)
        return await self.api.client.ws_connect(address, headers=headers, max_msg_size=0)

    @property
    def nothing_begun(self) -> bool:
        return not (self.api.board.started or self.api.board.calls)


@pytest.fixture(params=CARRIERS)
def knock(request, serve) -> Callable[..., Any]:
    @asynccontextmanager
    async def knock(**limits: object) -> AsyncIterator[Door]:
        async with CARRIERS[request.param](PUBLIC) as carrier:
            own = {"from_number": CALLEE, "api_base_url": carrier.api_base_url}
            if request.param == "telnyx":
                keys = {"public_key": carrier.exchange.public_key, "connection_id": carrier.exchange.connection_id}
                section: Any = Telnyx(api_key=SecretStr(API_KEY), **keys, **own)
            else:
                section = Plivo(auth_id=AUTH_ID, auth_token=SecretStr(AUTH_TOKEN), **own)
            sections = {
                "server": Server(port=0, public_url=PUBLIC, trusted_proxies=("127.0.0.1",)),
                request.param: section,
                "numbers": Numbers(allow_from=(CALLER,)),
                "limits": Limits(**limits),
            }
            async with serve(**sections) as api:
                carrier.exchange.reach = api.listener.url
                yield Door(api, carrier)

    return knock


def failures(door: Door) -> float:
    return metrics.webhook_signature_failures_total.labels(carrier=door.carrier.name)._value.get()


def refused(reply, code: str) -> None:
    assert (reply.status, json.loads(reply.text)["code"]) == (401, code), reply.text


# --- webhooks -------------------------------------------------------------------------------------


def _stolen(door: Door) -> dict[str, str]:
    """The good signature of another webhook."""
    other = door.body(door.line())
    return door.exchange.sign(other) if isinstance(other, bytes) else door.exchange.sign(door.url, other)


def _elsewhere(door: Door) -> dict[str, str]:
    """Of a stranger's account."""
    other = CARRIERS[door.carrier.name](PUBLIC).exchange
    other.__dict__.update({"_token": b"another"})
    if door.carrier.name == "telnyx":
        other = type(other)(PUBLIC, "", b"\x07" * 32)
    body = door.body(door.line())
    return other.sign(body) if isinstance(body, bytes) else other.sign(door.url, body)


ABUSES: dict[str, Callable[[Door], dict[str, str]]] = {
    "another webhook's signature": _stolen,
    "a stranger's key": _elsewhere,
    "junk": lambda door: dict.fromkeys(_stolen(door), "1700000000"),
    "much junk": lambda door: dict.fromkeys(_stolen(door), "A" * 3000),
}


@pytest.mark.parametrize("abuse", ABUSES)
async def test_a_webhook_that_the_carrier_has_not_signed_is_refused(knock, abuse):
    async with knock() as door:
        before = failures(door)
        reply = await door.exchange.post(door.url, door.body(door.line()), ABUSES[abuse](door))
        refused(reply, "bad_signature")
        assert failures(door) == before + 1
        assert not door.api.board.places
        assert door.nothing_begun


async def test_what_is_signed_and_old_or_for_another_url_is_refused(knock):
    async with knock() as door:
        line = door.line()
        if door.carrier.name == "telnyx":
            body = door.body(line)
            old = door.exchange.sign(body, str(int(time.time()) - 301))
            refused(await door.exchange.post(door.url, body, old), "bad_signature")
        else:
            form = door.body(line)
            signed = door.exchange.sign("https://evil.example/voice/plivo/webhook", form)
            refused(await door.exchange.post(door.url, form, {**signed, "Host": "evil.example"}), "bad_signature")
        assert door.nothing_begun


async def test_without_a_signature_the_body_is_not_even_read(knock):
    async with knock() as door, door.api.raw() as (reader, writer):
        path = f"/voice/{door.carrier.name}/webhook"
        head = f"POST {path} HTTP/1.1\r\nHost: {door.api.host}\r\nContent-Length: 60000\r\n\r\n"
        writer.write(head.encode())
        async with asyncio.timeout(2):
            assert b" 401 " in await reader.readline()
        assert door.nothing_begun


async def test_a_replayed_webhook_gets_no_second_token(knock):
    async with knock() as door:
        body = door.body(door.line())
        replies = [await door.exchange.post(door.url, body) for _ in range(3)]
        assert {(reply.status, reply.text) for reply in replies} == {(200, replies[0].text)}
        assert len(door.api.board.places) == 1


async def test_what_is_signed_and_says_nothing_is_refused_or_passed_over(knock):
    async with knock(body_timeout_s=0.2) as door:
        if door.carrier.name == "telnyx":
            for body in (b"", b"[]", b"{}", b'{"data": 1}', b"\xff"):
                reply = await door.exchange.post(door.url, body)
                assert (reply.status, json.loads(reply.text)["code"]) == (400, "bad_form")
            big = b" " * 65_537
        else:
            reply = await door.exchange.post(door.url, {"CallUUID": " "})
            assert "rejected" in reply.text
            big = {"CallUUID": "a" * 65_537}
        assert (await door.exchange.post(door.url, big)).status == 413
        async with door.api.request("GET", f"/voice/{door.carrier.name}/webhook") as response:
            assert (response.status, response.headers["Allow"]) == (405, "POST")
        assert not door.api.board.places
        assert door.nothing_begun


async def test_one_carriers_requests_are_not_anothers(knock):
    async with knock() as door:
        other = "plivo" if door.carrier.name == "telnyx" else "telnyx"
        for path in (f"/voice/{other}/webhook", "/voice/webhook"):
            async with door.api.request("POST", path, data=b"{}") as response:
                await door.api.problem(response, 404, "no_carrier")


# --- streams --------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "?token=", "?token=AAAAAAAAAAAAAAAAAAAAAA", "?token=%C3%A4"])
async def test_a_stream_without_a_calls_token_is_not_let_in(knock, query):
    async with knock() as door:
        await door.call()
        before = failures(door)
        with pytest.raises(aiohttp.WSServerHandshakeError) as error:
            await door.open(f"wss://voice.example.org/voice/{door.carrier.name}/stream{query}")
        assert error.value.status == 401
        assert failures(door) == before + 1
        assert door.nothing_begun


async def closed(socket: Socket, timeout_s: float = 5.0) -> tuple[int, str]:
    """How the host has closed the socket."""
    async with asyncio.timeout(timeout_s):
        while True:
            message = await socket.receive()
            if message.type is aiohttp.WSMsgType.CLOSE:
                return int(message.data), str(message.extra or "")
            assert message.type is aiohttp.WSMsgType.TEXT, message


def media(chunk: int = 1) -> str:
    payload = base64.b64encode(b"\xff" * 160).decode()
    part = {"track": "inbound", "chunk": chunk, "timestamp": str(20 * chunk), "payload": payload}
    return json.dumps({"event": "media", "media": part})


Abuse = Callable[[Door, Socket, Line, ConnectStream], Awaitable[None]]


async def _nothing(door, socket, line, verb):
    """Not a word."""


async def _sound_first(door, socket, line, verb):
    await socket.send_str(media())


async def _binary(door, socket, line, verb):
    await socket.send_bytes(b"\x00\xff" * 100)


async def _junk(door, socket, line, verb):
    for _ in range(30):
        await socket.send_str("junk")


async def _flood(door, socket, line, verb):
    for _ in range(5000):
        await socket.send_str('{"event":"connected"}')


async def _huge(door, socket, line, verb):
    await socket.send_str(" " * 65_537)


async def _another_call(door, socket, line, verb):
    for message in door.start(door.line(), verb):
        await socket.send_json(message)


async def _no_call(door, socket, line, verb):
    named = {"telnyx": "call_control_id", "plivo": "callId"}[door.carrier.name]
    for message in door.start(line, verb, **{named: None}):
        await socket.send_json(message)


async def _other_sound(door, socket, line, verb):
    named = {"telnyx": "media_format", "plivo": "mediaFormat"}[door.carrier.name]
    for message in door.start(line, verb, **{named: {"encoding": "audio/x-l16", "sampleRate": 16_000}}):
        await socket.send_json(message)


STREAMS: dict[str, tuple[Abuse, int, str]] = {
    "no start": (_nothing, 1008, "Start timeout"),
    "sound before the start": (_sound_first, 1008, "Missing start"),
    "binary junk": (_binary, 1003, "Binary message"),
    "text junk without end": (_junk, 1008, "Not a media stream"),
    "5,000 messages a second": (_flood, 1008, "Too many messages"),
    "a huge message": (_huge, 1009, ""),
    "another call's token": (_another_call, 1008, "Unknown call"),
    "no call": (_no_call, 1008, "Missing callSid"),
    "other sound than mu-law": (_other_sound, 1008, "Unsupported media format"),
}


@pytest.mark.parametrize("abuse", STREAMS)
async def test_a_stream_that_is_no_calls_is_closed_and_nothing_begins(knock, abuse):
    act, code, reason = STREAMS[abuse]
    async with knock(stream_start_timeout_s=0.3 if act is _nothing else 10) as door:
        line, verb = await door.call()
        async with await door.open(verb.url) as socket:
            with suppress(ConnectionError):  # it is closed before all was sent
                await act(door, socket, line, verb)
            got = await closed(socket)
        assert got[0] == code
        assert reason in got[1]
        assert door.nothing_begun


async def test_a_token_is_good_for_one_stream_with_one_start(knock):
    async with knock() as door:
        line, verb = await door.call()
        async with await door.open(verb.url) as first:
            async with await door.open(verb.url) as second:
                for message in door.start(line, verb):
                    await first.send_json(message)
                await first.send_str(media())
                async with asyncio.timeout(5):
                    while not door.api.board.started:  # noqa: ASYNC110 - nothing tells
                        await asyncio.sleep(0.01)
                for message in door.start(line, verb):
                    await second.send_json(message)
                assert await closed(second) == (1008, "Unknown call")
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await door.open(verb.url)
            for message in door.start(line, verb):
                await first.send_json(message)
            assert await closed(first) == (1008, "Duplicate start")
        assert len(door.api.board.started) == 1
