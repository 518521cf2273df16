"""Draws docs/pictures/console.png from a real call: ``python -m tests.browser.console_picture [PATH]``."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from openclaw_actors.settings.sections import Agent, OpenAiAgent, OpenAiStt, Stt
from openclaw_actors.testkit.host import embedded_settings, running_host
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import StubPlan
from openclaw_actors.testkit.speakers import flite, silence, write_microphone
from tests.browser.chromium import chromium_with_microphone

PICTURE = Path(__file__).parents[2] / "docs" / "pictures" / "console.png"
GREETING = "Hello! How can I help you today?"
QUESTION = "What is on my calendar tomorrow?"
REPLY = "Two things. At ten you meet Ann about the garden, and at half past four the train to Lyon leaves."
ASK_AT_S = 6.0


async def draw(path: Path) -> None:
    """One question and its answer, taken while the answer is spoken."""
    with tempfile.TemporaryDirectory() as folder:
        microphone = Path(folder) / "microphone.wav"
        write_microphone(microphone, silence(ASK_AT_S), flite(QUESTION, "slt"), silence(30))
        plan = StubPlan(transcript=QUESTION, reply=REPLY)
        async with OpenAiStub(plan) as stub:
            there = {"base_url": stub.base_url, "api_key": "stub"}
            settings = embedded_settings().model_copy(
                update={
                    "stt": Stt(engines=("openai",), openai=OpenAiStt(**there)),
                    "agent": Agent(
                        engines=("openai",), greeting=GREETING, openai=OpenAiAgent(model="assistant", **there)
                    ),
                }
            )
            program = shutil.which("chromium")
            assert program, "apt install chromium"
            async with running_host(settings) as host, chromium_with_microphone(program, microphone) as browser:
                await browser.open(host.url)
                await browser.call_state("idle")
                await browser.page.click("#call-button")
                await browser.page.locator('#transcript .line[data-role=user][data-final="true"]').wait_for()
                await asyncio.sleep(4)  # into the answer
                await browser.page.screenshot(path=path)


if __name__ == "__main__":
    asyncio.run(draw(Path(sys.argv[1]) if sys.argv[1:] else PICTURE))
