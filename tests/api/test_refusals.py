"""The table of refusals: every route by what can be wrong with a request.

No token, wrong scope, expired, reused, wrong origin, too big, too slow, too many: each test is a column.

The rows are the application's own route table, so that a new route is in here without anybody's doing.
"""

from __future__ import annotations

import asyncio
import json
import time

import jwt
import pytest

from openclaw_actors.api.app import ROUTES, build_app
from openclaw_actors.api.openapi import problems_of
from openclaw_actors.api.routes import Route
from openclaw_actors.settings.sections import Auth, Calls, Limits, ScopedToken, Server, Settings
from tests.api.conftest import SmallBoard
from tests.api.sdp import OFFER

SECRET = "a-secret-of-thirty-two-bytes-or-more"
SCOPES = ("call:join", "call:control", "call:listen", "read", "admin")
AUTH = Auth(
    tokens=("everything",),
    scoped_tokens=tuple(
        ScopedToken(name=f"no {scope}", token=f"no-{scope}", scopes=tuple(s for s in SCOPES if s != scope))
        for scope in SCOPES
    ),
    join_secret=SECRET,
    allow_anonymous_loopback=False,
)
TABLE: tuple[Route, ...] = build_app(Settings(), SmallBoard(), None, None, ready=lambda: (True, {}))[ROUTES]
SCOPED = [route for route in TABLE if route.scope]
LIMITED = [route for route in TABLE if route.is_limited]
WITH_BODY = [route for route in TABLE if route.body]
FAR = {"X-Forwarded-For": "203.0.113.9"}
"""Behind the proxy that the settings trust: loopback is never limited."""


def name(route: Route) -> str:
    return f"{route.method} {route.path}"


def path_of(route: Route) -> str:
    return route.path.replace("{call_id}", "call_0").replace("{secret}", "none").replace("{voicemail_id}", "vm_0")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def join_token(*, lives_s: float = 60, key: str = SECRET, **claims) -> str:
    now = time.time()
    claims = {"aud": "openclaw-actors", "exp": int(now + lives_s), "jti": f"jti-{now}", **claims}
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, key, algorithm="HS256")


@pytest.fixture
def served(serve):
    def served(**limits):
        return serve(
            auth=AUTH,
            calls=Calls(listen_in=True),
            server=Server(port=0, trusted_proxies=("127.0.0.1",)),
            limits=Limits(**limits),
        )

    return served


async def refused(api, route: Route, status: int, code: str, **more) -> dict:
    async with api.request(route.method, path_of(route), **more) as response:
        text = await response.text()
        assert response.status == status, f"{name(route)} answers {response.status}, not {status}: {text}"
        problem = await api.problem(response, status, code)
        if status == 401:
            assert response.headers["WWW-Authenticate"].startswith("Bearer ")
        if status in (429, 503):
            assert int(response.headers["Retry-After"]) >= 1
    assert code in problems_of(route)[status], f"{name(route)} does not tell of {status} {code}"
    return problem


# --- no token, a wrong one, one that lacks the scope ------------------------------------------------------------------


async def test_without_a_token_nothing_is_done(served):
    async with served() as api:
        for route in SCOPED:
            await refused(api, route, 401, "token_required")
            await refused(api, route, 401, "token_required", headers={"Authorization": "Basic ZXZlcnl0aGluZw=="})
            await refused(api, route, 401, "invalid_token", headers=bearer("something"))
            assert not api.board.told
            assert not api.board.started


async def test_a_token_without_the_scope_is_refused_and_told_which_it_lacks(served):
    async with served() as api:
        for route in SCOPED:
            problem = await refused(api, route, 403, "insufficient_scope", headers=bearer(f"no-{route.scope}"))
            assert route.scope in problem["detail"]
            for scope in SCOPES:
                if scope != route.scope:
                    async with api.request(
                        route.method, path_of(route), headers=bearer(f"no-{scope}"), timeout=None, read_until_eof=False
                    ) as response:
                        assert response.status not in (401, 403)


