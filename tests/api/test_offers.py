"""An offer becomes a call; whatever is wrong with it, the right answer comes and nothing is left behind."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription

from openclaw_actors.errors import RefusalError
from openclaw_actors.observability import metrics
from openclaw_actors.settings.sections import Auth, Limits, Server, WebRtc
from tests.api.sdp import OFFER

FOREIGN = {"X-Forwarded-For": "203.0.113.9", "Authorization": "Bearer a-token"}
"""A caller from the internet, by way of a trusted proxy on this machine."""
PROXIED = {"server": Server(port=0, trusted_proxies=("127.0.0.1",)), "auth": Auth(tokens=("a-token",))}


def rejected(reason: str) -> float:
    return metrics.REGISTRY.get_sample_value("openclaw_actors_calls_rejected_total", {"reason": reason}) or 0.0


async def test_an_offer_is_answered_and_its_call_begins(api):
    async with api.offer({"sdp": OFFER, "type": "offer", "metadata": {"name": "Ada"}}) as response:
        assert response.status == 200
        assert response.content_type == "application/json"
        assert response.headers["Cache-Control"] == "no-store"
        assert await response.json() == {
            "sdp": "v=0\r\n",
            "type": "answer",
            "call_id": "call_1",
            "resume_token": "resume-call_1",
        }
        location = response.headers["Location"]
    assert location.startswith("/webrtc/sessions/")
    assert "call_1" not in location
    assert len(location.rpartition("/")[2]) >= 22  # 128 bits in base64url
    (begun,) = api.board.started
    begun.pop("profile")
    assert begun == {"call_id": "call_1", "caller": "127.0.0.1", "metadata": {"name": "Ada"}}
    assert api.board.places == set()
    assert not api.peers[0].closed.is_set()


async def test_the_sessions_address_ends_the_call_once(api):
    async with api.offer() as response:
        location = response.headers["Location"]
    async with api.request("DELETE", location) as response:
        assert response.status == 200
    assert api.board.hung_up == [("call_1", "caller_hangup")]
    async with api.request("DELETE", location) as response:
        await api.problem(response, 404, "no_such_session")


async def test_a_session_needs_no_token_but_its_secret(serve):
    async with serve(auth=Auth(tokens=("a-token",), allow_anonymous_loopback=False)) as api:
        async with api.offer(headers={"Authorization": "Bearer a-token"}) as response:
            location = response.headers["Location"]
        async with api.request("DELETE", "/webrtc/sessions/guessed") as response:
            await api.problem(response, 404, "no_such_session")
        async with api.request("DELETE", location) as response:
            assert response.status == 200


async def test_a_call_that_ended_by_itself_is_no_session_any_more(api):
    async with api.offer() as response:
        location = response.headers["Location"]
    api.board.calls.clear()
    async with api.request("DELETE", location) as response:
        await api.problem(response, 404, "no_such_session")


async def test_a_caller_who_comes_back_gets_a_new_address_and_the_old_page_can_not_end_the_call(api):
    async with api.offer() as response:
        old = response.headers["Location"]
    async with api.offer({"sdp": OFFER, "type": "offer", "resume": "call_1"}) as response:
        assert (await response.json())["call_id"] == "call_1"
        new = response.headers["Location"]
    async with api.request("DELETE", old) as response:
        await api.problem(response, 404, "no_such_session")
    assert api.board.hung_up == []
    async with api.request("DELETE", new) as response:
        assert response.status == 200


# --- bad inputs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "bad_json"),
        (b"\xff\xfe", 400, "bad_json"),
        (b"[" * 50_000, 400, "bad_json"),
        (b"", 400, "no_body"),
        (b"   ", 400, "no_body"),
        (b"[]", 422, "invalid_fields"),
        (b"null", 422, "invalid_fields"),
        (b'"offer"', 422, "invalid_fields"),
        (b"{}", 422, "invalid_fields"),
        (b'{"type": "offer"}', 422, "invalid_fields"),
        (b'{"sdp": 1, "type": "offer"}', 422, "invalid_fields"),
        (b'{"sdp": "v=0", "type": null}', 422, "invalid_fields"),
        (b'{"sdp": "v=0", "type": "offer", "metadata": []}', 422, "invalid_fields"),
        (b'{"sdp": "v=0", "type": "offer", "resume": 5}', 422, "invalid_fields"),
        (json.dumps({"sdp": "v=0", "type": "offer", "resume": "x" * 300}).encode(), 422, "invalid_fields"),
        (json.dumps({"sdp": OFFER, "type": "answer"}).encode(), 422, "not_an_offer"),
        (json.dumps({"sdp": "", "type": "offer"}).encode(), 400, "bad_sdp"),
        (json.dumps({"sdp": "hello", "type": "offer"}).encode(), 400, "bad_sdp"),
        (json.dumps({"sdp": OFFER.replace("m=audio", "m=video"), "type": "offer"}).encode(), 422, "no_audio"),
        (json.dumps({"sdp": OFFER + "a=x\r\n" * 7_000, "type": "offer"}).encode(), 413, "sdp_too_large"),
        (json.dumps({"sdp": "v=0\r\n" * 60_000, "type": "offer"}).encode(), 413, "body_too_large"),
    ],
)
async def test_a_bad_body_is_refused_with_what_is_wrong(api, body, status, code):
    before = rejected("offer")
    headers = {"Content-Type": "application/json"}
    async with api.request("POST", "/webrtc/offer", data=body, headers=headers) as response:
        await api.problem(response, status, code)
    assert rejected("offer") == before + 1
    assert api.peers == []
    assert api.board.places == set()


async def test_wrong_types_are_named_field_by_field(api):
    async with api.offer({"sdp": 1, "type": "offer", "metadata": 2}) as response:
        body = await api.problem(response, 422, "invalid_fields")
    assert [each["field"] for each in body["errors"]] == ["sdp", "metadata"]
    assert "sdp" in body["detail"]


async def test_5000_candidates_are_refused_before_they_cost_anything(serve):
    candidates = "".join(f"a=candidate:{n} 1 udp 1 198.51.100.1 {n + 1} typ host\r\n" for n in range(5000))
    async with serve(limits=Limits(body_bytes=1_000_000, sdp_bytes=500_000)) as api:
        async with api.offer({"sdp": OFFER + candidates, "type": "offer"}) as response:
            await api.problem(response, 422, "too_many_candidates")
        assert api.peers == []


@pytest.mark.parametrize("content_type", ["text/plain", "application/sdp", "application/x-www-form-urlencoded"])
async def test_a_body_of_another_type_is_refused(api, content_type):
    headers = {"Content-Type": content_type}
    async with api.request("POST", "/webrtc/offer", data=b"v=0", headers=headers) as response:
        await api.problem(response, 415, "unsupported_media_type")


async def test_a_request_without_body_is_refused(api):
    async with api.request("POST", "/webrtc/offer") as response:
        await api.problem(response, 400, "no_body")


async def test_a_chunked_body_is_cut_off_where_it_grows_too_long(api):
    async def endless():
        while True:
            yield b" " * 10_000

    headers = {"Content-Type": "application/json"}
    async with api.request("POST", "/webrtc/offer", data=endless(), headers=headers) as response:
        await api.problem(response, 413, "body_too_large")


async def test_a_gzip_bomb_is_measured_unpacked(api):
    import gzip

    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    bomb = gzip.compress(b" " * 3_000_000)
    assert len(bomb) < 10_000
    async with api.request("POST", "/webrtc/offer", data=bomb, headers=headers) as response:
        await api.problem(response, 413, "body_too_large")


async def test_a_body_that_does_not_come_is_waited_for_no_longer_than_the_limit(serve):
    async with serve(limits=Limits(body_timeout_s=0.05)) as api, api.raw() as (reader, writer):
        head = f"POST /webrtc/offer HTTP/1.1\r\nHost: {api.host}\r\nContent-Type: application/json\r\n"
        writer.write(head.encode() + b'Content-Length: 100\r\n\r\n{"sdp')
        async with asyncio.timeout(5):
            answer = await reader.readuntil(b"}")
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b'"slow_body"' in answer
            assert await reader.read() == b""  # and the connection is closed
        assert api.peers == []


# --- nothing is left behind -----------------------------------------------------------------------------------------


async def test_a_full_host_refuses_and_says_when_to_come_back(api):
    api.board.limit = 0
    async with api.offer() as response:
        await api.problem(response, 503, "full")
        assert response.headers["Retry-After"] == "10"
    assert api.peers == []


async def test_a_draining_host_refuses(api):
    api.board.draining = True
    async with api.offer() as response:
        await api.problem(response, 503, "draining")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(RefusalError(422, "ice_failed", "no way"), 422, "ice_failed"), (ValueError("boom"), 500, "internal_error")],
)
async def test_a_connection_that_can_not_answer_is_closed_and_its_place_free(api, error, status, code):
    api.peer_fails = error
    async with api.offer() as response:
        body = await api.problem(response, status, code)
    assert "boom" not in body["detail"]
    assert api.peers[0].closed.is_set()
    assert api.board.places == set()


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(RefusalError(503, "not_ready", "no engine"), 503, "not_ready"), (RuntimeError("boom"), 500, "internal_error")],
)
async def test_a_call_that_can_not_begin_leaves_no_connection_and_no_place(api, error, status, code):
    api.board.start_fails = error
    async with api.offer() as response:
        await api.problem(response, status, code)
    assert api.peers[0].closed.is_set()
    assert api.board.places == set()


async def test_a_resume_token_that_has_expired_is_refused(api):
    async with api.offer({"sdp": OFFER, "type": "offer", "resume": "long gone"}) as response:
        await api.problem(response, 410, "resume_expired")
    assert api.peers[0].closed.is_set()


async def test_a_switchboard_that_does_not_answer_holds_no_place_for_ever(serve):
    async with serve(limits=Limits(setup_timeout_s=0.05)) as api:
        api.board.holds_start.clear()
        async with api.offer() as response:
            await api.problem(response, 503, "setup_timeout")
        assert api.peers[0].closed.is_set()
        assert api.board.places == set()


@pytest.mark.parametrize("held", ["answer", "start"])
async def test_a_client_that_leaves_while_its_call_is_set_up_leaves_nothing(api, held):
    (api.peers_may_answer if held == "answer" else api.board.holds_start).clear()
    asking = asyncio.create_task(anext(aiter_of(api)))
    peer = await api.asked_peer()
    asking.cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(asking, return_exceptions=True)
        await peer.closed.wait()
    assert api.board.places == set()
    assert api.board.started == []


async def aiter_of(api):
    async with api.offer() as response:
        yield response.status


# --- bounds ---------------------------------------------------------------------------------------------------------


async def test_a_client_may_offer_only_so_often(serve):
    async with serve(**PROXIED, limits=Limits(offers_per_second=0.5, offers_burst=2)) as api:
        for _ in range(2):
            async with api.offer(headers=FOREIGN) as response:
                assert response.status == 200
        before = rejected("rate")
        async with api.offer(headers=FOREIGN) as response:
            await api.problem(response, 429, "too_many_offers")
            assert response.headers["Retry-After"] == "2"
        assert rejected("rate") == before + 1
        async with api.offer(headers=FOREIGN | {"X-Forwarded-For": "203.0.113.10"}) as response:
            assert response.status == 200, "another client is not held liable"
        api.clock[0] += 2
        async with api.offer(headers=FOREIGN) as response:
            assert response.status == 200


async def test_clients_on_this_machine_are_not_limited(serve):
    async with serve(limits=Limits(offers_per_second=0.001, offers_burst=1, pending_offers=1)) as api:
        for _ in range(4):
            async with api.offer() as response:
                assert response.status == 200


async def test_a_proxy_on_this_machine_does_not_lift_the_limit(serve):
    limits = Limits(offers_per_second=0.001, offers_burst=1)
    async with serve(auth=Auth(offer="open"), limits=limits) as api:
        headers = {"X-Forwarded-For": "203.0.113.9"}
        async with api.offer(headers=headers) as response:
            assert response.status == 200
        async with api.offer(headers=headers) as response:
            await api.problem(response, 429, "too_many_offers")


async def test_only_so_many_calls_are_set_up_at_once(serve):
    async with serve(**PROXIED, limits=Limits(pending_offers=1)) as api:
        api.peers_may_answer.clear()

        async def first() -> int:
            async with api.offer(headers=FOREIGN) as response:
                return response.status

        pending = asyncio.create_task(first())
        await api.asked_peer()
        async with api.offer(headers=FOREIGN) as response:
            await api.problem(response, 503, "too_many_pending")
            assert response.headers["Retry-After"] == "1"
        api.peers_may_answer.set()
        assert await pending == 200
        async with api.offer(headers=FOREIGN) as response:
            assert response.status == 200


# --- candidates and the real thing -----------------------------------------------------------------------------------

PRIVATE_CANDIDATE = "a=candidate:1 1 udp 2130706431 10.1.2.3 50000 typ host\r\n"


@pytest.mark.parametrize(
    ("client", "choice", "kept"),
    [
        ("203.0.113.9", "auto", True),  # a documentation range: no part of the internet
        ("8.8.8.8", "auto", False),
        ("192.168.1.7", "auto", True),
        ("8.8.8.8", "yes", True),
        ("192.168.1.7", "no", False),
    ],
)
async def test_private_candidates_are_for_clients_in_private_networks(serve, client, choice, kept):
    sdp = OFFER.replace("a=mid:0\r\n", "a=mid:0\r\n" + PRIVATE_CANDIDATE)
    async with serve(**PROXIED, webrtc=WebRtc(allow_private=choice)) as api:
        async with api.offer({"sdp": sdp, "type": "offer"}, headers=FOREIGN | {"X-Forwarded-For": client}) as response:
            assert response.status == 200
        assert ("10.1.2.3" in api.peers[0].offer.sdp) is kept


async def test_behind_an_unknown_tunnel_nobody_is_private(serve):
    sdp = OFFER.replace("a=mid:0\r\n", "a=mid:0\r\n" + PRIVATE_CANDIDATE)
    async with serve(auth=Auth(offer="open")) as api:
        async with api.offer({"sdp": sdp, "type": "offer"}, headers={"Via": "1.1 tunnel"}) as response:
            assert response.status == 200
        assert "10.1.2.3" not in api.peers[0].offer.sdp


async def test_ice_servers_are_told_as_a_browser_wants_them(serve):
    webrtc = WebRtc(ice_servers=({"urls": ("turn:t.example:3478",), "username": "u", "credential": "c"},))
    async with serve(webrtc=webrtc) as api, api.request("GET", "/webrtc/ice-servers") as response:
        assert await response.json() == {
            "ice_servers": [{"urls": ["turn:t.example:3478"], "username": "u", "credential": "c"}]
        }


async def test_a_real_client_gets_a_real_answer(serve):
    async with serve(real_peers=True) as api:
        caller = RTCPeerConnection()
        caller.addTransceiver("audio")
        caller.createDataChannel("events")
        await caller.setLocalDescription(await caller.createOffer())
        body = {"sdp": caller.localDescription.sdp, "type": "offer"}
        async with api.offer(body) as response:
            answer = await response.json()
            assert response.status == 200, answer
        await caller.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        assert "opus/48000/2" in answer["sdp"]
        await caller.close()
        for peer in api.board.calls.values():
            await peer.aclose()
