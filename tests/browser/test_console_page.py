"""What the talk view promises by itself, in real Chromium, against a small host of this file's own.

The host answers offers with aiortc and sends the events it is told to; the page comes from the API's own Console, so
its security policy is the real one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack
from playwright.async_api import Browser as Chromium
from playwright.async_api import async_playwright

from openclaw_actors.api.console import PAGE_HEADERS, Console
from tests.browser.chromium import Browser
from tests.conftest import needs_program

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

ENGINES = {
    "stt": {
        "serving": "pocketsphinx",
        "engines": [
            {"engine": "faster-whisper", "state": "downloading", "reason": "210 of 484 MB", "progress": 0.43},
            {"engine": "pocketsphinx", "state": "serving", "reason": "", "progress": None},
        ],
    },
    "agent": {
        "serving": "parrot",
        "engines": [
            {"engine": "openclaw", "state": "unavailable", "reason": "No Gateway answers.", "progress": None},
            {"engine": "parrot", "state": "serving", "reason": "", "progress": None},
        ],
    },
    "tts": {
        "serving": "espeak-ng",
        "engines": [{"engine": "espeak-ng", "state": "serving", "reason": "", "progress": None}],
    },
}
"""As Catalogue.describe shows them."""
OWN_PAGE = """
import { VoiceCall } from "/client.js";
window.heard = [];
window.call = new VoiceCall({ playTo: null, metadata: { page: "own" } });
call.addEventListener("event", ({ detail }) => heard.push(detail.type));
"""


class SmallHost:
    """Answers every offer that it is not told to refuse, and keeps what the page sent."""

    def __init__(self) -> None:
        self.refusal: Callable[[web.Request], web.Response | None] = lambda _: None
        self.offers: list[dict[str, Any]] = []
        self.offered = asyncio.Condition()
        self.peers: list[RTCPeerConnection] = []
        self.channel: RTCDataChannel | None = None
        self.opened = asyncio.Event()
        self.commands: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.hung_up = asyncio.Event()
        self.requests: list[str] = []
        self.url = ""

    async def offer(self, request: web.Request) -> web.Response:
        refused = self.refusal(request)
        if refused is not None:
            return refused
        body = await request.json()
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.peers.append(peer)
        peer.on("datachannel", self._on_channel)
        await peer.setRemoteDescription(RTCSessionDescription(body["sdp"], "offer"))
        peer.addTrack(AudioStreamTrack())
        await peer.setLocalDescription(await peer.createAnswer())
        async with self.offered:
            self.offers.append(body)
            self.offered.notify_all()
        number = len(self.peers)
        answer = {"sdp": peer.localDescription.sdp, "type": "answer", "call_id": "call_1", "resume_token": f"r{number}"}
        return web.json_response(answer, headers={"Location": f"/webrtc/sessions/secret-{number}"})

    async def delete(self, _: web.Request) -> web.Response:
        self.hung_up.set()
        return web.json_response({})

    def _on_channel(self, channel: RTCDataChannel) -> None:
        self.channel = channel
        channel.on("message", lambda text: self.commands.put_nowait(json.loads(text)))
        self.opened.set()

    async def send(self, kind: str, **data: Any) -> None:
        """One event down the channel of the newest call."""
        async with asyncio.timeout(10):
            await self.opened.wait()
        assert self.channel is not None
        self.channel.send(json.dumps({"id": "evt_1", "type": kind, "sequence": 1, "call_id": "call_1", "data": data}))

    async def until_offers(self, count: int) -> None:
        async with asyncio.timeout(20), self.offered:
            await self.offered.wait_for(lambda: len(self.offers) >= count)

    def cut_the_line(self) -> None:
        """Close the sockets under the newest call without a word, as a network does that goes away."""
        for transceiver in self.peers[-1].getTransceivers():
            for protocol in transceiver.receiver.transport.transport._connection._protocols:
                protocol.transport.abort()


@asynccontextmanager
async def small_host() -> AsyncIterator[SmallHost]:
    host, console = SmallHost(), Console()

    async def readyz(_: web.Request) -> web.Response:
        return web.json_response({"ready": True, "engines": ENGINES})

    async def ice_servers(_: web.Request) -> web.Response:
        return web.json_response({"ice_servers": []})

    async def own_page(_: web.Request) -> web.Response:
        page = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/own.js"></script>'
        headers = {**PAGE_HEADERS, "Content-Security-Policy": "default-src 'self'; img-src data:"}
        return web.Response(text=page, content_type="text/html", headers=headers)

    async def own_script(_: web.Request) -> web.Response:
        return web.Response(text=OWN_PAGE, content_type="text/javascript")

    @web.middleware
    async def record(request: web.Request, handler: Any) -> web.StreamResponse:
        host.requests.append(request.raw_path)
        return await handler(request)

    app = web.Application(middlewares=[record])
    app.add_routes(
        [
            web.get("/", console.page),
            web.get("/client.js", console.client),
            web.get("/console/{name:.+}", console.asset),
            web.get("/readyz", readyz),
            web.get("/webrtc/ice-servers", ice_servers),
            web.post("/webrtc/offer", host.offer),
            web.delete("/webrtc/sessions/{secret}", host.delete),
            web.get("/own.html", own_page),
            web.get("/own.js", own_script),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield host
    finally:
        await asyncio.gather(*(peer.close() for peer in host.peers))
        await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chromium() -> AsyncIterator[Chromium]:
    """One browser for all tests here: starting it takes 1-3 s. Its microphone beeps; ``voice.test`` is this machine."""
    arguments = ["--no-sandbox", "--disable-background-networking", "--disable-gpu"]
    arguments += ["--autoplay-policy=no-user-gesture-required", "--use-fake-device-for-media-stream"]
    arguments.append("--host-resolver-rules=MAP voice.test 127.0.0.1")
    executable = needs_program("chromium", "apt install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        await browser.close()


@asynccontextmanager
async def page_of(
    chromium: Chromium, url: str, *, microphone: bool = True, width: int = 1280
) -> AsyncIterator[Browser]:
    """The page in a fresh profile; without ``microphone`` the person refuses it."""
    permissions = ["microphone"] if microphone else []
    context = await chromium.new_context(viewport={"width": width, "height": 800}, permissions=permissions)
    try:
        browser = Browser(await context.new_page())
        await browser.page.goto(url if url.endswith(".html") else f"{url}/#/talk")
        yield browser
    finally:
        await context.close()


async def text_of(browser: Browser, selector: str, text: str) -> None:
    """Wait until the element says it."""
    await browser.page.locator(selector).get_by_text(text).first.wait_for(timeout=10_000)


async def test_the_page_says_which_engine_serves_and_why_the_better_one_does_not(chromium):
    async with small_host() as host, page_of(chromium, host.url) as browser:
        await browser.page.wait_for_selector("#host[data-state=ready]")
        engine = browser.page.locator("#engines [data-engine=faster-whisper]")
        assert await engine.locator("progress").get_attribute("value") == "0.43"
        assert "43 %" in await engine.inner_text()
        assert "210 of 484 MB" in await engine.inner_text()
        openclaw = await browser.page.locator("#engines [data-engine=openclaw]").inner_text()
        assert "No Gateway answers." in openclaw
        assert await browser.page.get_attribute("#engines [data-engine=parrot]", "data-use") == "serving"
        assert "pocketsphinx" in await browser.page.inner_text("#stages [data-stage=stt]")
        assert browser.complaints == []


@pytest.mark.parametrize("width", [320, 375, 800, 1280])
async def test_the_page_fits_its_width_and_can_be_called_by_keyboard(chromium, width):
    async with small_host() as host, page_of(chromium, host.url, width=width) as browser:
        assert await browser.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await browser.page.focus("#call-button")
        await browser.page.keyboard.press("Space")
        await browser.call_state("connected")
        assert await browser.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await browser.page.keyboard.press("m")
        assert await browser.page.get_attribute("#mute-button", "aria-pressed") == "true"
        await browser.page.focus("#text-input")
        await browser.page.keyboard.press("m")
        assert await browser.page.get_attribute("#mute-button", "aria-pressed") == "true"
        await browser.page.focus("#call-button")
        await browser.page.keyboard.press("Escape")
        await browser.call_state("ended")
        assert browser.complaints == []


async def test_a_refused_call_is_told_in_the_hosts_own_words(chromium):
    def full(_: web.Request) -> web.Response:
        problem = {"title": "Unavailable", "detail": "All 50 lines are busy.", "code": "full"}
        return web.json_response(problem, status=503, content_type="application/problem+json")

    async with small_host() as host, page_of(chromium, host.url) as browser:
        host.refusal = full
        await browser.page.click("#call-button")
        await browser.call_state("failed")
        await text_of(browser, "main", "All 50 lines are busy.")


async def test_a_token_is_asked_for_after_a_401_and_travels_in_the_header_alone(chromium):
    def token_needed(request: web.Request) -> web.Response | None:
        if request.headers.get("Authorization") == "Bearer s3cret":
            return None
        problem = {"title": "Unauthorized", "detail": "A token is needed.", "code": "unauthorized"}
        return web.json_response(problem, status=401, content_type="application/problem+json")

    async with small_host() as host, page_of(chromium, host.url) as browser:
        host.refusal = token_needed
        assert not await browser.page.is_visible("#token-input")
        await browser.page.click("#call-button")
        await browser.call_state("failed")
        await browser.page.fill("#token-input", "s3cret")
        await browser.page.press("#token-input", "Enter")
        await browser.call_state("connected")
        assert not await browser.page.is_visible("#token-input")
        assert not any("s3cret" in path for path in host.requests)
        assert "s3cret" not in browser.page.url


async def test_a_refused_microphone_is_told_with_the_way_out(chromium):
    async with small_host() as host, page_of(chromium, host.url, microphone=False) as browser:
        await browser.page.click("#call-button")
        await browser.call_state("failed")
        await text_of(browser, "main", "Allow it for this page")
        assert host.offers == []


async def test_a_page_without_https_says_how_to_get_a_microphone(chromium):
    async with small_host() as host, page_of(chromium, host.url.replace("127.0.0.1", "voice.test")) as browser:
        await browser.page.click("#call-button")
        await browser.call_state("failed")
        await text_of(browser, "main", "serve --tls self-signed")


async def test_a_call_shows_its_words_its_latency_and_its_restarts(chromium):
    async with small_host() as host, page_of(chromium, host.url) as browser:
        page = browser.page
        await page.click("#call-button")
        await browser.call_state("connected")
        stages = {"tts": {"state": "down", "engine": "espeak-ng"}, "stt": {"state": "ready", "engine": "whisper"}}
        await host.send("call.stages", stages=stages)
        await host.send("call.transcript", role="agent", text="Hello.", final=True, turn=1, cut=False)
        await host.send("call.transcript", role="agent", text="How are", final=True, turn=1, cut=True)
        await host.send("call.transcript", role="user", text="what is", final=False)
        await page.wait_for_selector('.line[data-role=user][data-final="false"]')
        await host.send("call.transcript", role="user", text="What is the time?", final=True)
        latency = {"total_ms": 540, "end_of_turn_ms": 200, "stt_final_ms": 60, "agent_first_token_ms": 100}
        await host.send("call.turn.completed", turn=2, latency=latency)
        await host.send("call.stage.restarted", stage="tts", reason="crash", incarnation=2, downtime_ms=42)
        await host.send("call.engine.switched", stage="tts", **{"from": "edge-tts", "to": "espeak-ng"})

        await text_of(browser, "#transcript", "Voice: espeak-ng instead of edge-tts")
        assert await browser.lines("agent") == ["Hello. How are"]
        assert await page.locator(".line[data-cut=true]").count() == 1
        assert await browser.lines("user") == ["What is the time?"]
        assert await page.get_attribute("#stages [data-stage=tts]", "data-state") == "down"
        assert "\N{MULTIPLICATION SIGN}1" in await page.inner_text("#stages [data-stage=tts]")
        turn = await page.inner_text("#latency .turn")
        assert "540 ms" in turn
        assert "200 ms" in turn

        await page.fill("#text-input", "And the date?")
        await page.press("#text-input", "Enter")
        async with asyncio.timeout(5):
            assert await host.commands.get() == {"type": "text", "text": "And the date?"}
        await host.send("call.transcript", role="user", text="And the date?", final=True)
        await host.send("call.ended", status="completed", reason="agent_hangup")
        await browser.call_state("ended")
        assert await browser.lines("user") == ["What is the time?", "And the date?"]
        await text_of(browser, "main", "The agent said goodbye.")
        assert browser.complaints == []


async def test_a_call_redials_by_itself_when_the_line_goes_dead_and_keeps_the_conversation(chromium):
    async with small_host() as host, page_of(chromium, host.url) as browser:
        await browser.page.click("#call-button")
        await browser.call_state("connected")
        await host.send("call.transcript", role="user", text="Before the break", final=True)
        await text_of(browser, "#transcript", "Before the break")
        host.opened.clear()
        host.cut_the_line()
        await host.until_offers(2)
        assert host.offers[1]["resume"] == "r1"
        await browser.call_state("connected")
        await host.send("call.transcript", role="user", text="After it", final=True)
        await text_of(browser, "#transcript", "After it")
        assert await browser.lines("user") == ["Before the break", "After it"]

        # The network changes once more: the browser says so, and the newer token is shown.
        await browser.page.evaluate("dispatchEvent(new Event('online'))")
        await host.until_offers(3)
        assert host.offers[2]["resume"] == "r2"
        assert not host.hung_up.is_set()


async def test_leaving_the_page_hangs_up(chromium):
    async with small_host() as host, page_of(chromium, host.url) as browser:
        await browser.page.click("#call-button")
        await browser.call_state("connected")
        await browser.page.goto("about:blank")
        async with asyncio.timeout(5):
            await host.hung_up.wait()


async def test_the_client_module_serves_ones_own_page(chromium):
    async with small_host() as host, page_of(chromium, f"{host.url}/own.html") as browser:
        await browser.page.evaluate("call.start()")
        assert await browser.page.evaluate("call.state") == "connected"
        assert await browser.page.evaluate("call.remoteStream.getAudioTracks().length") == 1
        assert host.offers[0]["metadata"] == {"page": "own"}
        # No trickle: the offer itself must say where the page can be reached.
        assert "a=candidate" in host.offers[0]["sdp"]
        await host.send("call.answered")
        await host.send("error", code="bad_command", detail="That was no command.")
        assert await browser.page.evaluate("call.say('Good evening')") is True
        async with asyncio.timeout(5):
            assert await host.commands.get() == {"type": "say", "text": "Good evening"}
        assert await browser.page.evaluate("heard") == ["call.answered"]
        await browser.page.evaluate("call.hangUp()")
        async with asyncio.timeout(5):
            await host.hung_up.wait()
        assert await browser.page.evaluate("call.state") == "ended"
        assert browser.complaints == []