async def test_a_join_token_is_good_for_joining_alone(served):
    async with served() as api:
        for route in [route for route in TABLE if route.scope != "call:join" and route.scope]:
            await refused(api, route, 403, "insufficient_scope", headers=bearer(join_token()))


# --- join tokens: expired, reused, forged -----------------------------------------------------------------------------

JOINABLE = [route for route in TABLE if route.scope == "call:join"]
OFFER_BODY = {"sdp": OFFER, "type": "offer"}


def body_of(route: Route) -> dict:
    if route.takes == "application/sdp":
        return {"data": OFFER}
    return {"json": OFFER_BODY} if route.body else {}


def headers_of(route: Route, token: str) -> dict:
    return bearer(token) | ({"Content-Type": route.takes} if route.takes == "application/sdp" else {})


async def test_an_expired_token_is_refused_as_such(served):
    async with served() as api:
        for route in JOINABLE:
            headers = headers_of(route, join_token(lives_s=-6))
            await refused(api, route, 401, "token_expired", headers=headers, **body_of(route))
            assert not api.board.started


async def test_a_used_token_is_refused_as_such(served):
    async with served() as api:
        for number, route in enumerate(route for route in JOINABLE if route.method == "POST"):
            headers = headers_of(route, join_token())
            async with api.request(route.method, route.path, headers=headers, **body_of(route)) as response:
                assert response.status in (200, 201), await response.text()
            await refused(api, route, 401, "token_used", headers=headers, **body_of(route))
            assert len(api.board.started) == number + 1


@pytest.mark.parametrize(
    "forged",
    [
        lambda: join_token(key="another-secret-of-thirty-two-bytes"),
        lambda: join_token(aud="somebody-else"),
        lambda: join_token(aud=None),
        lambda: join_token(jti=None),
        lambda: join_token(jti=""),
        lambda: join_token(jti=7),
        lambda: join_token(exp=None),
        lambda: join_token(exp="soon"),
        lambda: join_token(exp=10**400),
        lambda: join_token(lives_s=3600),
        lambda: join_token(metadata="none"),
        lambda: join_token(sub=None, metadata=[1]),
        lambda: jwt.encode(
            {"aud": "openclaw-actors", "exp": int(time.time()) + 60, "jti": "x"}, None, algorithm="none"
        ),
        lambda: jwt.encode({"aud": "openclaw-actors", "exp": int(time.time()) + 60, "jti": "x"}, SECRET * 2, "HS512"),
        lambda: join_token().rpartition(".")[0] + ".",
        lambda: "a.b.c",
    ],
)
async def test_a_forged_token_is_no_token(served, forged):
    async with served() as api:
        for route in JOINABLE:
            await refused(api, route, 401, "invalid_token", headers=bearer(forged()), **body_of(route))


# --- other origins ----------------------------------------------------------------------------------------------------


async def test_a_foreign_page_is_refused_whatever_it_asks_and_whatever_token_it_has(served):
    async with served() as api:
        for route in TABLE:
            headers = {"Origin": "https://evil.example", **bearer("everything")}
            await refused(api, route, 403, "origin_not_allowed", headers=headers)


# --- too big, too slow, too many --------------------------------------------------------------------------------------


async def test_a_body_that_is_too_big_is_refused_with_its_length_known_or_not(served):
    async with served(body_bytes=40_000, sdp_bytes=30_000, play_bytes=40_000) as api:
        for route in WITH_BODY:
            headers = {**bearer("everything"), "Content-Type": "application/json"}
            await refused(api, route, 413, "body_too_large", headers=headers, data=b" " * 40_001)

            async def chunks():
                for _ in range(41):
                    yield b" " * 1000

            await refused(api, route, 413, "body_too_large", headers=headers, data=chunks())


