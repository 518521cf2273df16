"""Whole calls with a real aiortc client: sound both ways, events, bounds, and an end that leaves nothing."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import re
import socket
import threading
import time
import weakref

import psutil
import pytest
from aioice import ice

from openclaw_actors.errors import RefusalError
from openclaw_actors.media.codecs import OPUS, PCMU
from openclaw_actors.settings.sections import Limits, WebRtc
from openclaw_actors.testkit.lossy import Impairment, LossyLink
from openclaw_actors.transports.webrtc import aiortc_private, peer
from openclaw_actors.transports.webrtc.peer import WebRtcPeer, check_offer

from .conftest import CALLER_HZ, HOST_HZ, Tone, loudness, pitch


@pytest.mark.parametrize("codec", [OPUS, PCMU], ids=lambda c: c.name)
async def test_caller_and_host_hear_each_other(make_call, codec):
    call = make_call(codec)
    await call.connect()
    assert call.peer.codec is codec
    frames, voice = await asyncio.gather(call.listener.hears(30), call.client.listens(35))
    assert call.listener.is_contiguous()
    assert call.listener.frames[0].start == 0
    assert pitch(b"".join(f.pcm for f in frames[10:])) == pytest.approx(CALLER_HZ, abs=4)
    rate = 48_000 if codec is OPUS else 8_000
    assert pitch(voice[-rate:], rate) == pytest.approx(HOST_HZ, abs=4)
    assert call.listener.states == ["connecting", "connected"]


async def test_with_aiortcs_own_jitter_buffer_the_caller_is_heard_too(make_call):
    call = make_call(settings=WebRtc(jitter_buffer="stock"))
    await call.connect()
    frames = await call.listener.hears(30)
    assert call.listener.is_contiguous()
    assert pitch(b"".join(f.pcm for f in frames[10:])) == pytest.approx(CALLER_HZ, abs=4)


async def test_a_frame_is_there_within_milliseconds_of_its_packet(make_call):
    call = make_call()
    await call.connect()
    ages = []
    call.listener.changed = lambda: ages.append(time.monotonic() - call.listener.frames[-1].arrived_at)
    await call.client.listens(30)
    assert len(ages) > 20
    assert sorted(ages)[len(ages) // 2] < 0.005, "stock: 80 ms"


async def test_a_call_that_comes_back_goes_on_in_the_media_time_where_it_was(make_call):
    call = make_call()
    await call.connect()
    await call.listener.hears(5)
    other = type(call.listener)()
    call.peer.attach(Tone(OPUS, HOST_HZ), other, 160_000)
    await other.hears(5)
    assert other.frames[0].start == 160_000
    assert other.states == ["connected"], "a listener that comes later is told what is"


async def test_at_5_percent_loss_the_line_is_whole_and_the_latency_normal(make_call):
    call = make_call()
    call.client.link = LossyLink(Impairment(loss=0.05), seed=3)
    await call.connect()
    await call.listener.hears(90)
    assert call.listener.is_contiguous()
    frames = call.listener.frames
    assert call.client.link.dropped > 2
    assert 0 < sum(f.concealed for f in frames) < 0.2 * len(frames)
    behind = [f.arrived_at - frames[0].arrived_at - (f.start - frames[0].start) / 16_000 for f in frames[-30:]]
    assert sorted(behind)[15] < 0.03, "stock: one lost packet costs 280 ms for the rest of the call"


async def test_in_a_blackout_silence_is_heard_in_real_time_and_then_the_caller_again(make_call):
    call = make_call()
    call.client.link = LossyLink()
    await call.connect()
    await call.listener.hears(20)
    with call.client.link.blackout():
        began, have = time.monotonic(), len(call.listener.frames)
        await call.listener.until(lambda: len(call.listener.frames) >= have + 47)
        assert 0.8 < time.monotonic() - began < 3, "a second of silence lasts a second"
        assert loudness(call.listener.frames[-1]) == 0
        assert call.listener.frames[-1].concealed
    back = await call.listener.hears(10)
    assert loudness(back[-1]) > 1000
    assert call.listener.is_contiguous()


async def test_events_flow_both_ways_and_those_before_the_channel_are_kept(make_call):
    call = make_call()
    await call.offer_and_answer()
    for i in range(3):
        call.peer.send_event({"type": "early", "n": i})
    await call.client.answered(call.answer)
    await call.client.until(lambda: len(call.client.messages) == 3)
    assert [json.loads(m)["n"] for m in call.client.messages] == [0, 1, 2]
    call.client.channel.send('{"type": "interrupt"}')
    call.client.channel.send("nonsense")
    await call.listener.until(lambda: call.listener.commands == [{"type": "interrupt"}])
    await call.client.until(lambda: len(call.client.messages) == 4)
    assert json.loads(call.client.messages[3])["data"]["code"] == "bad_event"
    call.peer.send_event({"type": "late"})
    await call.client.until(lambda: call.client.messages[-1] == '{"type":"late"}')


async def test_a_client_without_a_data_channel_is_a_caller_too(make_call):
    call = make_call(channel=False)
    await call.connect()
    call.peer.send_event({"type": "lost"})
    await call.listener.hears(5)


async def test_a_client_whose_candidates_are_all_refused_connects_by_its_own_checks(make_call):
    """As a browser page without the microphone's permission, whose addresses are mDNS names."""
    call = make_call()
    sdp = re.sub(r"(a=candidate:\S+ 1 udp \d+) \S+", r"\1 57fc3e31-8ba8-4720.local", await call.client.offer())
    offer = check_offer(sdp, limits=Limits(), allow_private=False)
    assert "candidate" not in offer.sdp
    answer = await call.peer.accept(offer)
    call.peer.attach(Tone(OPUS, HOST_HZ), call.listener)
    await call.client.answered(answer)
    await call.listener.hears(5)


