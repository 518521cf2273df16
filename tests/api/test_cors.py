"""Pages of other origins: listed ones may call, all others hear a refusal whatever they ask."""

from __future__ import annotations

import pytest

from openclaw_actors.settings.sections import Auth, Cors, Server

LISTED = "https://app.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
CORS = {"cors": Cors(allow_origins=(LISTED, "http://localhost:3000")), "auth": Auth(tokens=("a-token",))}


@pytest.mark.parametrize(
    ("origin", "let_in"),
    [
        (LISTED, True),
        ("http://localhost:3000", True),
        ("https://app.example:8443", False),
        ("http://app.example", False),
        ("https://app.example.evil.example", False),
        ("https://evil.example", False),
        ("https://APP.example", False),
        ("http://localhost:3001", False),
        ("null", False),
        ("", False),
        ("file://", False),
    ],
)
async def test_exactly_the_listed_origins_may_call(serve, origin, let_in):
    headers = {"Origin": origin, "Authorization": "Bearer a-token"}
    async with serve(**CORS) as api:
        async with api.request("OPTIONS", "/webrtc/offer", headers={"Origin": origin, **PREFLIGHT}) as response:
            assert response.status == (204 if let_in else 403)
            assert response.headers.get("Access-Control-Allow-Origin") == (origin if let_in else None)
        async with api.offer(headers=headers) as response:
            assert response.status == (200 if let_in else 403)
            assert response.headers.get("Access-Control-Allow-Origin") == (origin if let_in else None)
            assert "Origin" in response.headers.getall("Vary")
            assert "Access-Control-Allow-Credentials" not in response.headers
        assert len(api.peers) == (1 if let_in else 0)


async def test_a_preflight_says_what_may_be_sent(serve):
    async with serve(**CORS) as api:
        headers = {"Origin": LISTED, **PREFLIGHT}
        async with api.request("OPTIONS", "/webrtc/sessions/x", headers=headers) as response:
            assert response.headers["Access-Control-Allow-Methods"] == "DELETE, OPTIONS, PATCH"
            allowed = response.headers["Access-Control-Allow-Headers"]
            assert allowed == (
                "Authorization, Content-Type, Idempotency-Key, If-Match, Last-Event-ID, Openclaw-Resume-Token"
            )
            assert response.headers["Access-Control-Max-Age"] == "600"
            assert await response.read() == b""


async def test_a_listed_page_may_read_the_sessions_address_and_the_errors(serve):
    async with serve(**CORS) as api:
        async with api.offer(headers={"Origin": LISTED, "Authorization": "Bearer a-token"}) as response:
            assert "Location" in response.headers["Access-Control-Expose-Headers"]
        async with api.offer(headers={"Origin": LISTED}) as response:
            await api.problem(response, 401, "token_required")
            assert response.headers["Access-Control-Allow-Origin"] == LISTED
        async with api.request("GET", "/nothing", headers={"Origin": LISTED}) as response:
            await api.problem(response, 404, "not_found")
            assert response.headers["Access-Control-Allow-Origin"] == LISTED


@pytest.mark.parametrize("path", ["/v1/node", "/webrtc/offer", "/metrics", "/livez", "/", "/client.js", "/nothing"])
async def test_a_foreign_page_is_refused_whatever_it_asks_even_on_this_machine(api, path):
    for method in ("GET", "POST", "OPTIONS"):
        async with api.request(method, path, headers={"Origin": "https://evil.example", **PREFLIGHT}) as response:
            await api.problem(response, 403, "origin_not_allowed")
            assert "Access-Control-Allow-Origin" not in response.headers


async def test_a_token_does_not_help_a_foreign_page(serve):
    async with serve(auth=Auth(tokens=("a-token",))) as api:
        headers = {"Origin": "https://evil.example", "Authorization": "Bearer a-token"}
        async with api.offer(headers=headers) as response:
            await api.problem(response, 403, "origin_not_allowed")


async def test_a_rebound_name_is_its_own_origin_but_gets_nowhere(api):
    headers = {"Host": f"evil.example:{api.port}", "Origin": f"http://evil.example:{api.port}"}
    async with api.offer(headers=headers) as response:
        await api.problem(response, 401, "token_required")


async def test_our_own_page_behind_a_proxy_that_ends_tls_is_our_own(serve):
    server = Server(port=0, public_url="https://voice.example.org")
    async with serve(server=server, auth=Auth(tokens=("a-token",))) as api:
        headers = {"Origin": "https://voice.example.org", "Authorization": "Bearer a-token", "Via": "1.1 nginx"}
        async with api.offer(headers=headers) as response:
            assert response.status == 200


async def test_options_without_a_page_tells_the_methods(api):
    async with api.request("OPTIONS", "/webrtc/offer") as response:
        assert response.status == 204
        assert response.headers["Allow"] == "OPTIONS, POST"
