"""Callers whom only a relay lets through: a real coturn, credentials that expire, words that are understood."""

from __future__ import annotations

import re

import pytest
from pydantic import SecretStr

from openclaw_actors.client import Client
from openclaw_actors.settings.sections import IceServer, WebRtc
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import embedded_settings, running_host
from openclaw_actors.testkit.providers.turn import Turn, coturn
from openclaw_actors.testkit.speakers import silence, write_microphone
from openclaw_actors.transports.webrtc.ice_servers import turn_credential
from tests.browser.chromium import chromium_with_microphone
from tests.calls.conftest import QUESTION, words
from tests.conftest import needs_program

_RELAY_ONLY = """
const Real = RTCPeerConnection;
window.testPeers = [];
window.RTCPeerConnection = class extends Real {
  constructor(configuration) {
    super({ ...configuration, iceTransportPolicy: "relay" });
    window.testPeers.push(this);
  }
};
"""

_PATHS = """async () => {
  const stats = [...(await window.testPeers.at(-1).getStats()).values()];
  const pair = stats.find((each) => each.type === "candidate-pair" && each.nominated && each.state === "succeeded");
  return stats.filter((each) => [pair?.localCandidateId, pair?.remoteCandidateId].includes(each.id))
    .map((each) => each.candidateType);
}"""


@pytest.fixture
async def turn():
    async with coturn(needs_program("turnserver", "apt install coturn")) as server:
        yield server


def relayed(turn: Turn, **changes: object):
    server = IceServer(urls=(turn.url,), **changes)
    secret = SecretStr("" if changes else turn.secret)
    settings = embedded_settings()
    agent = settings.agent.model_copy(update={"greeting": "Hello!"})
    webrtc = WebRtc(ice_servers=(server,), turn_secret=secret)
    return settings.model_copy(update={"webrtc": webrtc, "agent": agent})


@pytest.mark.browser
async def test_a_browser_that_may_only_use_a_relay_is_understood_and_answered(turn, chromium, flite, tmp_path):
    microphone = tmp_path / "microphone.wav"
    write_microphone(microphone, silence(4.0), flite(QUESTION), silence(30))
    async with (
        running_host(relayed(turn)) as host,
        chromium_with_microphone(chromium, microphone) as browser,
    ):
        await browser.page.context.add_init_script(_RELAY_ONLY)
        await browser.open(f"{host.url}/#/talk")
        await browser.page.click("#call-button")
        await browser.call_state("connected")
        await browser.voice()
        line = browser.page.locator('#transcript .line[data-role=user][data-final="true"]').first
        await line.wait_for(timeout=40_000)
        assert set(words(QUESTION)) <= set(words(await line.inner_text()))
        paths = await browser.page.evaluate(_PATHS)
        assert "relay" in paths, paths
        async with Client(host.url) as client:
            (call,) = (await client.calls())["calls"]
        assert call["media_state"] == "connected"
        await browser.page.click("#call-button")
        await browser.call_state("idle", "ended")
        assert browser.complaints == []
    assert turn.users
    assert all(re.fullmatch(r"\d{10}:\w+", user) for user in turn.users)
    assert not turn.refusals


async def test_the_host_itself_offers_a_relay_beside_its_own_addresses(turn):
    answers: list[str] = []
    async with running_host(relayed(turn)) as host:
        caller = Caller(host.url, prepare=lambda pc: answers.append(pc.localDescription.sdp))
        async with caller:
            await caller.wait_voice()
            (peer,) = [live.peer for live in host.host.switchboard._actor_weakref()._calls.values()]
            answer = peer._connection.localDescription.sdp
    assert "typ relay" in answer
    assert "typ host" in answer
    assert "typ relay" in answers[0], "the caller's own, by the credentials that the host gave it"
    assert len(turn.users) == 2, "each has its own name in coturn's log"


async def test_credentials_are_refused_by_the_server_once_they_have_expired(turn):
    stale = "1700000000:call_01"
    credential = turn_credential(turn.secret, stale)
    expired = relayed(turn, username=stale, credential=SecretStr(credential))
    async with running_host(expired) as host, Caller(host.url) as caller:
        await caller.wait_voice()  # without a relay, by the addresses of both
    assert not turn.users
    assert turn.refusals
