"""Join tokens: made by a program, used by a browser, once."""

from __future__ import annotations

import asyncio
import time

import jwt
import pytest

from openclaw_actors.errors import RefusalError, StoreUnavailableError
from openclaw_actors.settings.sections import Auth
from tests.api.sdp import OFFER

SECRET = "a-secret-of-thirty-two-bytes-or-more"
AUTH = Auth(tokens=("everything",), join_secret=SECRET, allow_anonymous_loopback=False)
CONTROL = {"Authorization": "Bearer everything"}


async def mint(api, body: dict | None = None) -> dict:
    async with api.request("POST", "/v1/join-tokens", json=body, headers=CONTROL) as response:
        assert response.status == 201, await response.text()
        return await response.json()


async def join(api, token: str, **body) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    async with api.offer({"sdp": OFFER, "type": "offer", **body}, headers=headers) as response:
        return response.status


@pytest.fixture
async def guarded(serve):
    async with serve(auth=AUTH) as api:
        yield api


async def test_a_token_opens_one_call_whose_identity_and_metadata_are_the_signers(guarded):
    made = await mint(guarded, {"identity": "ada", "metadata": {"plan": "gold"}, "ttl_s": 30})
    assert made["token_type"] == "Bearer"
    assert await join(guarded, made["token"], metadata={"plan": "platinum", "page": "/help"}) == 200
    (started,) = guarded.board.started
    assert started["caller"] == "ada"
    assert started["metadata"] == {"plan": "gold", "page": "/help"}
    assert await join(guarded, made["token"]) == 401


async def test_a_token_lives_as_long_as_it_says(guarded):
    made = await mint(guarded, {"ttl_s": 600})
    assert (await mint(guarded, {"ttl_s": 300.0}))["token"], "a whole number, however it is written"
    claims = jwt.decode(made["token"], SECRET, algorithms=["HS256"], audience="openclaw-actors")
    assert claims["exp"] - claims["iat"] == 600
    assert claims["exp"] - time.time() == pytest.approx(600, abs=5)


@pytest.mark.parametrize(
    "body", [{"ttl_s": 601}, {"ttl_s": 1.5}, {"ttl_s": 0}, {"ttl_s": "60"}, {"identity": "x" * 129}, {"scope": "admin"}]
)
async def test_a_token_for_longer_or_for_more_is_not_made(guarded, body):
    async with guarded.request("POST", "/v1/join-tokens", json=body, headers=CONTROL) as response:
        await guarded.problem(response, 422, "invalid_fields")


async def test_the_browser_may_ask_for_ice_servers_first(guarded):
    token = (await mint(guarded))["token"]
    headers = {"Authorization": f"Bearer {token}"}
    async with guarded.request("GET", "/webrtc/ice-servers", headers=headers) as response:
        assert response.status == 200
    assert await join(guarded, token) == 200


async def test_of_two_offers_at_the_same_moment_one_has_it(guarded):
    token = (await mint(guarded))["token"]
    statuses = await asyncio.gather(*(join(guarded, token) for _ in range(5)))
    assert sorted(statuses) == [200, 401, 401, 401, 401]


async def test_a_call_that_does_not_begin_leaves_the_token_good(guarded):
    token = (await mint(guarded))["token"]
    guarded.board.limit = 0
    assert await join(guarded, token) == 503
    assert await join(guarded, token, sdp="junk") == 400
    guarded.board.limit = 1
    assert await join(guarded, token) == 200


async def test_a_used_token_is_used_after_a_restart_too(serve):
    async with serve(auth=AUTH) as api:
        token = (await mint(api))["token"]
        assert await join(api, token) == 200
    async with serve(auth=AUTH) as api:
        assert await join(api, token) == 401


async def test_who_comes_back_to_a_conversation_needs_the_resume_token_alone_to_be_fresh(guarded):
    expired = jwt.encode(
        {"aud": "openclaw-actors", "exp": int(time.time()) - 60, "jti": "x"}, SECRET, algorithm="HS256"
    )
    token = (await mint(guarded))["token"]
    assert await join(guarded, token) == 200
    (call_id,) = guarded.board.calls
    assert await join(guarded, token, resume=call_id) == 200
    assert await join(guarded, expired, resume=call_id) == 200
    assert await join(guarded, expired, resume="never") == 410
    assert await join(guarded, token, resume="never") == 410


async def test_without_a_secret_tokens_are_good_until_the_host_ends(serve):
    auth = Auth(tokens=("everything",), allow_anonymous_loopback=False)
    async with serve(auth=auth) as api:
        token = (await mint(api))["token"]
        kept = (await mint(api))["token"]
        assert await join(api, token) == 200
    async with serve(auth=auth) as api:
        assert await join(api, kept) == 401


async def test_a_store_that_is_down_keeps_nobody_from_calling_and_a_token_is_still_used_once(guarded, monkeypatch):
    async def down(*_):
        raise StoreUnavailableError("the disk is full")

    for method in ("begin_command", "finish_command", "forget_command"):
        monkeypatch.setattr(guarded.store, method, down)
    token = (await mint(guarded))["token"]
    assert await join(guarded, token) == 200
    assert await join(guarded, token) == 401


async def test_remembered_tokens_are_forgotten_when_they_have_expired(guarded):
    from openclaw_actors.api.join_tokens import JoinGrant, JoinTokens

    now = [1000.0]
    tokens = JoinTokens(SECRET, guarded.store, lambda: now[0])
    tokens._sweep_at = 3
    for number in range(3):
        async with tokens.use(JoinGrant(f"old-{number}", 1010)):
            pass
    now[0] = 2000.0
    async with tokens.use(JoinGrant("new", 2010)):
        pass
    assert set(tokens._used) == {"new"}
    with pytest.raises(RefusalError, match="token_used"):
        async with tokens.use(JoinGrant("new", 2010)):
            pass


async def test_a_listed_origins_page_may_offer_with_its_token(serve):
    from openclaw_actors.settings.sections import Cors

    async with serve(auth=AUTH, cors=Cors(allow_origins=("https://shop.example",))) as api:
        token = (await mint(api))["token"]
        headers = {"Authorization": f"Bearer {token}", "Origin": "https://shop.example"}
        async with api.offer(headers=headers) as response:
            assert response.status == 200
            assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example"
