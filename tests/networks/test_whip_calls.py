"""A WHIP client over real sockets: it posts, trickles, is heard and answered, comes back, and hangs up."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from openclaw_actors.client import Client
from openclaw_actors.media.codecs import OPUS
from openclaw_actors.testkit.ear import Ear
from openclaw_actors.testkit.mouth import Mouth
from openclaw_actors.testkit.speakers import silence, write_microphone
from openclaw_actors.testkit.waiting import Waits
from openclaw_actors.testkit.whip import CallRefusedError, WhipAnswer, WhipClient
from openclaw_actors.transports.webrtc.aiortc_private import tap_receiver
from tests.browser.chromium import chromium_with_microphone
from tests.calls.conftest import QUESTION, host, words  # noqa: F401 - a fixture

CANDIDATE = re.compile(r"a=candidate:([^\r\n]*)\r\n")


class WhipCaller:
    """An aiortc connection whose signalling is WHIP's."""

    def __init__(self, url: str) -> None:
        self.http = WhipClient(f"{url}/webrtc/whip")
        self.pc = RTCPeerConnection(RTCConfiguration([]))
        self.ear = Ear()
        self._waits = Waits(lambda: f"{self.ear.packets} packets, {self.pc.connectionState}")
        self.mouth = Mouth(on_tick=self._waits.check)
        self.mouth.codec = OPUS
        self.offer = ""
        self.answer: WhipAnswer | None = None

    async def dial(self, *, trickle: bool, resume: str = "") -> WhipAnswer:
        self.pc.addTrack(self.mouth)
        await self.pc.setLocalDescription(await self.pc.createOffer())
        self.offer = self.pc.localDescription.sdp
        found = CANDIDATE.findall(self.offer)
        bare = CANDIDATE.sub("", self.offer).replace("a=end-of-candidates\r\n", "")
        self.answer = await self.http.offer(bare if trickle else self.offer, resume)
        for receiver in self.pc.getReceivers():
            tap_receiver(receiver, self.ear.hear, stock=False)
        await self.pc.setRemoteDescription(RTCSessionDescription(self.answer.sdp, "answer"))
        if trickle:
            for candidate in found:
                assert await self.http.trickle(self.answer, self.offer, [candidate]) == 204
        await self._waits.until(lambda _: self.pc.connectionState == "connected" or None, 15, "connection")
        return self.answer

    async def voice(self, after: float = 0.0) -> float:
        return await self._waits.until(lambda _: self.ear.onset_after(after), 20, "voice")

    async def aclose(self) -> None:
        self.mouth.stop()
        await self.pc.close()
        await self.http.aclose()


@asynccontextmanager
async def whip_caller(url: str) -> AsyncIterator[WhipCaller]:
    caller = WhipCaller(url)
    try:
        yield caller
    finally:
        await caller.aclose()


@pytest.mark.parametrize("trickle", [False, True])
async def test_a_whip_client_posts_is_heard_and_answered_and_hangs_up(host, flite, trickle):  # noqa: F811
    question = flite(QUESTION)
    async with whip_caller(host.url) as caller, Client(host.url) as client:
        answer = await caller.dial(trickle=trickle)
        await caller.voice()
        await asyncio.sleep(0.8)
        utterance = caller.mouth.say(question)
        await utterance.done
        await caller.voice(after=utterance.ended_at)
        lines = (await client.transcript(answer.call_id))["lines"]
        assert words(QUESTION) == words(next(line["text"] for line in lines if line["role"] == "user"))
        assert await caller.http.hang_up(answer) == 200
        async with asyncio.timeout(10):
            await host.host.places.idle.wait()
        await host.host.store.settle()
        assert (await client.call(answer.call_id))["end_reason"] == "caller_hangup"
        assert await caller.http.hang_up(answer) == 404


async def test_an_ice_restart_is_refused_and_the_call_goes_on(host):  # noqa: F811
    async with whip_caller(host.url) as caller:
        answer = await caller.dial(trickle=False)
        restarted = re.sub(r"a=ice-ufrag:\S+", "a=ice-ufrag:another", caller.offer)
        with pytest.raises(CallRefusedError) as refused:
            await caller.http.trickle(answer, restarted, [])
        assert (refused.value.status, refused.value.problem["code"]) == (422, "no_ice_restart")
        await caller.voice()


async def test_a_whip_client_whose_network_changed_comes_back_into_the_same_call(host):  # noqa: F811
    async with whip_caller(host.url) as lost:
        first = await lost.dial(trickle=False)
        await lost.voice()
        async with whip_caller(host.url) as back:
            again = await back.dial(trickle=True, resume=first.resume_token)
            assert again.call_id == first.call_id
            assert (again.session, again.tag) != (first.session, first.tag)
            assert again.resume_token != first.resume_token
            with pytest.raises(CallRefusedError, match="404"):
                await lost.http.trickle(first, lost.offer, [])
            async with Client(host.url) as client:
                await client.say(first.call_id, "You are back.")
            await back.voice()
            assert await back.http.hang_up(again) == 200


_TRICKLE = Path(__file__).with_name("trickle.js").read_text()


@pytest.mark.browser
async def test_chromium_trickles_every_candidate_and_is_heard(chromium, flite, tmp_path, host):  # noqa: F811
    microphone = tmp_path / "microphone.wav"
    write_microphone(microphone, silence(3.0), flite(QUESTION), silence(30))
    async with chromium_with_microphone(chromium, microphone) as browser, Client(host.url) as client:
        await browser.page.goto(host.url)
        call = await browser.page.evaluate(f"({_TRICKLE})()")
        assert call["offered"] == 0, "the offer held no candidate"
        assert call["trickled"] >= 1
        assert set(call["statuses"]) == {204}
        assert call["state"] == "connected"
        async with asyncio.timeout(40):
            async for event in client.events(call["id"]):
                if event["type"] == "call.transcript" and event["data"]["role"] == "user" and event["data"]["final"]:
                    assert set(words(QUESTION)) <= set(words(event["data"]["text"]))
                    break
        assert await browser.page.evaluate("testCall.hangUp()") == 200
        assert not [each for each in browser.complaints if "/webrtc/" in each]
