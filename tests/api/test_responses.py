"""What every response has, what probes hear, and how errors that no handler raises look."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from openclaw_actors.observability import metrics
from tests.api.conftest import ENGINES


async def test_alive_is_open_and_says_no_more_than_that(api):
    async with api.request("GET", "/livez") as response:
        assert (response.status, await response.json()) == (200, {"status": "ok"})


async def test_ready_shows_which_engines_serve_and_why_better_ones_do_not(api):
    async with api.request("GET", "/readyz") as response:
        assert (response.status, await response.json()) == (200, {"ready": True, "engines": ENGINES})


async def test_not_ready_is_503_with_the_same_account(api):
    api.readiness[0] = False
    async with api.request("GET", "/readyz") as response:
        assert (response.status, await response.json()) == (503, {"ready": False, "engines": ENGINES})
    async with api.request("GET", "/livez") as response:
        assert response.status == 200


async def test_the_node_describes_itself(api):
    async with api.request("GET", "/v1/node") as response:
        found = await response.json()
        assert found.pop("started_at")
        assert found == {"name": "", "ready": True, "calls": 0, "limit": 100, "draining": False, "engines": ENGINES}
    async with api.request("GET", "/v1/nodes") as response:
        (node,) = (await response.json())["nodes"]
        assert {name: node[name] for name in found} == found


async def test_a_host_by_itself_is_asked_for_no_other_and_starts_itself_not_anew(api):
    for method, path in (("GET", "/v1/node"), ("POST", "/v1/node/drain"), ("POST", "/v1/node/restart")):
        async with api.request(method, f"{path}?host=w7") as response:
            assert (response.status, (await response.json())["code"]) == (404, "no_such_host")
    async with api.request("POST", "/v1/node/restart") as response:
        assert (response.status, (await response.json())["code"]) == (409, "not_in_cluster")


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [("", "text/plain"), ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text")],
)
async def test_metrics_come_in_the_format_that_prometheus_asks_for(api, accept, content_type):
    async with api.request("GET", "/metrics", headers={"Accept": accept}) as response:
        assert response.status == 200
        assert response.content_type == content_type
        assert "openclaw_actors_http_requests_total" in await response.text()


async def test_metrics_are_well_formed(api):
    async with api.request("GET", "/metrics") as response:
        families = {family.name for family in text_string_to_metric_families(await response.text())}
    assert {"openclaw_actors_calls_active", "openclaw_actors_http_request_seconds"} <= families


async def test_requests_are_counted_by_route_and_never_by_path(api):
    def count(route: str, method: str, code: str) -> float:
        labels = {"route": route, "method": method, "code": code}
        return metrics.REGISTRY.get_sample_value("openclaw_actors_http_requests_total", labels) or 0.0

    cases = [
        ("DELETE", "/webrtc/sessions/very-secret", "/webrtc/sessions/{secret}", "DELETE", "404"),
        ("GET", "/no/such/place", "unmatched", "GET", "404"),
        ("PROPFIND", "/livez", "unmatched", "other", "405"),
        ("GET", "/livez", "/livez", "GET", "200"),
    ]
    for method, path, route, label, code in cases:
        before = count(route, label, code)
        async with api.request(method, path):
            pass
        assert count(route, label, code) == before + 1
    async with api.request("GET", "/metrics") as response:
        assert "very-secret" not in await response.text()


async def test_a_path_that_is_not_there_is_a_problem(api):
    async with api.request("GET", "/nothing") as response:
        await api.problem(response, 404, "not_found")


async def test_a_method_that_a_path_does_not_take_is_a_problem_that_names_those_it_takes(api):
    async with api.request("GET", "/webrtc/offer") as response:
        await api.problem(response, 405, "method_not_allowed")
        assert response.headers["Allow"] == "POST"


async def test_every_response_has_its_own_id_and_the_safe_headers(api):
    ids = set()
    for path in ("/", "/livez", "/nothing"):
        async with api.request("GET", path) as response:
            ids.add(response.headers["X-Request-Id"])
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Referrer-Policy"] == "no-referrer"
            assert "aiohttp" not in response.headers["Server"]
    assert len(ids) == 3


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40),
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_turned_away_and_the_host_serves_on(api, junk, caplog):
    async with api.raw() as (reader, writer):
        writer.write(junk)
        async with asyncio.timeout(5):
            assert b" 400 " in await reader.readline()
    assert "Traceback" not in caplog.text
    async with api.request("GET", "/livez") as response:
        assert response.status == 200
