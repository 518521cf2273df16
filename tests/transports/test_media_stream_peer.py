"""A media stream, message by message: what the call hears, what the carrier is told, and how it ends."""

from __future__ import annotations

import asyncio
import base64
import json
import time

import numpy as np
import pytest

from openclaw_actors.errors import RefusalError
from openclaw_actors.media import mulaw
from openclaw_actors.media.codecs import PCMU
from openclaw_actors.media.decoders import decoder
from openclaw_actors.media.playout import Playout
from openclaw_actors.messages import FRAME, Speech, Spoken
from openclaw_actors.observability import metrics
from openclaw_actors.observability.loop_load import LoopLoad
from openclaw_actors.transports.media_streams.coalescing import Moderation
from openclaw_actors.transports.media_streams.framing import Started
from openclaw_actors.transports.media_streams.peer import MediaStreamPeer
from openclaw_actors.transports.media_streams.stream import MediaStream, StreamFaultError
from openclaw_actors.transports.media_streams.twilio import TwilioFraming

STARTED = Started("MZ1", "AC1", "CA1", {}, is_mulaw=True)
TONE = np.rint(8000 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)).astype("<i2")


class Socket:
    """The carrier's end of it."""

    def __init__(self) -> None:
        self.sent: list[dict] = []
        self.changed = asyncio.Event()
        self.closed: tuple[int, str] | None = None
        self.fails: Exception | None = None
        self._incoming: asyncio.Queue[str | None] = asyncio.Queue()

    def say(self, event: str, **body: object) -> None:
        self._incoming.put_nowait(json.dumps({"event": event, "streamSid": "MZ1", **body}))

    def media(self, chunk: int, at_ms: int, pcm: np.ndarray) -> None:
        payload = base64.b64encode(mulaw.encode(pcm.tobytes())).decode()
        self.say("media", media={"chunk": str(chunk), "timestamp": str(at_ms), "payload": payload})

    def echo(self, name: str) -> None:
        self.say("mark", mark={"name": name})

    async def receive(self) -> str | None:
        return await self._incoming.get()

    async def listen(self, take) -> None:
        while (text := await self.receive()) is not None and take(text):
            pass

    async def send(self, text: str) -> None:
        if self.fails is not None:
            raise self.fails
        self.sent.append(json.loads(text))
        self.changed.set()

    async def close(self, code: int, reason: str) -> None:
        if self.closed is None:
            self.closed = (code, reason)
            self._incoming.put_nowait(None)

    async def until(self, found):
        async with asyncio.timeout(5):
            while not (value := found()):
                self.changed.clear()
                await self.changed.wait()
        return value

    def marks(self) -> list[str]:
        return [each["mark"]["name"] for each in self.sent if each["event"] == "mark"]

    def sound(self) -> bytes:
        return b"".join(base64.b64decode(each["media"]["payload"]) for each in self.sent if each["event"] == "media")


class Listener:
    def __init__(self) -> None:
        self.frames, self.told, self.told_audio = [], [], []
        self.heard = asyncio.Event()

    def on_audio(self, audio) -> None:
        self.told_audio.append(audio)
        self.frames.extend(audio.frames())
        self.heard.set()

    def on_state(self, state) -> None:
        self.told.append(state)

    def on_dtmf(self, digit) -> None:
        self.told.append(f"key {digit}")
        self.heard.set()

    def on_end(self, status, reason) -> None:
        self.told.append((status, reason))

    async def frames_come(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.frames) < count:
                self.heard.clear()
                await self.heard.wait()


class Leg:
    def __init__(self) -> None:
        self.done: list[str] = []
        self.refuses: RefusalError | None = None

    async def hang_up(self) -> None:
        self.done.append("hang_up")
        if self.refuses:
            raise self.refuses

    async def transfer(self, to: str) -> None:
        if self.refuses:
            raise self.refuses
        self.done.append(f"transfer {to}")


class TellingPlayout(Playout):
    """A real one, which says when the carrier has played something."""

    def __init__(self) -> None:
        super().__init__(PCMU, lambda: None)
        self.played = asyncio.Event()

    def heard(self, packets: int) -> None:
        super().heard(packets)
        self.played.set()

    async def was_heard(self) -> None:
        async with asyncio.timeout(5):
            await self.played.wait()
        self.played.clear()