async def test_a_body_that_does_not_come_is_not_waited_for(served):
    async with served(body_timeout_s=0.05) as api:
        for route in WITH_BODY:
            async with api.raw() as (reader, writer):
                head = f"{route.method} {path_of(route)} HTTP/1.1\r\nHost: {api.host}\r\n"
                head += "Authorization: Bearer everything\r\nContent-Type: application/json\r\n"
                writer.write(f"{head}Content-Length: 20\r\n\r\n{{".encode())
                async with asyncio.timeout(5):
                    assert b" 408 " in await reader.readline()
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                    assert json.loads(await reader.readexactly(length))["code"] == "slow_body"
            assert "slow_body" in problems_of(route)[408]


@pytest.mark.parametrize(
    ("content_type", "data", "status", "code"),
    [
        ("text/plain", b"{}", 415, "unsupported_media_type"),
        ("application/json", b"{", 400, "bad_json"),
        ("application/json", b"\xff", 400, "bad_json"),
        ("application/json", b"[]", 422, "invalid_fields"),
        ("application/json", b"[" * 30_000, 400, "bad_json"),
    ],
)
async def test_a_body_of_another_kind_is_refused(served, content_type, data, status, code):
    async with served() as api:
        for route in WITH_BODY:
            headers = {**bearer("everything"), "Content-Type": content_type}
            await refused(api, route, status, code, headers=headers, data=data)


async def test_one_client_asks_so_often_and_no_more(served):
    async with served(requests_burst=2, requests_per_second=0.5) as api:
        for route in LIMITED:
            api.clock[0] += 60
            for _ in range(2):
                await refused(api, route, 401, "invalid_token", headers={**FAR, **bearer("guess")})
            await refused(api, route, 429, "too_many_requests", headers={**FAR, **bearer("everything")})
            # Another client is not concerned, and in two seconds neither is this one.
            await refused(api, route, 401, "token_required", headers={"X-Forwarded-For": "203.0.113.10"})
            api.clock[0] += 2.001
            await refused(api, route, 401, "token_required", headers=FAR)


async def test_one_token_is_used_so_often_and_no_more_from_wherever_it_comes(served):
    async with served(requests_burst=2, requests_per_second=0.5) as api:
        for route in LIMITED:
            api.clock[0] += 60
            wrong = bearer(f"no-{route.scope}")
            statuses = []
            for number in range(3):
                headers = {"X-Forwarded-For": f"203.0.113.{number}", **bearer("everything")}
                async with api.request(route.method, path_of(route), headers=headers) as response:
                    statuses.append(response.status)
            assert (statuses[2], 429 in statuses[:2]) == (429, False)
            await refused(api, route, 403, "insufficient_scope", headers={"X-Forwarded-For": "203.0.113.8", **wrong})


async def test_programs_on_this_machine_are_not_limited(serve):
    async with serve(limits=Limits(requests_burst=1, requests_per_second=0.1)) as api:
        for _ in range(5):
            async with api.request("GET", "/v1/node") as response:
                assert response.status == 200


# --- what is open -----------------------------------------------------------------------------------------------------


async def test_only_these_routes_are_open():
    assert {(route.method, route.path) for route in TABLE if route.scope is None and not route.is_signed} == {
        ("PATCH", "/webrtc/sessions/{secret}"),
        ("DELETE", "/webrtc/sessions/{secret}"),
        ("GET", "/livez"),
        ("GET", "/readyz"),
        ("GET", "/openapi.json"),
    }


async def test_no_answer_and_no_log_line_holds_a_token_or_the_secret(served, capfd):
    async with served() as api:
        token = join_token()
        for given in ("everything", "no-read", token, "something-wrong"):
            for route in TABLE:
                if not route.streams:
                    async with api.request(route.method, path_of(route), headers=bearer(given)) as response:
                        assert given not in await response.text()
                        assert SECRET not in await response.text()
    written = "".join(capfd.readouterr())
    for secret in ("Bearer", "everything", "no-read", "something-wrong", SECRET, token):
        assert secret not in written
