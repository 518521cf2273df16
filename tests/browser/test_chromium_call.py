"""What a person does, in real Chromium: open, Call, be greeted, ask, hear, speak over, hang up."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from openclaw_actors.settings.sections import Agent, OpenAiAgent
from openclaw_actors.testkit.host import embedded_settings, running_host
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import StubPlan
from openclaw_actors.testkit.resources import back_to, settled
from openclaw_actors.testkit.speakers import silence, write_microphone
from tests.browser.chromium import chromium_with_microphone
from tests.calls.conftest import GREETING, QUESTION, words

pytestmark = pytest.mark.browser

OBJECTION = "What time is it now?"
# espeak-ng speaks this for about half a minute: the second utterance surely falls into it, however slow the machine.
LONG_REPLY = "It is sunny in Paris today. " + " ".join(
    f"In district {number} there is a light wind from the west and not one cloud over the river." for number in range(9)
)
ASK_AT_S = 6.0
"""Into the microphone's file: the call is up and the greeting (2.3 s) spoken by then."""
OBJECT_AFTER_S = 7.0
"""After the question: the reply has begun, 0.7-3 s after it."""


@pytest.fixture
def microphone(flite, tmp_path):
    path = tmp_path / "microphone.wav"
    question, objection = flite(QUESTION), flite(OBJECTION, "rms")
    write_microphone(path, silence(ASK_AT_S), question, silence(OBJECT_AFTER_S), objection, silence(20))
    return path


@asynccontextmanager
async def talkative_host():
    """Embedded ears and voice; the agent is a stub whose reply is long."""
    plan = StubPlan(first_token_s=0.05, token_s=0.0, reply=LONG_REPLY)
    async with OpenAiStub(plan) as stub:
        agent = Agent(engines=("openai",), openai=OpenAiAgent(base_url=stub.base_url, api_key="stub", model="stub"))
        async with running_host(embedded_settings().model_copy(update={"agent": agent})) as host:
            yield host


async def test_a_person_in_a_browser_is_greeted_understood_answered_and_can_interrupt(chromium, microphone):
    async with talkative_host() as host, chromium_with_microphone(chromium, microphone) as browser:
        before = await settled(host)
        page = browser.page
        await browser.open(f"{host.url}/#/talk")
        await browser.call_state("idle")
        await page.click("#call-button")
        await browser.call_state("connected")

        greeted_at = await browser.voice()
        await browser.silence()
        assert await browser.peak() > 0.05
        assert words(" ".join(await browser.lines("agent"))) == words(GREETING)

        user_line = page.locator('#transcript .line[data-role=user][data-final="true"]')
        await user_line.first.wait_for(timeout=30_000)
        assert set(words(QUESTION)) <= set(words(await user_line.first.inner_text()))
        replied_at = await browser.voice(after=greeted_at + 3_000, timeout_ms=25_000)

        # The second utterance comes while the reply, of half a minute, is being spoken: the only silence in it.
        silent_at = await browser.silence()
        assert silent_at - replied_at < 15_000, "the reply was spoken on"
        await user_line.nth(1).wait_for(timeout=25_000)
        assert "time" in words(await user_line.nth(1).inner_text())
        await browser.voice(after=silent_at + 1)
        assert "sunny" in " ".join(await browser.lines("agent")).lower()
        for stage in ("transport", "turns", "stt", "agent", "tts"):
            state = await page.get_attribute(f"#stages [data-stage={stage}]", "data-state")
            assert state in {"ready", "working"}, f"{stage} is {state}"
        assert await page.locator("#latency .turn").count() >= 1

        await page.click("#call-button")
        await browser.call_state("idle", "ended")
        page_open = replace(before, tasks=10**6, descriptors=10**6)  # its own HTTP connections are still there
        after = await back_to(page_open, host)
        assert after.no_more_than(page_open), (before, after)
        assert browser.complaints == []
        await page.context.close()
        after = await back_to(before, host)
        assert after.no_more_than(before), (before, after)


@pytest.mark.parametrize(("phone", "dark"), [(False, False), (False, True), (True, False)])
async def test_the_page_fits_its_screen_and_says_which_engines_serve(chromium, microphone, tmp_path, phone, dark):
    async with (
        running_host() as host,
        chromium_with_microphone(chromium, microphone, phone=phone, dark=dark) as browser,
    ):
        await browser.open(f"{host.url}/#/talk")
        engines = browser.page.locator("#engines")
        await engines.get_by_text("pocketsphinx").first.wait_for(timeout=10_000)
        assert "espeak-ng" in await engines.inner_text()
        overflow = await browser.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0
        await browser.page.screenshot(path=tmp_path / "page.png", full_page=True)
        assert browser.complaints == []


async def test_a_typed_line_is_answered_by_voice_and_mute_is_told(chromium, microphone):
    async with running_host() as host, chromium_with_microphone(chromium, microphone) as browser:
        await browser.open(f"{host.url}/#/talk")
        await browser.page.click("#call-button")
        await browser.call_state("connected")
        await browser.page.click("#mute-button")
        greeted = await browser.voice()
        silent = await browser.silence()
        assert silent > greeted
        await browser.page.fill("#text-input", "my name is Ada")
        await browser.page.press("#text-input", "Enter")
        await browser.voice(after=silent + 1)
        await browser.silence()
        # Muted, so the microphone's question was never heard; typed, so it was answered all the same.
        assert "ada" in words(" ".join(await browser.lines("agent")))
        assert not any("weather" in words(line) for line in await browser.lines("user"))
        assert browser.complaints == []
