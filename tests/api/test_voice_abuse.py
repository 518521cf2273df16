"""What strangers may try on the carrier's routes: each is refused with the right code, and nothing is begun for it."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import aiohttp
import aiohttp.web
import pytest
from pydantic import SecretStr

from openclaw_actors.api.aiohttp_private import TappedWebSocket
from openclaw_actors.api.stream_socket import StreamSocket
from openclaw_actors.observability import metrics
from openclaw_actors.settings.sections import Limits, Numbers, Server, Twilio
from openclaw_actors.testkit.providers.carrier.exchange import Reply
from openclaw_actors.testkit.providers.carrier.verbs import ConnectStream, Reject, Say
from openclaw_actors.testkit.providers.twilio.exchange import Exchange, new_sid
from openclaw_actors.testkit.providers.twilio.twiml import parse
from openclaw_actors.transports.media_streams.stream import StreamFaultError
from tests.api.conftest import Api

PUBLIC = "https://voice.example.org"
WEBHOOK, STREAM = f"{PUBLIC}/voice/webhook", "wss://voice.example.org/voice/stream"
TOKEN = "0123456789abcdef0123456789abcdef"
CALLER, CALLEE = "+15550100001", "+15550100002"
FAR = {"X-Forwarded-For": "203.0.113.9"}
"""Behind the proxy that the settings trust: requests of this machine are not counted."""
CALLBACKS = ("/voice/status", "/voice/amd", "/voice/recording", "/voice/stream-status")


@dataclass
class Door:
    """The API, and a Twilio that knocks."""

    api: Api
    twilio: Exchange

    def form(self, **more: str) -> dict[str, str]:
        return self.twilio.form(new_sid("CA"), CALLER, CALLEE, **more)

    async def call(self) -> tuple[str, ConnectStream]:
        """A call that was let in and waits for its stream."""
        form = self.form()
        (verb,) = parse((await self.twilio.post(WEBHOOK, form)).text)
        assert isinstance(verb, ConnectStream)
        return form["CallSid"], verb

    @property
    def nothing_begun(self) -> bool:
        return not (self.api.board.started or self.api.board.calls)


@pytest.fixture
def knock(serve) -> Callable[..., object]:
    @asynccontextmanager
    async def knock(headers: dict[str, str] | None = None, notice: str = "", **limits: object) -> AsyncIterator[Door]:
        sections = {
            "server": Server(port=0, public_url=PUBLIC, trusted_proxies=("127.0.0.1",)),
            "twilio": Twilio(account_sid="AC1", auth_token=SecretStr(TOKEN), from_number=CALLEE),
            "numbers": Numbers(allow_from=(CALLER,), full_notice=notice),
            "limits": Limits(**limits),
        }
        async with serve(**sections) as api, Exchange(PUBLIC, api.listener.url, TOKEN, headers=headers) as twilio:
            yield Door(api, twilio)

    return knock


@pytest.fixture
def logged(capfd, caplog) -> Callable[[str], str]:
    """The lines of the log that hold a text; where the log goes, and how much, depends on which tests came before."""
    caplog.set_level(logging.DEBUG)

    def logged(text: str) -> str:
        written = capfd.readouterr().out + caplog.text
        return "\n".join(line for line in written.splitlines() if text in line)

    return logged


def refused_signatures() -> float:
    return metrics.webhook_signature_failures_total.labels(carrier="twilio")._value.get()


def refused_streams() -> float:
    return metrics.calls_rejected_total.labels(reason="stream")._value.get()


# --- webhooks ---------------------------------------------------------------------------------------------------------

EVIL = "https://evil.example"
FORGED = {
    "X-Forwarded-Host": "evil.example",
    "X-Original-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "Forwarded": "host=evil.example;proto=https",
    "Ngrok-Forwarded-Host": "evil.example",
}


def signed(door: Door, url: str, form: dict[str, str], key: str = TOKEN) -> dict[str, str]:
    return {"X-Twilio-Signature": Exchange(PUBLIC, "", key).sign(url, form)}


BAD_SIGNATURES = {
    "a wrong key": lambda door, form: signed(door, WEBHOOK, form, key="another"),
    "an empty key": lambda door, form: signed(door, WEBHOOK, form, key=""),
    "another call": lambda door, form: signed(door, WEBHOOK, {**form, "CallSid": "CA0"}),
    "another caller": lambda door, form: signed(door, WEBHOOK, {**form, "From": "+15550100007"}),
    "another route": lambda door, form: signed(door, f"{PUBLIC}/voice/status", form),
    "a query": lambda door, form: signed(door, f"{WEBHOOK}?a=b", form),
    "no fields": lambda door, form: signed(door, WEBHOOK, {}),
    "the host it came to": lambda door, form: signed(door, f"{door.api.listener.url}/voice/webhook", form),
    "a wrong host": lambda door, form: {**signed(door, f"{EVIL}/voice/webhook", form), "Host": "evil.example"},
    "forged forwarded headers": lambda door, form: {**signed(door, f"{EVIL}/voice/webhook", form), **FORGED},
    "junk": lambda door, form: {"X-Twilio-Signature": "junk"},
    "much junk": lambda door, form: {"X-Twilio-Signature": "A" * 3000},
}


@pytest.mark.parametrize("abuse", BAD_SIGNATURES)
async def test_a_webhook_that_twilio_has_not_signed_is_refused(knock, abuse):
    async with knock() as door:
        form = door.form()
        before = refused_signatures()
        reply = await door.twilio.post(WEBHOOK, form, BAD_SIGNATURES[abuse](door, form))
        problem_of(reply, 401, "bad_signature")
        assert refused_signatures() == before + 1
        assert not door.api.board.places
        assert door.nothing_begun


def problem_of(reply: Reply, status: int, code: str) -> None:
    assert (reply.status, json.loads(reply.text)["code"]) == (status, code), reply.text


async def test_without_a_signature_the_body_is_not_even_read(knock, logged):
    async with knock() as door:
        for path in ("/voice/webhook", *CALLBACKS):
            async with door.api.raw() as (reader, writer):
                head = f"POST {path} HTTP/1.1\r\nHost: {door.api.host}\r\nContent-Length: 60000\r\n\r\n"
                writer.write(head.encode())
                async with asyncio.timeout(1):
                    assert b" 401 " in await reader.readline()
        assert door.nothing_begun
    assert logged("without a good signature").count("without a good signature") == 5


async def test_two_signatures_are_none(knock):
    async with knock() as door:
        form = door.form()
        good = door.twilio.sign(WEBHOOK, form)
        async with door.api.client.post(
            f"{door.api.listener.url}/voice/webhook",
            data=form,
            headers=[("X-Twilio-Signature", "junk"), ("X-Twilio-Signature", good)],
        ) as response:
            assert response.status == 401


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, FORGED])
async def test_what_a_request_says_of_its_host_does_not_matter(knock, headers):
    async with knock() as door:
        reply = await door.twilio.post(WEBHOOK, door.form(), headers)
        assert reply.status == 200
        (verb,) = parse(reply.text)
        assert verb.url == STREAM


async def test_a_replayed_webhook_gets_the_same_answer_and_no_second_token(knock):
    async with knock() as door:
        form = door.form()
        replies = [await door.twilio.post(WEBHOOK, form) for _ in range(3)]
        again = await door.twilio.post(WEBHOOK, form, {"I-Twilio-Idempotency-Token": "another"})
        later = await door.twilio.post(WEBHOOK, {**form, "CallStatus": "in-progress"})
        assert {reply.text for reply in (*replies, again, later)} == {replies[0].text}
        assert len(door.api.board.places) == 1
        (verb,) = parse(replies[0].text)
        assert len(base64.urlsafe_b64decode(verb.parameters["token"] + "==")) == 16


@pytest.mark.parametrize("call_sid", ["", "  "])
async def test_a_signed_webhook_without_a_call_is_rejected(knock, call_sid):
    async with knock() as door:
        reply = await door.twilio.post(WEBHOOK, door.form(CallSid=call_sid))
        assert parse(reply.text) == [Reject("rejected")]
        assert not door.api.board.places


@pytest.mark.parametrize(("notice", "told"), [("We are full.", Say("We are full.")), ("", Reject("busy"))])
async def test_a_caller_who_finds_no_place_is_told_or_hears_that_it_is_busy(knock, notice, told):
    async with knock(notice=notice) as door:
        door.api.board.limit = 0
        assert parse((await door.twilio.post(WEBHOOK, door.form())).text) == [told]


async def test_what_is_too_big_too_slow_too_many_or_elsewhere_is_refused(knock):
    async with knock(headers=FAR, body_timeout_s=0.6, carrier_requests_per_address=8) as door:
        big = door.form(SpeechResult="a" * 65_536)
        problem_of(await door.twilio.post(WEBHOOK, big), 413, "body_too_large")

        async def slowly() -> bytes:
            async with door.api.raw() as (reader, writer):
                head = f"POST /voice/webhook HTTP/1.1\r\nHost: {door.api.host}\r\nX-Forwarded-For: 203.0.113.9\r\n"
                writer.write(f"{head}X-Twilio-Signature: slow\r\nContent-Length: 100\r\n\r\nCallSid=".encode())
                async with asyncio.timeout(5):
                    return await reader.readline()

        async with asyncio.TaskGroup() as group:
            slow = [group.create_task(slowly()) for _ in range(8)]
            reply = await door.twilio.post(WEBHOOK, door.form())
            while reply.status == 200:  # not all of the slow ones have come yet
                reply = await door.twilio.post(WEBHOOK, door.form())
            problem_of(reply, 429, "too_many_webhooks")
            elsewhere = await door.twilio.post(WEBHOOK, door.form(), {"X-Forwarded-For": "203.0.113.10"})
            assert elsewhere.status == 200
        assert all(b" 408 " in task.result() for task in slow)
        assert (await door.twilio.post(WEBHOOK, door.form())).status == 200

        async with door.api.request("GET", "/voice/webhook") as response:
            assert (response.status, response.headers["Allow"]) == (405, "POST")
        async with door.api.request("POST", "/voice/webhookX") as response:
            assert response.status == 404


async def test_without_a_carrier_there_is_nothing_there(api):
    for path in ("/voice/webhook", *CALLBACKS):
        async with api.request("POST", path, data={"CallSid": "CA1"}) as response:
            await api.problem(response, 404, "no_carrier")
    async with api.request("GET", "/voice/stream") as response:
        await api.problem(response, 404, "no_carrier")


async def test_a_callback_is_answered_with_nothing_and_taken_once(knock, logged):
    async with knock() as door:
        form = {**door.form(), "StreamEvent": "stream-error", "StreamError": "31924"}
        for _ in range(3):
            reply = await door.twilio.post(f"{PUBLIC}/voice/stream-status", form)
            assert reply.text == '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'
        for path in CALLBACKS:
            assert (await door.twilio.post(PUBLIC + path, {**form, "CallStatus": "in-progress"})).status == 200
            problem_of(await door.twilio.post(PUBLIC + path, form, {"X-Twilio-Signature": "x"}), 401, "bad_signature")
    # The two are another's: one more field is another callback.
    assert logged("failed at the carrier").count("failed at the carrier") == 2


async def test_a_caller_who_hangs_up_before_their_stream_begins_leaves_no_place_taken(knock):
    async with knock() as door:
        call_sid, verb = await door.call()
        assert door.api.board.places
        form = {**door.twilio.form(call_sid, CALLER, CALLEE), "CallStatus": "completed"}
        await door.twilio.post(f"{PUBLIC}/voice/status", form)
        assert not door.api.board.places
        async with stream(door, call_sid, verb.parameters) as socket:
            assert await closed(socket) == (1008, "Unknown call")


# --- streams ----------------------------------------------------------------------------------------------------------

Socket = aiohttp.ClientWebSocketResponse


def start(door: Door, call_sid: str, parameters: object, **changes: object) -> dict[str, object]:
    sid = new_sid("MZ")
    body = {
        "accountSid": "AC1",
        "streamSid": sid,
        "callSid": call_sid,
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": parameters,
        **changes,
    }
    return {"event": "start", "sequenceNumber": "1", "start": body, "streamSid": sid}


def media(chunk: int = 1, size: int = 160) -> dict[str, object]:
    payload = base64.b64encode(b"\xff" * size).decode()
    part = {"track": "inbound", "chunk": str(chunk), "timestamp": str(20 * chunk), "payload": payload}
    return {"event": "media", "sequenceNumber": str(chunk + 1), "media": part, "streamSid": "MZ"}


@asynccontextmanager
async def stream(door: Door, call_sid: str = "", parameters: object = None, **changes: object) -> AsyncIterator[Socket]:
    """A signed socket, with a start unless ``parameters`` is None."""
    address, headers = door.twilio.upgrade(STREAM)
    async with door.api.client.ws_connect(address, headers=headers, max_msg_size=0) as socket:
        await socket.send_json({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        if parameters is not None:
            await socket.send_json(start(door, call_sid, parameters, **changes))
        yield socket


async def closed(socket: Socket, timeout_s: float = 5.0) -> tuple[int, str]:
    """How the host has closed the socket."""
    async with asyncio.timeout(timeout_s):
        while True:
            message = await socket.receive()
            if message.type is aiohttp.WSMsgType.CLOSE:
                return int(message.data), str(message.extra or "")
            assert message.type is aiohttp.WSMsgType.TEXT, message


async def test_the_sequence_of_an_honest_stream(knock):
    async with knock() as door:
        call_sid, verb = await door.call()
        assert verb.status_callback == f"{PUBLIC}/voice/stream-status"
        async with stream(door, call_sid, dict(verb.parameters)) as socket:
            for chunk in range(3):
                await socket.send_json(media(chunk + 1))
            await socket.send_json({"event": "stop", "stop": {"callSid": call_sid}, "streamSid": "MZ"})
            assert await closed(socket) == (1000, "")
        (begun,) = door.api.board.started
        assert (begun["caller"], begun["callee"], begun["carriage"].call_id) == (CALLER, CALLEE, call_sid)
        assert not door.api.board.places


UPGRADES = {
    "unsigned": ("signature_missing", lambda door: {"X-Twilio-Signature": None}),
    "a wrong key": ("bad_signature", lambda door: signed(door, STREAM, {}, key="another")),
    "signed as https": ("bad_signature", lambda door: signed(door, f"{PUBLIC}/voice/stream", {})),
    "signed for a wrong host": (
        "bad_signature",
        lambda door: {**signed(door, "wss://evil.example/voice/stream", {}), "Host": "evil.example", **FORGED},
    ),
    "signed for the host it came to": (
        "bad_signature",
        lambda door: signed(door, f"ws://{door.api.host}/voice/stream", {}),
    ),
}


@pytest.mark.parametrize("abuse", UPGRADES)
async def test_an_upgrade_that_twilio_has_not_signed_is_refused(knock, abuse):
    code, headers = UPGRADES[abuse]
    async with knock() as door:
        before = refused_signatures()
        sent = {name: value for name, value in headers(door).items() if value}
        sent |= {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(b"0" * 16).decode(),
        }
        async with door.api.request("GET", "/voice/stream", headers=sent) as response:
            await door.api.problem(response, 401, code)
        assert refused_signatures() == before + 1
        assert door.nothing_begun


async def test_what_is_signed_and_no_websocket_is_told_so(knock):
    async with knock() as door, door.api.request("GET", "/voice/stream", headers=signed(door, STREAM, {})) as response:
        await door.api.problem(response, 426, "upgrade_required")


Abuse = Callable[[Door, Socket], Awaitable[None]]


async def nothing(door: Door, socket: Socket) -> None:
    """Connected, and not a word more."""


async def media_first(door: Door, socket: Socket) -> None:
    await socket.send_json(media())


async def binary(door: Door, socket: Socket) -> None:
    await socket.send_bytes(b"\x00\xff" * 100)


async def much_junk(door: Door, socket: Socket) -> None:
    for _ in range(30):
        await socket.send_str("junk")


async def many_messages(door: Door, socket: Socket) -> None:
    for _ in range(5000):
        await socket.send_str('{"event":"connected"}')


async def huge(door: Door, socket: Socket) -> None:
    await socket.send_str(" " * 65_537)


async def huge_start(door: Door, socket: Socket) -> None:
    await socket.send_json(start(door, "CA1", {"token": "a" * 70_000}))


async def no_token(door: Door, socket: Socket) -> None:
    call_sid, _ = await door.call()
    await socket.send_json(start(door, call_sid, {}))


async def guessed_token(door: Door, socket: Socket) -> None:
    call_sid, _ = await door.call()
    await socket.send_json(start(door, call_sid, {"token": "A" * 22}))


async def wrong_call(door: Door, socket: Socket) -> None:
    _, verb = await door.call()
    await socket.send_json(start(door, new_sid("CA"), dict(verb.parameters)))


async def no_call(door: Door, socket: Socket) -> None:
    _, verb = await door.call()
    await socket.send_json(start(door, None, dict(verb.parameters)))


async def other_sound(door: Door, socket: Socket) -> None:
    call_sid, verb = await door.call()
    sound = {"encoding": "audio/x-l16", "sampleRate": 16_000, "channels": 1}
    await socket.send_json(start(door, call_sid, dict(verb.parameters), mediaFormat=sound))


STREAMS: dict[str, tuple[Abuse, int, str]] = {
    "no start": (nothing, 1008, "Start timeout"),
    "sound before the start": (media_first, 1008, "Missing start"),
    "binary junk": (binary, 1003, "Binary message"),
    "text junk without end": (much_junk, 1008, "Not a media stream"),
    "5,000 messages a second": (many_messages, 1008, "Too many messages"),
    "a huge message": (huge, 1009, ""),
    "a huge start": (huge_start, 1009, ""),
    "no token": (no_token, 1008, "Unknown call"),
    "a guessed token": (guessed_token, 1008, "Unknown call"),
    "another call's token": (wrong_call, 1008, "Unknown call"),
    "no CallSid": (no_call, 1008, "Missing callSid"),
    "other sound than mu-law": (other_sound, 1008, "Unsupported media format"),
}


@pytest.mark.parametrize("abuse", STREAMS)
async def test_a_stream_that_is_no_calls_is_closed_and_nothing_begins(knock, abuse, logged):
    act, code, reason = STREAMS[abuse]
    async with knock(stream_start_timeout_s=0.3 if act is nothing else 10) as door:
        before = refused_streams()
        async with stream(door) as socket:
            with suppress(ConnectionError):  # it is closed before all was sent
                await act(door, socket)
            got = await closed(socket)
        assert got[0] == code
        assert re.match(reason, got[1])
        assert door.nothing_begun
        # A message that is too long is no more than a socket that was closed before its start.
        assert refused_streams() - before == (0 if code == 1009 else 1)
    assert code == 1009 or reason in logged("media stream closed")


async def test_a_token_is_good_for_one_stream(knock):
    async with knock() as door:
        call_sid, verb = await door.call()
        async with stream(door, call_sid, dict(verb.parameters)) as first:
            await first.send_json(media())
            async with stream(door, call_sid, dict(verb.parameters)) as second:
                assert await closed(second) == (1008, "Unknown call")
            assert not first.closed
        assert len(door.api.board.started) == 1


async def test_a_token_that_came_with_another_call_is_spent(knock):
    async with knock() as door:
        call_sid, verb = await door.call()
        for sid in (new_sid("CA"), call_sid):
            async with stream(door, sid, dict(verb.parameters)) as socket:
                assert await closed(socket) == (1008, "Unknown call")
        assert door.nothing_begun
        assert not door.api.board.places


async def test_a_call_has_one_start(knock):
    async with knock() as door:
        call_sid, verb = await door.call()
        async with stream(door, call_sid, dict(verb.parameters)) as socket:
            await socket.send_json(start(door, call_sid, dict(verb.parameters)))
            assert await closed(socket) == (1008, "Duplicate start")


async def test_one_message_that_can_not_be_read_ends_no_call(knock):
    async with knock() as door:
        call_sid, verb = await door.call()
        async with stream(door, call_sid, dict(verb.parameters)) as socket:
            await socket.send_str("{junk")
            await socket.send_json(media())
            await socket.send_json({"event": "stop", "stop": {}, "streamSid": "MZ"})
            assert await closed(socket) == (1000, "")


async def test_a_call_that_floods_is_ended(knock):
    async with knock() as door:
        call_sid, verb = await door.call()
        async with stream(door, call_sid, dict(verb.parameters)) as socket:
            with suppress(ConnectionError):
                for chunk in range(5000):
                    await socket.send_json(media(chunk + 1))
            assert await closed(socket) == (1008, "Too many messages")


async def test_sockets_without_a_start_are_few_in_all_and_of_one_address(knock):
    async with knock(pending_streams=1) as door, stream(door), stream(door) as second:
        assert await closed(second) == (1013, "Too many pending media stream connections")
    async with knock(headers=FAR, carrier_requests_per_address=2) as door, stream(door), stream(door):
        async with stream(door) as third:
            assert (await closed(third))[0] == 1013
        door.twilio.headers = {"X-Forwarded-For": "203.0.113.77"}
        async with stream(door) as elsewhere:
            with pytest.raises(TimeoutError):
                await closed(elsewhere, 0.2)


async def test_a_frame_that_comes_byte_by_byte_is_not_waited_for(knock):
    async with knock(stream_start_timeout_s=0.3) as door, door.api.raw() as (reader, writer):
        head = (
            f"GET /voice/stream HTTP/1.1\r\nHost: {door.api.host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {base64.b64encode(b'0' * 16).decode()}\r\n"
            f"X-Twilio-Signature: {door.twilio.sign(STREAM)}\r\n\r\n"
        )
        writer.write(head.encode())
        async with asyncio.timeout(5):
            assert b" 101 " in await reader.readline()
            await reader.readuntil(b"\r\n\r\n")
            frame = iter(b"\x81\xfe\xff\xff" + b"a" * 1000)
            closing = asyncio.create_task(reader.read(2))
            while not closing.done():
                writer.write(bytes([next(frame)]))
                await asyncio.wait({closing}, timeout=0.02)
            assert closing.result()[:1] == b"\x88", "a close frame"
        assert door.nothing_begun


async def test_a_carrier_that_does_not_read_is_not_waited_for():
    """What waits for it is bounded; the sound that is ever sent ahead is a hundredth of that."""
    faults: asyncio.Queue[StreamFaultError] = asyncio.Queue()

    async def pour(request: aiohttp.web.Request) -> aiohttp.web.StreamResponse:
        response = TappedWebSocket(timeout=0.2)
        await response.prepare(request)
        socket = StreamSocket(request, response, 1_048_576)
        try:
            for _ in range(10_000):
                await socket.send("a" * 8192)
        except StreamFaultError as fault:
            await socket.close(fault.code, fault.reason)
            faults.put_nowait(fault)
        return response

    app = aiohttp.web.Application()
    app.router.add_get("/", pour)
    runner = aiohttp.web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1], limit=4096)
        key = base64.b64encode(b"0" * 16).decode()
        writer.write(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        async with asyncio.timeout(10):
            fault = await faults.get()
        assert (fault.code, fault.reason) == (1013, "Backpressure: send buffer exceeded")
        writer.close()
    finally:
        await runner.cleanup()
