"""The call button of docs/embedding.md, in a page of another origin, with the backend of the same page."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from openclaw_actors.client import Client
from openclaw_actors.settings.sections import Auth, Cors, ScopedToken
from openclaw_actors.testkit.host import embedded_settings, running_host
from openclaw_actors.testkit.speakers import silence, write_microphone
from tests.browser.chromium import chromium_with_microphone
from tests.docs.examples import DOCS, of_page

pytestmark = pytest.mark.browser

EXAMPLES = {each.language: each.text for each in of_page(DOCS / "embedding.md")}
TOKEN = "backend-" * 4


@asynccontextmanager
async def shop():
    """The page's own server; its page and backend are filled in when the host is there."""
    served: dict = {}

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=served["html"], content_type="text/html")

    async def voice_token(_: web.Request) -> web.Response:
        return web.json_response(await served["voice_token"]("ann@example.org"))

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_post("/voice-token", voice_token)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", served
    finally:
        await runner.cleanup()


async def test_the_button_of_the_page_makes_a_call_in_the_name_of_who_is_logged_in(chromium, tmp_path, monkeypatch):
    microphone = tmp_path / "microphone.wav"
    write_microphone(microphone, silence(20))
    async with shop() as (origin, served):
        backend = ScopedToken(name="shop backend", token=TOKEN, scopes=("call:control", "read"))
        settings = embedded_settings().model_copy(
            update={"cors": Cors(allow_origins=(origin,)), "auth": Auth(scoped_tokens=(backend,))}
        )
        async with running_host(settings) as host, Client(host.url, TOKEN) as client:
            monkeypatch.setenv("VOICE_URL", host.url)
            monkeypatch.setenv("VOICE_TOKEN", TOKEN)
            exec(compile(EXAMPLES["python"], "embedding.md", "exec"), served)
            served["html"] = EXAMPLES["html"].replace("https://voice.example", host.url)
            async with chromium_with_microphone(chromium, microphone) as browser:
                greeted = asyncio.Event()
                browser.page.on("console", lambda said: said.text.startswith("agent Hello") and greeted.set())
                await browser.page.goto(origin)
                await browser.page.click("#talk")
                async with asyncio.timeout(30):
                    await greeted.wait()
                (call,) = (await client.calls(status="in-progress"))["calls"]
                assert (call["from"], call["metadata"], call["transport"]) == (
                    "ann@example.org",
                    {"plan": "gold"},
                    "webrtc",
                )
                assert browser.complaints == []