class Rig:
    """A peer on a socket, with a real playout."""

    def __init__(self) -> None:
        self.socket, self.listener, self.leg = Socket(), Listener(), Leg()
        self.playout = TellingPlayout()
        self.peer = MediaStreamPeer("twilio")
        self.peer.leg = self.leg
        self.serving: asyncio.Task[None] | None = None
        self.is_busy = False
        self.moderation = Moderation(LoopLoad(computed=lambda: self.is_busy * time.monotonic()))

    def begin(self) -> None:
        self.peer.attach(self.playout, self.listener)
        stream = MediaStream(self.socket, TwilioFraming(), 250)
        self.serving = asyncio.create_task(self.peer.serve(stream, STARTED, self.moderation))

    def speak(self, packets: int, *, turn: int = 1, text: str = "one two three four", last: bool = True) -> None:
        self.playout.release(turn)
        sound = tuple(b"%08d" % n * 20 for n in range(packets))
        self.playout.add(Speech(turn, 0, text, sound, bytes(320 * packets), True, last))


@pytest.fixture
async def rig():
    rig = Rig()
    yield rig
    await rig.peer.aclose()
    if rig.serving is not None:
        await asyncio.gather(rig.serving, return_exceptions=True)


async def test_the_callers_sound_arrives_as_frames_of_16_khz_without_delay(rig):
    rig.begin()
    for n in range(50):
        rig.socket.media(n + 1, 20 * n, TONE[160 * n : 160 * (n + 1)])
    await rig.listener.frames_come(50)
    frames = rig.listener.frames
    assert [frame.start for frame in frames] == [FRAME * n for n in range(50)]
    assert not any(frame.concealed for frame in frames)
    heard = np.frombuffer(b"".join(frame.pcm for frame in frames), np.int16).astype(float)
    assert np.argmax(np.abs(np.fft.rfft(heard))) == pytest.approx(440, abs=1)
    wanted = np.interp(np.arange(16_000) / 2, np.arange(8000), TONE)
    lags = [float(heard[lag:].dot(wanted[: 16_000 - lag])) for lag in range(80)]
    assert np.argmax(lags) / 16_000 < 0.003


