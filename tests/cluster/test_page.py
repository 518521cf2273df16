"""A page in real Chromium whose host is killed: it redials by itself, and its agent remembers."""

from __future__ import annotations

import wave

import pytest

from openclaw_actors.names import host_of_call
from tests.browser.chromium import chromium_with_microphone
from tests.cluster.conftest import TOKEN

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_page_redials_when_its_host_is_killed_and_the_agent_remembers(cluster, chromium, tmp_path):
    await cluster.all_ready()
    with wave.open(str(tmp_path / "silence.wav"), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes(bytes(96_000))
    async with (
        chromium_with_microphone(chromium, tmp_path / "silence.wav") as browser,
        cluster.client() as client,
    ):
        await browser.open(f"{cluster.url}/#/talk")
        await browser.page.click("#call-button")
        await browser.page.fill("#token-input", TOKEN)
        await browser.page.press("#token-input", "Enter")
        await browser.call_state("connected")
        call = await cluster.live_call(client, "webrtc")
        await client.send_text(call["id"], "my name is Ada")
        await browser.page.wait_for_selector("#transcript .line[data-role=agent][data-final=true]", timeout=30_000)
        await cluster.kill(host_of_call(call["id"]))
        after = await cluster.live_call(client, "webrtc", resumed_from=call["id"])
        await browser.call_state("connected", timeout_ms=30_000)
        before = len(cluster.agent.of("chat"))
        await client.send_text(after["id"], "what is my name")
        given = await cluster.agent.wait_request("chat", before + 1, 30)
        assert "my name is Ada" in str(given.body["messages"])
        await browser.page.click("#call-button")
        await browser.call_state("ended", timeout_ms=30_000)
    await cluster.all_ready()
