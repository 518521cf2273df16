"""``/webrtc/whip``: SDP in, SDP out, candidates by PATCH under the right tag; what strangers may try is refused."""

from __future__ import annotations

import re

import pytest
from pydantic import SecretStr

from openclaw_actors.api.whip import ice_server_links
from openclaw_actors.settings.sections import Auth, IceServer, Limits, Server, WebRtc
from tests.api.sdp import OFFER

UFRAG = re.search(r"a=ice-ufrag:(\S+)", OFFER)[1]
MID = re.search(r"a=mid:(\S+)", OFFER)[1]
PUBLIC = "1 1 udp 2130706431 203.0.113.9 50000 typ host"


def post(api, sdp: str = OFFER, **headers: str):
    return api.request("POST", "/webrtc/whip", data=sdp, headers={"Content-Type": "application/sdp", **headers})


def fragment(*candidates: str, ufrag: str = UFRAG, mid: str = MID) -> str:
    lines = [
        f"a=ice-ufrag:{ufrag}",
        "a=ice-pwd:aaaaaaaaaaaaaaaaaaaaaa",
        "m=audio 9 UDP/TLS/RTP/SAVPF 0",
        f"a=mid:{mid}",
    ]
    return "\r\n".join([*lines, *(f"a=candidate:{each}" for each in candidates)]) + "\r\n"


def patch(api, session, body: str | bytes, **headers: str | None):
    sent = {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": session["ETag"], **headers}
    return api.request(
        "PATCH", session["Location"], data=body, headers={name: value for name, value in sent.items() if value}
    )


@pytest.fixture
async def session(api):
    """The headers of an answer."""
    async with post(api) as response:
        assert response.status == 201, await response.text()
        return response.headers


async def test_an_offer_is_answered_with_sdp_a_secret_address_and_a_tag(api):
    async with post(api) as response:
        assert (response.status, response.content_type) == (201, "application/sdp")
        assert (await response.text()).startswith("v=0")
        assert re.fullmatch(r"/webrtc/sessions/[\w-]{22}", response.headers["Location"])
        assert re.fullmatch(r'"[0-9a-f]{16}"', response.headers["ETag"])
        assert response.headers["Openclaw-Call-Id"] == "call_1"
        assert response.headers["Openclaw-Resume-Token"] == "resume-call_1"
        assert "Link" not in response.headers
        assert "call_1" not in response.headers["Location"]
    async with api.request("DELETE", response.headers["Location"]) as response:
        assert response.status == 200
    assert api.board.hung_up == [("call_1", "caller_hangup")]


async def test_a_token_in_a_header_brings_the_caller_back(api):
    async with post(api) as first:
        assert first.status == 201
    async with post(api, **{"Openclaw-Resume-Token": "call_1"}) as again:
        assert again.headers["Openclaw-Call-Id"] == "call_1"
    async with post(api, **{"Openclaw-Resume-Token": "unknown"}) as late:
        await api.problem(late, 410, "resume_expired")
    async with post(api, **{"Openclaw-Resume-Token": "x" * 300}) as long:
        await api.problem(long, 422, "invalid_fields")


async def test_the_ice_servers_stand_in_links(serve):
    servers = (
        IceServer(urls=("stun:stun.example.org:3478",)),
        IceServer(urls=("turn:turn.example.org:3478?transport=udp", "turns:turn.example.org:5349")),
    )
    relayed = WebRtc(ice_servers=servers, turn_secret=SecretStr("secret"))
    async with serve(webrtc=relayed) as api, post(api) as response:
        links = response.headers.getall("Link")
    assert links[0] == '<stun:stun.example.org:3478>; rel="ice-server"'
    pattern = r'<turns?:\S+>; rel="ice-server"; username="\d+:\w+"; credential="[\w+/=]+"; credential-type="password"'
    assert all(re.fullmatch(pattern, link) for link in links[1:])
    assert len(links) == 3


def test_a_credential_is_quoted_as_http_wants_it():
    (link,) = ice_server_links([{"urls": ["turn:t:1"], "username": 'a"b\\', "credential": "c"}])
    assert r'username="a\"b\\"' in link


async def test_candidates_that_come_later_reach_the_connection_if_they_may_be_sent_to(api, session):
    more = fragment(PUBLIC, "2 1 udp 1 127.0.0.1 50000 typ host", "3 1 udp 1 169.254.169.254 5000 typ host")
    async with patch(api, session, more) as response:
        assert (response.status, await response.read()) == (204, b"")
        assert "ETag" not in response.headers
    assert api.peers[0].trickled == [(MID, PUBLIC)]
    named = fragment("4 1 udp 1 name.local 5000 typ host") + "a=end-of-candidates\r\n"
    async with patch(api, session, named) as response:
        assert response.status == 204, "what can't be resolved is passed over (RFC 9725 section 4.3.1)"
    async with patch(api, session, fragment(PUBLIC, mid="elsewhere")) as response:
        assert response.status == 204
    assert len(api.peers[0].trickled) == 1


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"If-Match": None}, 428, "tag_required"),
        ({"If-Match": '"another"'}, 412, "tag_mismatch"),
        ({"If-Match": "*"}, 422, "no_ice_restart"),
        ({"Content-Type": "application/sdp"}, 415, "unsupported_media_type"),
    ],
)
async def test_a_patch_must_name_the_ice_session_and_its_own_type(api, session, headers, status, code):
    async with patch(api, session, fragment(PUBLIC), **headers) as response:
        await api.problem(response, status, code)
    assert not api.peers[0].trickled


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("", 400, "no_body"),
        ("hello", 400, "bad_fragment"),
        ("a=candidate:1\r\n", 400, "bad_fragment"),
        (b"a=ice-ufrag:\xff\xfe\r\n", 400, "bad_body"),
        ("a=ice-ufrag:ab\r\n", 400, "bad_fragment"),
        (fragment(PUBLIC) + "a=ice-ufrag:other\r\n", 400, "bad_fragment"),
        (fragment(PUBLIC, ufrag="fresh"), 422, "no_ice_restart"),
        (fragment(*[PUBLIC] * 200), 422, "too_many_candidates"),
        (fragment(PUBLIC) + "a=x:" + "y" * 1900 + "\r\n" + "a=z\r\n" * 10_000, 413, "sdp_too_large"),
        ("a" * 70_000, 413, "body_too_large"),
    ],
)
async def test_what_is_no_fragment_of_this_session_is_refused(api, session, body, status, code):
    async with patch(api, session, body) as response:
        await api.problem(response, status, code)
    assert not api.peers[0].trickled