async def test_pieces_of_any_length_are_taken(rig):
    rig.begin()
    at = chunk = 0
    for size in (80, 400, 33, 287, 1600):
        chunk += 1
        rig.socket.media(chunk, at * 1000 // 8000, TONE[at : at + size])
        at += size
    await rig.listener.frames_come(at // 160)
    assert not any(frame.concealed for frame in rig.listener.frames)


async def test_a_busy_host_hears_several_pieces_at_a_time_and_the_same_sound(rig):
    rig.is_busy = True
    await asyncio.sleep(0.6)
    packets = metrics.rtp_packets_total.labels(direction="inbound")._value.get()
    rig.begin()
    for n in range(50):
        rig.socket.media(n + 1, 20 * n, TONE[160 * n : 160 * (n + 1)])
    await rig.listener.frames_come(50)
    assert [len(audio.pcm) // 2 // FRAME for audio in rig.listener.told_audio] == [2] * 25
    assert [frame.start for frame in rig.listener.frames] == [FRAME * n for n in range(50)]
    assert not any(frame.concealed for frame in rig.listener.frames)
    alone = decoder(PCMU).decode(mulaw.encode(TONE.tobytes())).tobytes()
    assert b"".join(frame.pcm for frame in rig.listener.frames) == alone
    assert metrics.rtp_packets_total.labels(direction="inbound")._value.get() == packets + 50


@pytest.mark.parametrize("busy", [False, True])
async def test_a_piece_that_comes_again_costs_none_of_those_behind_it(rig, busy):
    rig.is_busy = busy
    await asyncio.sleep(0.6)
    rig.begin()
    for chunk in (1, 2, 3, 4, 5, 6, 3, 7, 8, 9, 10):
        rig.socket.media(chunk, 20 * (chunk - 1), TONE[160 * (chunk - 1) : 160 * chunk])
    await rig.listener.frames_come(10)
    assert not any(frame.concealed for frame in rig.listener.frames)
    alone = decoder(PCMU).decode(mulaw.encode(TONE[:1600].tobytes())).tobytes()
    heard = b"".join(frame.pcm for frame in rig.listener.frames)
    assert heard[: 2 * FRAME * 6] == alone[: 2 * FRAME * 6]
    assert len(heard) == len(alone)


async def test_what_a_busy_host_holds_when_the_caller_hangs_up_is_heard(rig):
    rig.is_busy = True
    await asyncio.sleep(0.6)
    rig.begin()
    for n in range(3):
        rig.socket.media(n + 1, 20 * n, TONE[160 * n : 160 * (n + 1)])
    rig.socket.say("stop", stop={})
    await rig.serving
    assert len(rig.listener.frames) == 3


async def test_sound_that_the_carrier_threw_away_is_counted_and_filled_by_its_time(rig):
    lost = metrics.rtp_packets_lost_total._value.get()
    rig.begin()
    rig.socket.media(1, 0, TONE[:160])
    await rig.listener.frames_come(1)
    await asyncio.sleep(0.1)
    rig.socket.media(6, 100, TONE[800:960])
    await rig.listener.frames_come(6)
    assert [frame.concealed for frame in rig.listener.frames] == [False, True, True, True, True, False]
    assert [frame.start for frame in rig.listener.frames] == [FRAME * n for n in range(6)]
    assert metrics.rtp_packets_lost_total._value.get() == lost + 4


async def test_at_most_400_ms_are_sent_ahead_with_a_mark_each_200_ms(rig):
    rig.begin()
    rig.speak(100)
    await rig.socket.until(lambda: len(rig.socket.marks()) == 2)
    assert len(rig.socket.sound()) == 160 * 20
    kinds = [each["event"] for each in rig.socket.sent]
    assert kinds == ["media", "mark", "media", "mark"]
    assert {each["streamSid"] for each in rig.socket.sent} == {"MZ1"}
    assert rig.playout.take()[1:] == []


async def test_what_is_echoed_was_heard_and_the_next_is_sent(rig):
    rig.begin()
    rig.speak(30)
    await rig.socket.until(lambda: len(rig.socket.marks()) == 2)
    for name in rig.socket.marks():
        rig.socket.echo(name)
        await rig.playout.was_heard()
    await rig.socket.until(lambda: len(rig.socket.marks()) == 3)
    assert not [move for move in rig.playout.take() if isinstance(move, Spoken)]
    rig.socket.echo(rig.socket.marks()[-1])
    await rig.playout.was_heard()
    assert rig.playout.take() == [Spoken(1, 0, "one two three four", ends_turn=True)]
    assert rig.socket.sound() == b"".join(b"%08d" % n * 20 for n in range(30))


async def test_a_pause_is_a_clear_and_echoes_after_it_mean_nothing(rig):
    rig.begin()
    rig.speak(40)
    await rig.socket.until(lambda: len(rig.socket.marks()) == 2)
    rig.socket.echo(rig.socket.marks()[0])
    await rig.playout.was_heard()
    pause = rig.playout.pause()
    await rig.socket.until(lambda: rig.socket.sent[-1]["event"] == "clear")
    rig.socket.echo(rig.socket.marks()[1])
    before = len(rig.socket.sound())
    rig.playout.resume(pause)
    await rig.socket.until(lambda: len(rig.socket.marks()) == 4)
    rig.socket.echo(rig.socket.marks()[2])
    await rig.playout.was_heard()
    await rig.socket.until(lambda: len(rig.socket.marks()) == 5)
    again = rig.socket.sound()[before:]
    assert again == b"".join(b"%08d" % n * 20 for n in range(10, 40)), "all but the 200 ms whose mark came back before"


async def test_a_barge_in_is_a_clear_and_nothing_of_the_old_turn_follows(rig):
    rig.begin()
    rig.speak(40)
    await rig.socket.until(lambda: len(rig.socket.marks()) == 2)
    rig.playout.cut(2)
    rig.speak(3, turn=2)
    await rig.socket.until(lambda: len(rig.socket.marks()) == 3)
    kinds = [each["event"] for each in rig.socket.sent]
    assert kinds == ["media", "mark", "media", "mark", "clear", "media", "mark"]
    assert len(set(rig.socket.marks())) == 3


async def test_silence_is_not_sent(rig):
    rig.begin()
    rig.socket.media(1, 0, TONE[:160])
    await rig.listener.frames_come(1)
    await asyncio.sleep(0.05)
    assert rig.socket.sent == []


async def test_keys_reach_the_call(rig):
    rig.begin()
    rig.socket.say("dtmf", dtmf={"track": "inbound_track", "digit": "#"})
    await rig.listener.heard.wait()
    assert rig.listener.told == ["connected", "key #"]


async def test_a_stop_is_the_callers_goodbye_and_nothing_is_hung_up(rig):
    rig.begin()
    rig.socket.say("stop", stop={"callSid": "CA1"})
    await rig.serving
    assert rig.listener.told == ["connected", ("completed", "caller_hangup"), "closed"]
    await rig.peer.aclose()
    assert rig.leg.done == []


async def test_a_socket_that_breaks_ends_the_call_and_is_hung_up_for_safetys_sake(rig):
    rig.begin()
    await asyncio.sleep(0)
    await rig.socket.close(1006, "")
    await rig.serving
    assert rig.listener.told[-2:] == [("completed", "peer_closed"), "closed"]
    await rig.peer.aclose()
    assert rig.leg.done == ["hang_up"]


async def test_our_own_end_closes_the_socket_and_hangs_up_whatever_the_carrier_answers(rig):
    rig.begin()
    rig.leg.refuses = RefusalError(503, "carrier_down", "no")
    rig.socket.media(1, 0, TONE[:160])
    await rig.listener.frames_come(1)
    await rig.peer.aclose()
    await rig.peer.aclose()
    assert rig.socket.closed == (1000, "")
    assert rig.leg.done == ["hang_up"]
    assert rig.serving.done()


async def test_a_second_start_or_a_second_stream_is_refused(rig):
    rig.begin()
    rig.socket.media(1, 0, TONE[:160])
    await rig.listener.frames_come(1)
    with pytest.raises(StreamFaultError, match="Unknown call"):
        await rig.peer.serve(MediaStream(Socket(), TwilioFraming(), 250), STARTED, rig.moderation)
    start = {
        "accountSid": "AC1",
        "streamSid": "MZ1",
        "callSid": "CA1",
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
    }
    rig.socket.say("start", start=start)
    with pytest.raises(StreamFaultError, match="Duplicate start"):
        await rig.serving
    assert rig.listener.told[-1] == "closed"


async def test_a_carrier_that_does_not_read_ends_the_call(rig):
    rig.begin()
    rig.socket.fails = StreamFaultError(1013, "Backpressure: send buffer exceeded")
    rig.speak(3)
    await rig.serving
    assert rig.socket.closed == (1013, "Backpressure: send buffer exceeded")


async def test_a_phone_that_is_dialled_rings_and_its_end_is_told_once(rig):
    rig.peer.attach(rig.playout, rig.listener)
    rig.peer.ringing()
    rig.peer.ringing()
    rig.peer.ended("busy", "busy")
    rig.peer.ended("completed", "caller_hangup")
    rig.peer.ringing()
    assert rig.listener.told == ["ringing", ("busy", "busy"), "closed"]
    with pytest.raises(StreamFaultError, match="Unknown call"):
        await rig.peer.serve(MediaStream(rig.socket, TwilioFraming(), 250), STARTED, rig.moderation)
    await rig.peer.aclose()
    assert rig.leg.done == [], "the carrier has ended it"


async def test_what_happened_before_the_call_listens_is_told_when_it_does(rig):
    rig.peer.ended("failed", "carrier_failed:13224")
    rig.peer.attach(rig.playout, rig.listener)
    assert rig.listener.told == [("failed", "carrier_failed:13224"), "closed"]


async def test_a_transfer_leaves_the_call_to_the_carrier(rig):
    with pytest.raises(RefusalError, match="can't be transferred"):
        await rig.peer.transfer("+15550100003")
    rig.begin()
    rig.socket.media(1, 0, TONE[:160])
    await rig.listener.frames_come(1)
    rig.leg.refuses = RefusalError(422, "no", "no")
    with pytest.raises(RefusalError):
        await rig.peer.transfer("+15550100003")
    rig.leg.refuses = None
    await rig.peer.transfer("+15550100003")
    await rig.peer.aclose()
    assert rig.leg.done == ["transfer +15550100003"]
