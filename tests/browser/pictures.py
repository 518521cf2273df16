"""Makes the pictures of docs/desk.md: ``python -m tests.browser.pictures [FOLDER]``.

A real host; the callers are scripted and call over WebRTC, and one of them has a voice stage that crashes.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pykka
from playwright.async_api import Page, async_playwright

from openclaw_actors.actors.loop_actor import kill
from openclaw_actors.actors.tts import Tts
from openclaw_actors.client import Client
from openclaw_actors.settings.sections import Agent, Calls, OpenAiAgent, OpenAiStt, Stt
from openclaw_actors.testkit import speakers
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import RunningHost, embedded_settings, running_host
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import StubPlan

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
CONVERSATIONS = {
    "Grace Hopper": "Is the shop open on Sunday?",
    "Alan Turing": "Can I change the address of my order?",
    "Ada Lovelace": "Where is my parcel?",
    "Katherine Johnson": "I would like to speak with Ann.",
}
REPLIES = {
    "Is the shop open on Sunday?": "Yes, on Sunday we are open from ten to four. Shall I keep a table for you?",
    "Can I change the address of my order?": "Of course. Please tell me the new address, and I will repeat it.",
    "Where is my parcel?": "It is in Lyon. It will be with you tomorrow before noon.",
    "I would like to speak with Ann.": "Ann is in a meeting until three. May I take a message?",
}
PADDING_S = 0.5
"""What is uploaded with an utterance: its pre-roll, and the silence by which its end is known."""
SPOKEN = {text: speakers.flite(text) for text in REPLIES}


def hear(upload: bytes) -> str:
    """Which of the lines it is, by how long it is: the pictures need a recogniser that errs as little as a good one."""
    seconds = len(upload) / 2 / 16_000 - PADDING_S
    return min(SPOKEN, key=lambda text: abs(SPOKEN[text].seconds - seconds))


def think(messages: list[dict[str, Any]]) -> str:
    """The reply to the last that was said."""
    asked = str(messages[-1]["content"])
    return next((reply for question, reply in REPLIES.items() if question in asked), "I am sorry?")


PLAN = StubPlan(stt_delay_s=0.06, transcript=hear, first_token_s=0.14, token_s=0.01, reply=think)


_TO_WEBP = """async (png) => {
    const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
    const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
    canvas.getContext("2d").drawImage(image, 0, 0);
    return canvas.toDataURL("image/webp", 0.82);
}"""


@asynccontextmanager
async def busy_host() -> AsyncIterator[RunningHost]:
    """A host whose calls may be listened to, with stand-ins for a recogniser and a model, and a real voice."""
    async with OpenAiStub(PLAN) as stub:
        changes = {
            "stt": Stt(engines=("openai",), openai=OpenAiStt(base_url=stub.base_url, api_key="stub")),
            "agent": Agent(
                engines=("openai",), openai=OpenAiAgent(base_url=stub.base_url, api_key="stub", model="gpt")
            ),
            "calls": Calls(listen_in=True, recording=True),
        }
        async with running_host(embedded_settings().model_copy(update=changes)) as host:
            yield host


async def converse(caller: Caller, *questions: str) -> None:
    """Be greeted, then ask."""
    await caller.wait_voice()
    await caller.wait_silence()
    for question in questions:
        await caller.ask(SPOKEN[question])
        await caller.wait_silence()


@asynccontextmanager
async def desk(url: str, executable: str, *, dark: bool = False, phone: bool = False) -> AsyncIterator[Page]:
    """The desk in Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable,
            args=["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"],
        )
        context = await browser.new_context(
            viewport=PHONE if phone else DESKTOP,
            color_scheme="dark" if dark else "light",
            device_scale_factor=2 if phone else 1,
            reduced_motion="reduce",
        )
        page = await context.new_page()
        await page.goto(url)
        try:
            yield page
        finally:
            await browser.close()


async def as_webp(page: Page) -> bytes:
    """The page as WebP, a fifth of a PNG: Chromium itself encodes it, on a page without the desk's policy."""
    blank = await page.context.new_page()
    encoded = await blank.evaluate(_TO_WEBP, base64.b64encode(await page.screenshot()).decode())
    await blank.close()
    return base64.b64decode(encoded.partition(",")[2])


async def make(only: Sequence[str]) -> dict[str, bytes]:
    """Make them all, or those whose names begin with one of ``only``; each by its name."""
    made: dict[str, bytes] = {}
    executable = shutil.which("chromium")
    assert executable, "apt install chromium"

    async def picture(page: Page, name: str) -> None:
        if not only or name.startswith(tuple(only)):
            await page.wait_for_timeout(400)
            made[name] = await as_webp(page)

    async with busy_host() as host, contextlib.AsyncExitStack() as calls:
        async with desk(host.url, executable) as page:
            await page.get_by_text("No calls right now").wait_for()
            await picture(page, "desk-empty")
        async with Caller(host.url, name="Radia Perlman") as past:
            await converse(past, "Where is my parcel?", "Is the shop open on Sunday?")
        callers = [await calls.enter_async_context(Caller(host.url, name=name)) for name in CONVERSATIONS]
        talking = [
            asyncio.create_task(converse(caller, question, "Where is my parcel?", question, *REPLIES))
            for caller, question in zip(callers, CONVERSATIONS.values(), strict=True)
        ]
        client = await calls.enter_async_context(Client(host.url))
        await asyncio.sleep(16)
        for voice in pykka.ActorRegistry.get_by_class(Tts):
            if voice._actor_weakref().context.call_id == callers[0].call_id:
                kill(voice, RuntimeError("a fault, for the picture"))
        await client.hold(callers[3].call_id)
        for dark in (False, True):
            async with desk(f"{host.url}/#/live/{callers[0].call_id}", executable, dark=dark) as page:
                await page.wait_for_selector(".line")
                if not dark:
                    await page.get_by_role("button", name="Listen in").click()
                    await page.wait_for_timeout(1500)
                await picture(page, f"desk-live{'-dark' if dark else ''}")
        for dark in (False, True):
            async with desk(host.url, executable, phone=True, dark=dark) as page:
                await page.wait_for_selector(".row")
                await picture(page, f"desk-phone-list{'-dark' if dark else ''}")
                await page.locator(".row").last.click()
                await page.wait_for_selector(".line")
                await picture(page, f"desk-phone-call{'-dark' if dark else ''}")
        async with desk(f"{host.url}/#/history", executable) as page:
            await page.wait_for_selector("#history .row")
            await picture(page, "desk-history")
            await page.locator("#history .row").last.click()
            await page.locator("#history .line[data-role=agent]").nth(1).click()
            await page.wait_for_selector("recording-player[data-state=playing]")
            await page.wait_for_timeout(1500)
            await picture(page, "desk-history-call")
            await page.goto(f"{host.url}/#/host")
            await page.wait_for_selector("#host-engines .engine")
            await picture(page, "desk-host")
            await page.click("#dial-button")
            await picture(page, "desk-dial")
            await page.keyboard.press("Escape")
            await page.goto(f"{host.url}/#/talk")
            await picture(page, "desk-talk")
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=PICTURES)
    parser.add_argument("--only", nargs="*", default=())
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name, picture in asyncio.run(make(arguments.only)).items():
        (arguments.folder / f"{name}.webp").write_bytes(picture)
