"""An operator at the desk, in real Chromium, and a scripted caller whose call they follow, steer and find again."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import async_playwright, expect

from openclaw_actors.settings.sections import Agent, Calls, OpenAiAgent
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import embedded_settings, running_host
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import StubPlan
from tests.browser.axe import grave_faults
from tests.browser.chromium import Browser
from tests.calls.conftest import QUESTION, greeted

pytestmark = pytest.mark.browser

LONG_REPLY = "It is sunny in Paris. " + " ".join(
    f"District {number} has no cloud over the river." for number in range(20)
)


PEAK = """async () => {
    const stream = document.querySelector("#history recording-player audio").captureStream();
    const context = new AudioContext();
    const meter = new AnalyserNode(context, { fftSize: 2048 });
    const samples = new Float32Array(meter.fftSize);
    let peak = 0;
    const until = performance.now() + 5000;
    let source = null;
    while (peak < 0.05 && performance.now() < until) {
        if (!source && stream.getAudioTracks().length) {
            source = context.createMediaStreamSource(stream);
            source.connect(meter);
        }
        meter.getFloatTimeDomainData(samples);
        peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), peak);
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return peak;
}"""
"""The loudest of what the player plays, within five seconds."""


@asynccontextmanager
async def host():
    """Embedded ears and voice, an agent who talks for long, and calls that are recorded and may be listened to."""
    async with OpenAiStub(StubPlan(first_token_s=0.05, token_s=0.0, reply=LONG_REPLY)) as stub:
        agent = Agent(
            engines=("openai",),
            greeting="Hello!",
            openai=OpenAiAgent(base_url=stub.base_url, api_key="stub", model="stub"),
        )
        changes = {"agent": agent, "calls": Calls(listen_in=True, recording=True)}
        async with running_host(embedded_settings().model_copy(update=changes)) as running:
            yield running


@asynccontextmanager
async def desk(executable: str, url: str):
    """The desk, with its complaints."""
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
        browser = await playwright.chromium.launch(executable_path=executable, args=arguments)
        try:
            context = await browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
            opened = Browser(await context.new_page())
            await opened.page.goto(url)
            yield opened
        finally:
            await browser.close()


async def test_an_operator_follows_a_call_steers_it_and_finds_it_again(chromium, flite):
    question = flite(QUESTION)
    async with host() as running, desk(chromium, running.url) as opened:
        page = opened.page
        await expect(page.get_by_role("heading", name="No calls right now")).to_be_visible()
        assert await grave_faults(page) == []

        async with Caller(running.url, name="Ada Lovelace") as caller:
            # It comes in, and is opened.
            row = page.locator("#live .row", has_text="Ada Lovelace")
            await row.click(timeout=10_000)
            live = page.locator("#live .detail")
            await expect(live.get_by_role("heading", name="Ada Lovelace")).to_be_visible()
            await expect(live.locator(".line[data-role=agent]")).to_contain_text("Hello!", timeout=15_000)
            await greeted(caller)

            # Listening in, one hears the caller ask and the agent answer, and the transcript grows with it.
            await live.get_by_role("button", name="Listen in").click()
            await expect(live.get_by_text("You are listening")).to_be_visible()
            await caller.wait_event("call.listener.joined")
            heard = page.evaluate("""() => new Promise((resolve) => {
                const most = { Caller: 0, Agent: 0 };
                const look = () => {
                    for (const side of Object.keys(most)) {
                        const meter = document.querySelector(`#live [aria-label="${side}'s level"]`);
                        most[side] = Math.max(most[side], Number(meter.getAttribute("aria-valuenow")));
                    }
                    if (most.Caller > 30 && most.Agent > 30) resolve(most);
                    else setTimeout(look, 50);
                };
                look();
            })""")
            hearing = asyncio.ensure_future(heard)
            await caller.ask(question)
            await asyncio.wait_for(hearing, 20)
            await expect(live.locator(".line[data-role=user][data-final=true]")).to_contain_text("weather")
            await expect(live.locator(".line[data-role=agent]").last).to_contain_text("sunny", timeout=15_000)
            await expect(live.locator("turn-waterfall summary")).to_have_count(1)
            assert await grave_faults(page) == []

            # The agent would talk on for a minute.
            await live.get_by_role("button", name="Interrupt").click()
            silent_at = await caller.wait_silence()
            await expect(live.locator(".line[data-cut]")).to_have_count(1)

            await live.get_by_label("What to say").fill("Ada, we will call you back.")
            await page.keyboard.press("Enter")
            await caller.wait_voice(after=silent_at + 0.001)
            await expect(live.locator(".line[data-role=agent]").last).to_contain_text("call you back", timeout=15_000)

            await live.get_by_role("button", name="Hold").click()
            await caller.wait_event("call.held")
            await expect(live.get_by_role("button", name="End hold")).to_be_visible()
            await live.get_by_role("button", name="End hold").click()
            await caller.wait_event("call.resumed")

            await live.get_by_role("button", name="Hang up").click()
            await page.get_by_role("dialog").get_by_role("button", name="Hang up").click()
            await caller.wait_over()
            await expect(live.get_by_text("Hung up from here")).to_be_visible()

        # It is found by what was said.
        await page.get_by_role("link", name="History").click()
        await page.get_by_label("Number or words that were said").fill("call you BACK")
        await page.locator("#history .row", has_text="Ada Lovelace").click(timeout=10_000)
        past = page.locator("#history .detail")
        called_back = past.locator(".line[data-role=agent]").last
        await expect(called_back).to_contain_text("call you back")

        # Its recording is played from where one presses, and the line that sounds is marked.
        player = past.locator("recording-player")
        await expect(player).to_be_visible(timeout=10_000)
        await called_back.click()
        await expect(player).to_have_attribute("data-state", "playing")
        await expect(called_back).to_have_attribute("data-now", "true")
        assert await page.evaluate(PEAK) > 0.05
        await player.get_by_role("button", name="Pause").click()
        await player.get_by_role("slider").press("Home")
        await expect(player.locator(".player-time")).to_contain_text("0:00 /")
        assert await grave_faults(page) == []
        await page.get_by_label("Number or words that were said").fill("nobody said this")
        await expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
        assert opened.complaints == []


async def test_from_the_desk_a_person_presses_call_once_and_talks(chromium, tmp_path, flite):
    from openclaw_actors.testkit.speakers import silence, write_microphone
    from tests.browser.chromium import chromium_with_microphone

    write_microphone(tmp_path / "microphone.wav", silence(30))
    async with (
        running_host() as running,
        chromium_with_microphone(chromium, tmp_path / "microphone.wav") as browser,
    ):
        await browser.open(running.url)
        await browser.page.get_by_role("heading", name="No calls right now").wait_for()
        await browser.page.click("#talk-button")
        await browser.call_state("connected")
        await browser.voice()
        # One's own call is a live call like any other.
        await browser.page.get_by_role("link", name="Live").click()
        await browser.page.locator("#live .row").wait_for()
        await browser.page.click("#talk-button")
        await browser.page.click("#call-button")
        await browser.call_state("ended")
        assert await grave_faults(browser.page) == []
