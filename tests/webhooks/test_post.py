"""One attempt against receivers of every kind: what it is taken for, and how little a bad one can cost."""

from __future__ import annotations

import asyncio
import json
import socket
import time

import pytest
from aiohttp import web

from openclaw_actors.webhooks.post import ANSWER_BYTES, Poster

BODY = json.dumps({"id": "evt_1", "type": "call.ended"}).encode()


@pytest.fixture
def post(settings_for):
    async def post(url: str, **settings):
        async with Poster(settings_for(url, **settings)) as poster:
            return await poster.post(url, "evt_1", BODY)

    return post


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(200, "delivered"), (202, "delivered"), (204, "delivered"), (410, "gone")]
    + [(each, "failed") for each in (400, 401, 404, 429, 500, 503)],
)
async def test_a_status_is_taken_for_what_it_says(receiver_at, post, status, verdict):
    async with receiver_at(status) as receiver:
        outcome = await post(receiver.url)
    assert outcome.verdict == verdict
    assert str(status) in outcome.detail
    assert [each["id"] for each in receiver.taken] == ["evt_1"]
    assert all(agent.startswith("openclaw-actors/") for agent in receiver.agents)


async def test_a_redirect_is_not_followed_for_it_could_lead_inside(receiver_at, post):
    async with receiver_at() as inside:

        async def redirect(request):
            return web.Response(status=307, headers={"Location": inside.url})

        async with receiver_at(redirect) as receiver:
            outcome = await post(receiver.url)
    assert outcome.verdict == "failed"
    assert "307" in outcome.detail
    assert inside.taken == []


@pytest.mark.parametrize(
    ("asked", "waited"),
    [("30", 30.0), ("999999", 3600.0), ("-5", 0.0), ("nan", 0.0), ("Fri, 20 Nov 2026 14:00:00 GMT", 0.0), ("", 0.0)],
)
async def test_retry_after_is_honoured_within_reason(receiver_at, post, asked, waited):
    async def busy(request):
        return web.Response(status=429, headers={"Retry-After": asked})

    async with receiver_at(busy) as receiver:
        assert (await post(receiver.url)).retry_after_s == waited


async def test_a_receiver_that_hangs_costs_its_time_out_and_no_more(receiver_at, post):
    async with receiver_at() as receiver:
        receiver.answers.append(receiver.hang)
        began = time.monotonic()
        outcome = await post(receiver.url, timeout_s=0.3)
        assert outcome.verdict == "failed"
        assert "0.3 s" in outcome.detail
        assert time.monotonic() - began < 3


async def test_a_long_answer_is_not_read(receiver_at, post):
    sent = 0
    broken = asyncio.Event()

    async def pour(request):
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            for _ in range(100_000):
                await response.write(b"x" * 65_536)
                sent += 65_536
        except (ConnectionError, asyncio.CancelledError):
            broken.set()
            raise
        return response

    async with receiver_at(pour) as receiver:
        outcome = await post(receiver.url)
        assert outcome.verdict == "delivered"
        async with asyncio.timeout(5):
            await broken.wait()
    # What is between the two programs' sockets, not the 6.5 GB that it has.
    assert ANSWER_BYTES < sent < 50_000_000


async def test_an_answer_that_dribbles_in_does_not_undo_the_delivery(receiver_at, post):
    async with receiver_at() as receiver:

        async def dribble(request):
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"a")
            await receiver.closing.wait()
            return response

        receiver.answers.append(dribble)
        began = time.monotonic()
        assert (await post(receiver.url, timeout_s=5)).verdict == "delivered"
        assert time.monotonic() - began < 4


async def test_a_dead_port_fails_at_once(post):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        outcome = await post(f"http://127.0.0.1:{unused.getsockname()[1]}/hook")
    assert outcome.verdict == "failed"
    assert "no connection" in outcome.detail


@pytest.mark.parametrize(
    "answer", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * 20_000 + b"\r\n\r\n", b""]
)
async def test_an_answer_that_is_no_http_is_a_failure(post, answer):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert (await post(f"http://127.0.0.1:{port}/hook")).verdict == "failed"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.0.0.1", "127.1", "2130706433"])
async def test_this_machine_is_not_reached_under_any_name_unless_allowed(receiver_at, post, host):
    async with receiver_at() as receiver:
        url = receiver.url.replace("127.0.0.1", host)
        outcome = await post(url, allow_private=False)
        assert receiver.taken == []
        if host in {"127.1", "2130706433"}:
            assert outcome.verdict == "failed"  # aiohttp takes only one spelling of an address
        else:
            assert outcome.verdict == "blocked"
            assert "webhooks.allow_private" in outcome.detail
        assert (await post(receiver.url.replace("127.0.0.1", "localhost"))).verdict == "delivered"


async def test_a_name_that_leads_outside_and_inside_is_judged_by_the_address_that_is_connected(
    receiver_at, settings_for, monkeypatch
):
    """The answer of a look-up is used once: the second look-up of a rebinding attack never happens."""
    async with receiver_at() as receiver:
        port = int(receiver.url.rsplit(":", 1)[1].split("/")[0])
        looked_up = []

        def rebinding(host, *rest, **options):
            looked_up.append(host)
            address = "169.254.169.254" if len(looked_up) == 1 else "127.0.0.1"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

        monkeypatch.setattr(socket, "getaddrinfo", rebinding)
        url = f"http://hooks.example:{port}/hook"
        async with Poster(settings_for(url, allow_private=False)) as poster:
            assert (await poster.post(url, "evt_1", BODY)).verdict == "blocked"
            assert looked_up == ["hooks.example"]
            assert (await poster.post(url, "evt_1", BODY)).verdict == "blocked"
        assert receiver.taken == []


async def test_a_name_without_an_address_says_so(settings_for, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    async with Poster(settings_for("https://hooks.example/")) as poster:
        outcome = await poster.post("https://hooks.example/", "evt_1", BODY)
    assert outcome.verdict == "failed"
    assert "DNS" in outcome.detail


async def test_a_detail_never_holds_the_url_for_it_may_hold_a_secret(receiver_at, post):
    async with receiver_at(500, 302, 410) as receiver:
        for _ in range(3):
            outcome = await post(receiver.url + "?key=hush")
            assert "hush" not in outcome.detail
            assert "/hook" not in outcome.detail
