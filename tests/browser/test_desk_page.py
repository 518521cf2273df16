"""What the desk promises by itself, in real Chromium, on the real API over calls of the tests' own."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import async_playwright, expect

from openclaw_actors.api.console import Console
from openclaw_actors.messages import Event
from openclaw_actors.settings.sections import Auth, ScopedToken, Voicemail
from openclaw_actors.stamps import now_rfc3339, ulid
from tests.api.conftest import empty_database, record_of, serve
from tests.browser.axe import grave_faults
from tests.browser.chromium import Browser
from tests.conftest import needs_program
from tests.store.samples import SampleCall, record

__all__ = ["empty_database", "serve"]
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

MANY = 200
AUTH = Auth(
    tokens=("everything",),
    scoped_tokens=(ScopedToken(name="wall", token="only-reads", scopes=("read",)),),
    allow_anonymous_loopback=False,
)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chromium():
    """One browser for all tests here: starting it takes 1-3 s."""
    executable = needs_program("chromium", "apt install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        await browser.close()


@asynccontextmanager
async def opened(chromium, url: str, *, dark: bool = False):
    """A page in a fresh profile."""
    context = await chromium.new_context(
        viewport={"width": 1280, "height": 800},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    try:
        page = Browser(await context.new_page())
        await page.page.goto(url)
        yield page
    finally:
        await context.close()


def put_on_board(api, count: int) -> list[str]:
    """So many live calls, oldest first."""
    ids = [f"call_{number:026d}" for number in range(count)]
    for number, call_id in enumerate(ids):
        api.board.calls[call_id] = None
        api.board.records[call_id] = record_of(call_id) | {"from": f"+1555010{number:04d}", "transport": "twilio"}
    return ids


def tell(api, call_id: str, kind: str, sequence: int = 1, **data) -> None:
    api.hub.publish(Event(f"evt_{ulid()}", kind, now_rfc3339(), call_id, sequence, data))


async def test_two_hundred_calls_are_one_list_that_keys_move_in_and_events_change_row_by_row(chromium, serve):
    async with serve() as api:
        ids = put_on_board(api, MANY)
        async with opened(chromium, api.listener.url) as browser:
            page = browser.page
            rows = page.locator("#live .row")
            await expect(rows).to_have_count(MANY)
            await expect(page.locator("#live-count")).to_have_text(str(MANY))
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")

            # Tab comes to the list once; the arrows, Home and End move in it.
            assert await page.locator("#live .row[tabindex='0']").count() == 1
            await rows.first.focus()
            await page.keyboard.press("ArrowDown")
            assert await rows.nth(1).evaluate("(row) => row === document.activeElement")
            await page.keyboard.press("End")
            assert await rows.last.evaluate("(row) => row === document.activeElement")
            await page.keyboard.press("Home")
            assert await rows.first.evaluate("(row) => row === document.activeElement")
            assert await page.locator("#live .row[tabindex='0']").count() == 1

            # What one call says changes its row alone.
            await page.evaluate("""() => {
                window.touched = new Set();
                const note = (mutations) => {
                    for (const { target } of mutations) {
                        const row = target.parentElement?.closest(".rows > li") ?? target.closest?.(".rows > li");
                        if (row) touched.add(row);
                    }
                };
                const options = { subtree: true, childList: true, characterData: true };
                new MutationObserver(note).observe(document.querySelector("#live call-list"), options);
            }""")
            tell(api, ids[7], "call.transcript", role="user", text="Where is my parcel?", final=False)
            speaking = page.locator("#live .row", has_text="Where is my parcel?")
            await expect(speaking).to_have_count(1)
            assert await page.evaluate("touched.size") == 1

            # All of them at once are as true.
            for call_id in ids:
                tell(api, call_id, "call.transcript", 2, role="agent", text=f"I am {call_id[-3:]}", final=True)
            await expect(page.locator("#live .row-words", has_text="I am")).to_have_count(MANY)
            tell(api, ids[0], "call.stages", 3, stages={"tts": {"state": "down", "engine": "espeak-ng", "restarts": 0}})
            await expect(page.locator("#live .health i[data-state=down]")).to_have_count(1)

            await page.keyboard.press("/")
            await page.keyboard.type("0100 042")
            await expect(rows).to_have_count(1)
            await page.fill("#live input[type=search]", "")

            del api.board.calls[ids[3]]
            tell(api, ids[3], "call.ended", 9, status="completed", reason="caller_hangup")
            await expect(page.locator("#live-count")).to_have_text(str(MANY - 1))
            assert await grave_faults(page) == []


async def test_a_token_is_asked_for_once_and_travels_in_the_header_alone(chromium, serve):
    async with serve(auth=AUTH) as api:
        put_on_board(api, 3)
        async with opened(chromium, api.listener.url) as browser:
            page = browser.page
            asked = []
            page.on("request", lambda request: asked.append(request.url))
            dialog = page.get_by_role("dialog")
            await expect(dialog).to_have_count(1)
            assert await grave_faults(page) == []
            await dialog.get_by_label("Token").fill("wrong")
            await page.keyboard.press("Enter")
            await expect(dialog.get_by_text("does not know this token")).to_be_visible()
            await dialog.get_by_label("Token").fill("everything")
            await page.keyboard.press("Enter")
            await expect(page.locator("#live .row")).to_have_count(3)
            await expect(dialog).to_have_count(0)
            await expect(page.locator("#dial-button")).to_be_visible()
            assert not [url for url in [*asked, page.url] if "everything" in url or "wrong" in url]
            # It outlives a reload of the tab, until it is given back.
            await page.reload()
            await expect(page.locator("#live .row")).to_have_count(3)
            await page.click("#leave-button")
            await expect(page.get_by_role("dialog")).to_have_count(1)
            await page.keyboard.press("Escape")
            await expect(page.get_by_role("heading", name="You are not signed in")).to_be_visible()
            assert await page.evaluate("Object.values(sessionStorage).join()") == ""


async def test_who_may_only_read_sees_calls_and_no_button_that_would_be_refused(chromium, serve):
    async with serve(auth=AUTH) as api:
        call = SampleCall()
        await record(api.store, *call.talk())
        api.board.calls[call.id] = None
        api.board.records[call.id] = record_of(call.id)
        async with opened(chromium, f"{api.listener.url}/#/live/{call.id}") as browser:
            page = browser.page
            await page.get_by_role("dialog").get_by_label("Token").fill("only-reads")
            await page.keyboard.press("Enter")
            await expect(page.locator("#live .line")).to_have_count(3)
            await expect(page.locator("#node")).to_be_visible()
            for button in ("Hang up", "Listen in", "Interrupt", "Drain", "Dial out", "Say it"):
                await expect(page.get_by_role("button", name=button)).to_have_count(0)


async def test_what_went_wrong_in_a_call_is_marked_on_its_time_line(chromium, serve):
    async with serve() as api:
        call = SampleCall()
        await record(api.store, *call.talk(), call.ended())
        async with opened(chromium, f"{api.listener.url}/#/history/{call.id}", dark=True) as browser:
            page = browser.page
            marks = page.locator("#history .marks li")
            await expect(marks).to_have_count(2)
            assert "Voice restarted in 2 ms (crash)" in await marks.nth(0).inner_text()
            assert "Voice: edge-tts instead of espeak-ng" in await marks.nth(1).inner_text()
            await expect(page.locator("#history .event-note[data-tone=warn]")).to_have_count(2)
            await expect(page.locator("#history turn-waterfall li")).to_have_count(1)
            await page.get_by_role("button", name="Erase").click()
            await page.get_by_role("dialog").get_by_role("button", name="Erase").click()
            await expect(page.get_by_text("The call is erased")).to_be_visible()
            assert await api.store.call(call.id) is None
            assert await grave_faults(page) == []


async def test_every_view_fits_its_screen_and_stops_nobody_in_light_and_dark(chromium, serve):
    async with serve() as api:
        call = SampleCall()
        await record(api.store, *call.talk(), call.ended())
        put_on_board(api, 2)
        shown = {
            "live": "#live .row",
            "history": "#history .row",
            f"history/{call.id}": "#history .line",
            "host": "#host-engines .engine",
            "talk": "#call-button",
        }
        async with opened(chromium, api.listener.url) as browser:
            for view, selector in shown.items():
                await browser.page.goto(f"{api.listener.url}/#/{view}")
                await browser.page.locator(selector).first.wait_for()
                for width in (320, 390, 768, 1100):
                    await browser.page.set_viewport_size({"width": width, "height": 800})
                    assert await browser.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
                        view,
                        width,
                    )
                    if width == 390:
                        await browser.page.emulate_media(color_scheme="dark")
                        assert await grave_faults(browser.page) == [], view
                await browser.page.emulate_media(color_scheme="light")
                assert await grave_faults(browser.page) == [], view


async def test_the_host_is_drained_and_taken_back_and_calls_are_dialled_from_here(chromium, serve):
    async with serve() as api, opened(chromium, api.listener.url) as browser:
        page = browser.page
        dialog = page.get_by_role("dialog")
        await page.get_by_role("button", name="Drain the host").click()
        await page.keyboard.press("Escape")
        assert not api.board.draining
        await page.get_by_role("button", name="Drain the host").click()
        await dialog.get_by_role("button", name="Drain").click()
        await expect(page.get_by_role("button", name="Take calls again")).to_be_visible()
        assert api.board.draining
        await page.get_by_role("button", name="Take calls again").click()
        await expect(page.get_by_role("button", name="Drain the host")).to_be_visible()
        assert not api.board.draining

        await page.get_by_role("button", name="Dial out").first.click()
        await dialog.get_by_label("Whom").fill("+1 (555) 010-0001")
        await page.keyboard.press("Enter")
        await expect(dialog.get_by_role("alert")).to_contain_text("No carrier is configured")
        assert await grave_faults(page) == []
        await dialog.get_by_label("Whom").fill("test")
        await dialog.get_by_label("First words").fill("Good morning.")
        await dialog.get_by_role("button", name="Call").click()
        await expect(page.locator("#live .cv-name")).to_be_visible()
        (started,) = api.board.started
        assert page.url.endswith(f"#/live/{started['call_id']}")
        assert started["profile"].greeting == "Good morning."


async def test_a_stream_that_breaks_goes_on_behind_the_last_event_that_was_seen(chromium):
    seen: list[str] = []

    async def events(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Last-Event-ID", ""))
        if len(seen) == 3:
            return web.Response(status=204)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        frame = f'id: evt_{len(seen)}\nevent: x\ndata: {{"number": {len(seen)}}}\n\n: heartbeat\n\nid: half'
        await response.write(frame.encode())
        return response

    async def page_of_its_own(_: web.Request) -> web.Response:
        return web.Response(text='<!doctype html><link rel="icon" href="data:,">', content_type="text/html")

    app = web.Application()
    console = Console()
    app.add_routes(
        [
            web.get("/events", events),
            web.get("/", page_of_its_own),
            web.get("/console/{name:.+}", console.asset),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with opened(chromium, url) as browser:
            heard = await browser.page.evaluate("""async () => {
                const { follow } = await import("/console/desk/sse.js");
                const { Api } = await import("/console/desk/api.js");
                const heard = [];
                const on = { event: ({ number }) => heard.push(number), state: (state) => heard.push(state) };
                await follow(new Api(""), "/events", on, new AbortController().signal);
                return heard;
            }""")
    finally:
        await runner.cleanup()
    assert heard == ["open", 1, "lost", "open", 2, "lost"]
    assert seen == ["", "evt_1", "evt_2"]


MESSAGE = {
    "id": "voicemail_1",
    "state": "due",
    "reason": None,
    "from": "+15550100001",
    "to": "+15550100002",
    "transcript": "Please call me about the parcel.",
    "answer": "It is in Lyon.",
    "received_at": "2026-01-02T03:04:05.678Z",
    "seconds": 4.2,
}


async def test_messages_are_listed_read_heard_and_answered(chromium, serve):
    """The answers of the API are given by the test: leaving a real message is tried in tests/voicemail."""
    async with serve(voicemail=Voicemail(enabled=True)) as api, opened(chromium, "about:blank") as browser:
        page = browser.page
        called_back = []

        async def answer(route):
            path = route.request.url.partition("/v1/voicemails")[2].partition("?")[0]
            if path.endswith("/callback"):
                called_back.append(path)
                await route.fulfill(status=202, json=MESSAGE)
            elif path.endswith("/audio"):
                await route.fulfill(status=200, content_type="audio/wav", body=wav(tone_seconds=4.2))
            else:
                await route.fulfill(json={"voicemails": [MESSAGE], "next": None})

        await page.route("**/v1/voicemails*", answer)
        await page.route("**/v1/voicemails/**", answer)
        await page.goto(api.listener.url)
        await page.get_by_role("link", name="Voicemail").click()
        await page.locator("#voicemail .row", has_text="+1 555 010 0001").click()
        message = page.locator("#voicemail .detail")
        await expect(message.get_by_text("Please call me about the parcel.", exact=True)).to_be_visible()
        await message.get_by_role("button", name="Play the recording").click()
        await expect(message.locator("recording-player")).to_have_attribute("data-state", "playing")
        await message.get_by_role("button", name="Call back").click()
        await expect(page.get_by_text("They will be called back")).to_be_visible()
        assert called_back == ["/voicemail_1/callback"]
        assert await grave_faults(page) == []


def wav(tone_seconds: float) -> bytes:
    """A beep."""
    import io
    import math
    import struct
    import wave

    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        count = round(tone_seconds * 8000)
        file.writeframes(b"".join(struct.pack("<h", round(8000 * math.sin(at / 3))) for at in range(count)))
    return out.getvalue()