async def test_the_clients_hang_up_is_heard_at_once(make_call):
    call = make_call()
    await call.connect()
    await call.client.aclose()
    await call.listener.until(lambda: call.listener.states[-1] == "closed")
    await call.peer.aclose()
    assert call.listener.states == ["connecting", "connected", "closed"]


async def test_a_client_that_never_connects_fails_in_time(make_call):
    call = make_call(limits=Limits(setup_timeout_s=0.3))
    await call.offer_and_answer()
    await call.listener.until(lambda: "failed" in call.listener.states, 5)
    await call.peer.aclose()
    assert call.listener.states[-1] == "failed", "closed does not follow: it is final"


async def test_a_client_that_is_not_heard_is_disconnected_and_may_come_back(make_call):
    ahead = 0.0
    call = make_call(peer={"clock": lambda: time.monotonic() + ahead})
    call.client.link = LossyLink()
    await call.connect()
    await call.listener.hears(5)
    with call.client.link.blackout():
        ahead = 7.0
        await call.listener.until(lambda: call.listener.states[-1] == "disconnected")
    await call.listener.until(lambda: call.listener.states[-1] == "connected")


async def test_a_client_that_is_not_heard_until_its_consent_expires_is_lost_and_has_not_hung_up(make_call, monkeypatch):
    """6 checks without an answer (RFC 7675), here 0.1 s apart and not 5; aioice closes then as for a goodbye."""
    monkeypatch.setattr(ice, "CONSENT_INTERVAL", 0.1)
    ahead = 0.0
    call = make_call(peer={"clock": lambda: time.monotonic() + ahead})
    call.client.link = LossyLink()
    await call.connect()
    await call.listener.hears(5)
    with call.client.link.blackout():
        ahead = 7.0
        await call.listener.until(lambda: call.listener.states[-1] == "failed", 20)
    assert call.listener.states == ["connecting", "connected", "disconnected", "failed"]


async def test_a_listener_that_fails_does_not_end_the_call(make_call):
    call = make_call()

    def fail(_: object) -> None:
        raise RuntimeError("no")

    await call.offer_and_answer()
    call.listener.on_state = fail
    call.listener.on_command = fail
    await call.client.answered(call.answer)
    await call.client.until(lambda: call.client.channel.readyState == "open")
    call.client.channel.send("{}")
    await call.client.until(lambda: bool(call.client.messages))
    assert json.loads(call.client.messages[0])["data"]["code"] == "internal_error"
    await call.listener.hears(10)


