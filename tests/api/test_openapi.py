"""The API's description is valid, complete, and true of what is served."""

from __future__ import annotations

import re

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from openclaw_actors.api.app import ROUTES, build_app
from openclaw_actors.settings.sections import Settings
from tests.api.conftest import SmallBoard
from tests.api.records import call_entry, commit, line

APP = build_app(Settings(), SmallBoard(), None, None, ready=lambda: (True, {}))


async def described(api) -> dict:
    async with api.request("GET", "/openapi.json") as response:
        assert response.status == 200
        return await response.json()


async def test_it_is_openapi_3_1(api):
    document = await described(api)
    assert document["openapi"].startswith("3.1")
    validate(document)


async def test_every_route_is_described_and_nothing_else(api):
    served = {
        (route.method, route.resource.canonical)
        for route in APP.router.routes()
        if route.method != "HEAD" and not re.match(r"/(docs|console|client\.js|$)", route.resource.canonical)
    }
    document = await described(api)
    told = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert told == served


async def test_operations_have_names_of_their_own(api):
    document = await described(api)
    names = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(set(names)) == len(names) == len(APP[ROUTES])
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", each) for each in names)


async def test_every_reference_leads_somewhere_and_every_schema_is_used(api):
    async with api.request("GET", "/openapi.json") as response:
        text = await response.text()
    used = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    # Of a stream no schema can be given in OpenAPI 3.1; its events' is told in words.
    assert used | {"EventBody"} == set((await described(api))["components"]["schemas"])


async def test_a_browser_that_has_it_is_not_sent_it_again(api):
    async with api.request("GET", "/openapi.json") as response:
        tag = response.headers["ETag"]
    async with api.request("GET", "/openapi.json", headers={"If-None-Match": tag}) as response:
        assert (response.status, await response.read()) == (304, b"")


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/v1/calls", "/v1/calls"),
        ("/v1/calls/call_1", "/v1/calls/{call_id}"),
        ("/v1/calls/call_2", "/v1/calls/{call_id}"),
        ("/v1/calls/call_2/transcript", "/v1/calls/{call_id}/transcript"),
        ("/v1/node", "/v1/node"),
        ("/livez", "/livez"),
        ("/readyz", "/readyz"),
        ("/webrtc/ice-servers", "/webrtc/ice-servers"),
    ],
)
async def test_what_is_answered_is_what_was_described(api, path, template):
    api.board.calls["call_1"] = object()
    await commit(api.store, call_entry("call_2"), line("call_2", 1, "user", "Hello."))
    document = await described(api)
    schema = document["paths"][template]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    async with api.request("GET", path) as response:
        body = await response.json()
    Draft202012Validator({**schema, "components": document["components"]}).validate(body)


async def test_problems_are_what_was_described(api):
    document = await described(api)
    schema = {"$ref": "#/components/schemas/Problem", "components": document["components"]}
    async with api.request("POST", "/v1/calls", json={"to": 5, "frm": 7}) as response:
        body = await response.json(content_type=None)
    assert len(body["errors"]) == 2
    Draft202012Validator(schema).validate(body)


# --- the page ---------------------------------------------------------------------------------------------------------


async def test_the_page_and_all_that_it_needs_come_from_here(api):
    async with api.request("GET", "/docs") as response:
        assert (response.status, response.content_type) == (200, "text/html")
        policy = response.headers["Content-Security-Policy"]
        page = await response.text()
    assert "default-src 'self'" in policy
    assert not re.search(r"(https?:)?//", page.replace("<!doctype html>", ""))
    assert not re.search(r"<script(?![^>]*src)|<style|\son\w+=|\sstyle=", page)
    for path in re.findall(r'(?:src|href)="([^"]+)"', page):
        async with api.request("GET", path) as response:
            assert response.status == 200, path
            script = await response.text()
            assert not re.search(r"https?://", script) or path == "/console/favicon.svg"


@pytest.mark.parametrize("path", ["/docs/nothing.js", "/docs/..%2fapp.py", "/docs/index.py"])
async def test_nothing_else_is_under_the_page(api, path):
    async with api.request("GET", path) as response:
        await api.problem(response, 404, "not_found")
