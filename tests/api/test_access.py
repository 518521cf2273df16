"""Who is let in: anonymous callers on this machine under every one of the rule's conditions, and bearers of a token."""

from __future__ import annotations

import pytest

from openclaw_actors.observability import metrics
from openclaw_actors.settings.sections import Auth, Server

GUARDED = [("GET", "/v1/node"), ("GET", "/metrics"), ("GET", "/webrtc/ice-servers"), ("POST", "/webrtc/offer")]
OPEN = ["/livez", "/readyz", "/", "/client.js"]
TOKEN = {"Authorization": "Bearer right-token"}
TOKENS = Auth(tokens=("other-token", "right-token"), allow_anonymous_loopback=False)


async def status_of(api, method: str = "GET", path: str = "/v1/node", **headers: str) -> int:
    async with api.request(method, path, headers=headers) as response:
        return response.status


async def test_programs_on_this_machine_need_no_token(api):
    assert await status_of(api) == 200


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "[::1]", "localhost:8080", "[::1]:1"])
async def test_every_name_of_this_machine_counts(api, host):
    assert await status_of(api, Host=host) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8080"},
        {"Host": "localhost.evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "localhost:80:80"},
        {"Host": "127.0.0.2"},
        {"Host": "192.168.1.5:8080"},
        {"Host": "0.0.0.0"},
        {"Host": "::1"},
        {"Host": ""},
        {"Forwarded": "for=127.0.0.1"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-Host": "localhost"},
        {"X-Forwarded-Proto": "https"},
        {"X-Forwarded-Anything": ""},
        {"x-forwarded-for": ""},
        {"X-Real-IP": "127.0.0.1"},
        {"Via": "1.1 proxy"},
        {"CF-Connecting-IP": "127.0.0.1"},
        {"CF-Ray": "1"},
    ],
)
@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_one_trace_of_a_proxy_or_of_another_name_ends_anonymous_access(api, headers, method, path):
    async with api.request(method, path, headers=headers) as response:
        await api.problem(response, 401, "token_required")
        assert response.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.parametrize("path", OPEN)
async def test_probes_and_the_page_are_open_to_all(serve, path):
    async with serve(auth=TOKENS) as api:
        assert await status_of(api, path=path, Via="1.1 proxy") == 200


async def test_a_request_without_host_is_not_anonymous(api):
    async with api.raw() as (reader, writer):
        writer.write(b"GET /v1/node HTTP/1.0\r\n\r\n")
        assert b" 401 " in await reader.readline()


async def test_two_hosts_are_not_anonymous(api):
    async with api.raw() as (reader, writer):
        writer.write(b"GET /v1/node HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
        assert (await reader.readline()).split()[1] in (b"400", b"401")


async def test_the_page_itself_is_anonymous_too(api):
    assert await status_of(api, Origin=f"http://{api.host}") == 200
    assert await status_of(api, Origin=f"http://localhost:{api.port}", Host=f"localhost:{api.port}") == 200


async def test_the_same_page_over_another_scheme_is_not(api):
    assert await status_of(api, Origin=f"https://{api.host}") == 401


async def test_a_listed_origins_page_needs_a_token_even_on_this_machine(serve):
    from openclaw_actors.settings.sections import Cors

    async with serve(cors=Cors(allow_origins=("https://app.example",)), auth=Auth(tokens=("right-token",))) as api:
        assert await status_of(api, Origin="https://app.example") == 401
        assert await status_of(api, Origin="https://app.example", **TOKEN) == 200


async def test_a_public_url_ends_anonymous_access(serve):
    async with serve(server=Server(port=0, public_url="https://voice.example.org")) as api:
        assert await status_of(api) == 401


async def test_the_operator_can_end_anonymous_access(serve):
    async with serve(auth=Auth(allow_anonymous_loopback=False)) as api:
        assert await status_of(api) == 401


async def test_a_trusted_proxy_does_not_make_its_clients_anonymous(serve):
    async with serve(server=Server(port=0, trusted_proxies=("127.0.0.1",))) as api:
        assert await status_of(api, **{"X-Forwarded-For": "127.0.0.1"}) == 401


# --- tokens -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given", ["Bearer right-token", "bearer right-token", "Bearer other-token", "Bearer  right-token"]
)
async def test_a_token_opens(serve, given):
    async with serve(auth=TOKENS) as api:
        assert await status_of(api, Authorization=given, Via="1.1 proxy") == 200


@pytest.mark.parametrize(
    "given", ["Bearer wrong", "Bearer ", "Bearer", "Bearer right-token2", "Bearer right-toke", "Bearer é"]
)
async def test_a_wrong_token_is_refused(serve, given):
    async with serve(auth=TOKENS) as api, api.request("GET", "/v1/node", headers={"Authorization": given}) as response:
        await api.problem(response, 401, "invalid_token")
        assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


async def test_a_wrong_token_is_told_so_even_where_none_was_needed(api):
    assert await status_of(api, Authorization="Bearer wrong") == 401


async def test_another_scheme_is_no_token(serve):
    headers = {"Authorization": "Basic cmlnaHQ="}
    async with serve(auth=TOKENS) as api, api.request("GET", "/v1/node", headers=headers) as response:
        await api.problem(response, 401, "token_required")


async def test_no_token_is_taken_from_a_query(serve):
    async with serve(auth=TOKENS) as api:
        assert await status_of(api, path="/v1/node?token=right-token&access_token=right-token") == 401


async def test_without_tokens_no_token_opens(serve):
    async with serve(auth=Auth(allow_anonymous_loopback=False)) as api:
        assert await status_of(api, Authorization="Bearer ") == 401


async def test_an_open_offer_needs_no_token_but_all_else_does(serve):
    async with serve(auth=Auth(offer="open", tokens=("right-token",))) as api:
        async with api.offer(headers={"Via": "1.1 proxy", "Authorization": "Basic cHJveHk="}) as response:
            assert response.status == 200
        assert await status_of(api, path="/webrtc/ice-servers", Via="1.1 proxy") == 200
        assert await status_of(api, Via="1.1 proxy") == 401
        assert await status_of(api, path="/metrics", Via="1.1 proxy") == 401


async def test_refused_offers_are_counted(serve):
    def refused() -> float:
        return metrics.REGISTRY.get_sample_value("openclaw_actors_calls_rejected_total", {"reason": "auth"}) or 0.0

    async with serve(auth=TOKENS) as api:
        before = refused()
        async with api.offer() as response:
            assert response.status == 401
        assert refused() == before + 1