async def test_video_beside_the_sound_is_turned_down_and_never_decoded(make_call):
    call = make_call()
    call.client.pc.addTransceiver("video", direction="sendrecv")
    sdp = await call.client.offer()
    answer = await call.peer.accept(check_offer(sdp, limits=Limits(), allow_private=True))
    assert [m.group(1, 2) for m in re.finditer(r"(?m)^m=(\w+) (\d+)", answer)][1] == ("video", "0")
    assert "video-decoder" not in {thread.name for thread in threading.enumerate()}


async def test_an_offer_that_aiortc_cannot_take_is_the_clients_fault(make_call):
    call = make_call()
    offer = check_offer(await call.client.offer(), limits=Limits(), allow_private=True)
    broken = type(offer)(offer.sdp.replace("a=rtcp-mux\r\n", ""), offer.codec, has_data_channel=True)
    with pytest.raises(RefusalError) as refused:
        await call.peer.accept(broken)
    assert (refused.value.status, refused.value.code) == (400, "bad_sdp")
    assert call.peer.state == "closed"


async def test_a_peer_that_is_closed_while_it_answers_says_so(make_call):
    call = make_call()
    offer = check_offer(await call.client.offer(), limits=Limits(), allow_private=True)
    answering = asyncio.create_task(call.peer.accept(offer))
    await asyncio.sleep(0)
    await call.peer.aclose()
    with pytest.raises(RefusalError) as refused:
        await answering
    assert refused.value.code == "ice_failed"


# --- ports and addresses ----------------------------------------------------------------------------------------


def free_range(count: int) -> tuple[int, int]:
    """Ports below the ephemeral ones (32768 on Linux), which no other socket is given by chance."""
    for _ in range(100):
        first = random.randrange(20_000, 30_000)
        if all(_is_free(port) for port in range(first, first + count)):
            return first, first + count - 1
    raise AssertionError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind(("", port))
        except OSError:
            return False
    return True


def ports_of(answer: str) -> set[int]:
    return {int(port) for port in re.findall(r"(?m)^a=candidate:.* (\d+) typ host", answer)}


async def test_candidates_use_the_configured_ports_which_are_free_again_after_the_call(make_call):
    first, last = free_range(2)
    settings = WebRtc(udp_port_range=(first, last))
    calls = [make_call(settings=settings) for _ in range(4)]
    for call in calls[:2]:
        assert ports_of(await call.offer_and_answer()) <= set(range(first, last + 1))
    with pytest.raises(RefusalError) as refused:
        await calls[2].offer_and_answer()
    assert (refused.value.status, refused.value.code) == (503, "no_udp_ports")
    assert f"{first} to {last}" in refused.value.detail
    assert refused.value.headers["Retry-After"]
    await calls[0].peer.aclose()
    assert ports_of(await calls[3].offer_and_answer()) <= set(range(first, last + 1))


async def test_announced_addresses_stand_in_place_of_the_local_ones(make_call):
    call = make_call(settings=WebRtc(announced_ips=("203.0.113.9", "2001:db8::9")))
    answer = await call.offer_and_answer()
    assert set(re.findall(r"(?m)^a=candidate:.* (\S+) \d+ typ host", answer)) <= {"203.0.113.9", "2001:db8::9"}
    assert "203.0.113.9" in answer
    await call.client.answered(answer)
    await call.listener.until(lambda: "connected" in call.listener.states)


async def test_an_address_of_this_machine_among_the_announced_stands_for_itself(make_call):
    plain = await make_call().offer_and_answer()
    local = re.search(r"(?m)^a=candidate:.* (\d+\.\d+\.\d+\.\d+) \d+ typ host", plain)[1]
    answer = await make_call(settings=WebRtc(announced_ips=(local, "203.0.113.9"))).offer_and_answer()
    shown = re.findall(r"(?m)^a=candidate:.* (\d+\.\d+\.\d+\.\d+) \d+ typ host", answer.split("m=application")[0])
    assert shown.count(local) == 1