async def test_candidates_are_counted_over_all_patches(serve):
    async with serve(limits=Limits(candidates=4)) as api:
        async with post(api, re.sub(r"a=candidate:.*\r?\n", "", OFFER)) as response:
            session = response.headers
        refused = []
        for _ in range(6):
            async with patch(api, session, fragment(PUBLIC, PUBLIC, PUBLIC)) as response:
                refused.append(response.status)
        assert refused[0] == 204
        assert refused[-1] == 422


async def test_a_session_that_is_over_takes_nothing(api, session):
    async with api.request("DELETE", session["Location"]) as response:
        assert response.status == 200
    async with patch(api, session, fragment(PUBLIC)) as response:
        await api.problem(response, 404, "no_such_session")


@pytest.mark.parametrize(
    ("sdp", "content_type", "status", "code"),
    [
        ("", "application/sdp", 400, "no_body"),
        ("hello", "application/sdp", 400, "bad_sdp"),
        (OFFER, "application/json", 415, "unsupported_media_type"),
        ("v=0\r\n" + "a=x\r\n" * 10_000, "application/sdp", 413, "sdp_too_large"),
    ],
)
async def test_what_is_no_offer_is_refused(api, sdp, content_type, status, code):
    async with api.request("POST", "/webrtc/whip", data=sdp, headers={"Content-Type": content_type}) as response:
        await api.problem(response, status, code)
    assert not api.board.places


async def test_a_token_is_asked_for_where_offers_ask_for_one(serve):
    async with serve(auth=Auth(tokens=(SecretStr("t" * 20),), allow_anonymous_loopback=False)) as api:
        async with post(api) as response:
            await api.problem(response, 401, "token_required")
        async with post(api, Authorization="Bearer " + "t" * 20) as response:
            assert response.status == 201


async def test_a_client_learns_what_may_be_posted(api):
    async with api.request("OPTIONS", "/webrtc/whip") as response:
        assert (response.status, response.headers["Accept-Post"]) == (204, "application/sdp")
    for method in ("GET", "PUT"):
        async with api.request(method, "/webrtc/whip") as response:
            await api.problem(response, 405, "method_not_allowed")


async def test_patches_of_strangers_are_limited_in_rate(serve):
    proxied = Server(port=0, trusted_proxies=("127.0.0.1",))
    async with serve(limits=Limits(requests_per_second=1, requests_burst=2), server=proxied) as api:
        codes = []
        for _ in range(4):
            headers = {"X-Forwarded-For": "203.0.113.7", "Content-Type": "application/trickle-ice-sdpfrag"}
            async with api.request("PATCH", "/webrtc/sessions/guessed", data="x", headers=headers) as response:
                codes.append(response.status)
    assert codes == [404, 404, 429, 429]
