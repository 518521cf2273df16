"""A request that a cluster's front passes on is judged as it came there; nobody else can pretend to be a front."""

from __future__ import annotations

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from openclaw_actors.api.member import ALONE, FRONT, PEER, SCHEME, Member


async def seen(member: Member, **headers: str) -> dict:
    async def show(request: web.Request) -> web.Response:
        ours = [name for name in (FRONT, PEER, SCHEME) if name in request.headers]
        return web.json_response(
            {"remote": request.remote, "scheme": request.scheme, "ours": ours, "body": await request.text()}
        )

    app = web.Application(middlewares=[member.middleware()])
    app.router.add_post("/{path:.*}", show)
    async with TestClient(TestServer(app)) as client, client.post("/x?y=1", data=b"hello", headers=headers) as response:
        return await response.json()


async def test_a_front_says_who_its_client_is():
    found = await seen(Member(front_secret="s3cret"), **{FRONT: "s3cret", PEER: "203.0.113.9", SCHEME: "https"})
    assert found == {"remote": "203.0.113.9", "scheme": "https", "ours": [], "body": "hello"}


async def test_who_is_no_front_says_nothing_by_it():
    for member, proof in ((Member(front_secret="s3cret"), "guessed"), (Member(front_secret="s3cret"), ""), (ALONE, "")):
        found = await seen(member, **{FRONT: proof, PEER: "127.0.0.9", SCHEME: "https"})
        assert found == {"remote": "127.0.0.1", "scheme": "http", "ours": [], "body": "hello"}


async def test_a_request_without_those_headers_is_as_it_came():
    assert (await seen(Member(front_secret="s3cret")))["remote"] == "127.0.0.1"