async def test_no_candidate_is_of_loopback_or_link_local_addresses(make_call):
    answer = await make_call().offer_and_answer()
    assert not re.search(r"(?m)^a=candidate:.* (127\.|169\.254|fe80|::1 )", answer)
    assert ports_of(answer)


async def test_a_stun_server_that_does_not_answer_costs_a_second_at_most(make_call):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        server = {"urls": (f"stun:127.0.0.1:{deaf.getsockname()[1]}",)}
        began = time.monotonic()
        answer = await make_call(settings=WebRtc(ice_servers=(server,))).offer_and_answer()
    assert time.monotonic() - began < 1.6
    assert ports_of(answer)


# --- the end ----------------------------------------------------------------------------------------------------


async def test_twenty_calls_leave_no_thread_no_task_and_no_socket(make_call):
    async def one(call) -> None:
        await call.connect()
        await call.listener.hears(3)
        await call.aclose()

    process = psutil.Process()
    await one(make_call())  # what is made once and kept
    gc.collect()
    threads, tasks, files = threading.active_count(), len(asyncio.all_tasks()), process.num_fds()
    for _ in range(4):
        await asyncio.gather(*(one(make_call()) for _ in range(5)))
    gc.collect()
    assert threading.active_count() <= threads
    assert len(asyncio.all_tasks()) <= tasks
    assert process.num_fds() <= files


async def test_the_sockets_are_closed_also_where_a_part_of_the_connection_hangs(make_call, monkeypatch):
    """aiortc closes them last. Here its reports have ended by a fault, and its closing waits for their end for ever."""
    monkeypatch.setattr(peer, "_CLOSE_S", 0.2)
    monkeypatch.setattr(aiortc_private, "_STOP_S", 0.2)
    call = make_call(settings=WebRtc(udp_port_range=free_range(2)))
    await call.connect()
    (receiver,) = call.peer._connection.getReceivers()
    (sender,) = call.peer._connection.getSenders()

    async def fail(_: object) -> None:
        raise ValueError("a report is too long")

    receiver._send_rtcp = fail
    reports = receiver._RTCRtpReceiver__rtcp_task
    await asyncio.wait({reports}, timeout=10)
    assert isinstance(reports.exception(), ValueError)
    await call.peer.aclose()
    async with asyncio.timeout(5):
        while not all(_is_free(port) for port in ports_of(call.answer)):  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)
        await sender._RTCRtpSender__rtp_exited.wait()
        await sender._RTCRtpSender__rtcp_exited.wait()


async def test_a_call_holds_no_thread_of_the_host(make_call):
    """The client, in this process, has a decoder's thread; the peer has none."""
    call = make_call()
    await call.connect()
    await call.listener.hears(5)
    assert [t.name for t in threading.enumerate()].count("audio-decoder") == 1


async def test_a_closed_peer_keeps_nothing_of_its_connection(make_call):
    """Its session's secret address holds it for a while: 0.4 MB a call, until the next sweep."""
    call = make_call()
    await call.connect()
    await call.listener.hears(5)
    receiver = call.peer._connection.getReceivers()[0]
    parts = [weakref.ref(part) for part in (call.peer._connection, receiver, receiver.transport, call.peer._inbound)]
    del receiver
    await call.aclose()
    gc.collect()
    assert [part() for part in parts] == [None] * len(parts)


async def test_closing_twice_or_unused_is_nothing_special(make_call):
    unused = WebRtcPeer(WebRtc(), Limits())
    await asyncio.gather(unused.aclose(), unused.aclose())
    call = make_call()
    await call.connect()
    await asyncio.gather(call.peer.aclose(), call.peer.aclose())
    await call.peer.aclose()
    assert call.listener.states == ["connecting", "connected", "closed"]
    call.peer.send_event({"type": "too late"})
