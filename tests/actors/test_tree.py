"""Supervision of a call's stages, on real stages and small real engines, without a peer."""

from __future__ import annotations

import asyncio
import time

import pykka
import pytest
from structlog.testing import capture_logs

from openclaw_actors.actors import tree as tree_module
from openclaw_actors.actors.loop_actor import LoopActor, kill, stop
from openclaw_actors.actors.memory import Memory
from openclaw_actors.actors.stage import CallContext, Engines
from openclaw_actors.actors.tree import Tree
from openclaw_actors.engines.protocols import Transcript
from openclaw_actors.engines.tts.cache import PhraseCache
from openclaw_actors.engines.tts.synthesis import Synthesis
from openclaw_actors.errors import BrokenEngineError, RefusedEngineError, SlowEngineError
from openclaw_actors.media.codecs import OPUS
from openclaw_actors.media.playout import Playout
from openclaw_actors.messages import CallProfile, Down, Pong, Ready, Report, ResumePlayout, Speech
from openclaw_actors.settings.sections import Settings, Supervision, TtsCache
from openclaw_actors.turns.vad import EnergyVad


class Named:
    """An engine of any kind that is never asked."""

    partial_every_s = 0.0
    speculative = repeatable = True
    first_token_s = 0.0
    sample_rate = 24_000

    def __init__(self, name):
        self.name = name

    async def transcribe(self, pcm, *, language="", final=True):
        return Transcript("")


class Owner(LoopActor):
    """A Call as the tree sees it: hears reports, owns the order of engines."""

    def __init__(self, settings, engines):
        super().__init__()
        self.failed: list[str] = []
        self.lost: list[str] = []
        self.blamed: list[str] = []
        self.events: list[tuple[str, dict]] = []
        self.restarted = asyncio.Event()
        self.replace_at: int | None = None
        self.engines = engines
        self.context = CallContext(
            call_id="call_x",
            caller="",
            profile=CallProfile(),
            settings=settings,
            memory=Memory(),
            playout=Playout(OPUS, lambda: None),
            engines=Engines(Named(engines[0]), Named("agent"), Named("tts"), EnergyVad),
            synthesis=Synthesis(PhraseCache(TtsCache())),
            call=self.actor_ref,
        )

    def on_start(self):
        self.tree = Tree(self.context, self)
        self.tree.start()

    def on_receive(self, message):
        match message:
            case Down():
                self.tree.down(message.stage, message.incarnation, message.reason)
            case Report(stage, incarnation, Ready()) if self.tree.current(stage, incarnation):
                self.tree.ready(stage)
            case Report(stage, incarnation, Pong()) if self.tree.current(stage, incarnation):
                self.tree.ponged(stage)

    def on_down(self, reason, unread):
        self.tree.kill()

    def later(self, delay, message):
        self._loop.call_later(delay, self.tree.restart, message)

    def next_engine(self, kind, name, error):
        self.blamed.append(name)
        below = self.engines[self.engines.index(name) + 1 :]
        return Named(below[0]) if below else None

    def engine_switched(self):
        pass

    def publish(self, kind, **data):
        self.events.append((kind, data))
        if kind == "call.stage.restarted":
            self.restarted.set()

    def stage_lost(self, stage, error):
        self.lost.append(stage)
        if self.replace_at == len(self.lost):
            self.tree.replace_engine(stage, error)

    def stage_failed(self, stage):
        self.failed.append(stage)


@pytest.fixture
async def make_owner():
    LoopActor.live_here()
    started = []

    def make(*engines, **supervision):
        ref = Owner.start(Settings(supervision=Supervision(**supervision)), engines or ("only",))
        started.append(ref)
        return ref._actor_weakref()

    yield make
    for ref in started:
        await stop(ref)
    await settled()
    assert pykka.ActorRegistry.get_all() == []


async def settled():
    """Let mail that is under way arrive."""
    for _ in range(10):
        await asyncio.sleep(0)


async def fail(owner, stage, error):
    kill(owner.tree.ref(stage), error)
    await settled()


async def test_a_stage_that_crashes_is_there_again_and_the_time_it_was_down_is_told(make_owner):
    owner = make_owner()
    await settled()
    await fail(owner, "stt", ValueError("boom"))
    assert owner.tree.ref("stt").is_alive()
    told = [data for kind, data in owner.events if kind == "call.stage.restarted"]
    assert [(data["stage"], data["reason"], data["incarnation"]) for data in told] == [("stt", "crash", 2)]
    assert told[0]["downtime_ms"] >= 0
    assert owner.tree.restarts() == {"stt": 1}


async def test_an_engine_that_refuses_is_replaced_at_once(make_owner):
    owner = make_owner("a", "b")
    await settled()
    await fail(owner, "stt", RefusedEngineError("bad key"))
    assert owner.context.engines.stt.name == "b"
    assert owner.failed == []


async def test_one_failure_replaces_one_engine_and_blames_no_other(make_owner):
    owner = make_owner("a", "b", "c")
    owner.replace_at = 1
    await settled()
    await fail(owner, "stt", RefusedEngineError("quota"))
    assert owner.context.engines.stt.name == "b"
    assert owner.blamed == ["a"]
    assert owner.tree.ref("stt").is_alive()


async def test_beyond_its_intensity_the_next_engine_serves_and_then_nothing_does(make_owner):
    owner = make_owner("a", "b", backoff_s=(0,), call_restarts=100)
    await settled()
    for _ in range(4):
        await fail(owner, "stt", BrokenEngineError("x"))
    assert owner.context.engines.stt.name == "b"
    for _ in range(3):
        await fail(owner, "stt", BrokenEngineError("x"))
    assert owner.failed == []
    await fail(owner, "stt", BrokenEngineError("x"))
    assert owner.failed == ["stt"]


async def test_mail_for_a_stage_in_back_off_reaches_its_next_incarnation_less_what_is_stale(make_owner):
    owner = make_owner(backoff_s=(0.05,), backoff_jitter=0)
    await settled()
    owner.context.memory.fence.turn = 2
    await fail(owner, "transport", ValueError("x"))
    assert owner.tree.ref("transport") is None
    port = owner.context.ports["transport"]
    port.tell(Speech(1, 0, "stale", (b"a",), bytes(960), ends_phrase=True, ends_turn=True))
    port.tell(Speech(2, 0, "good", (b"b",), bytes(960), ends_phrase=True, ends_turn=True))
    await asyncio.wait_for(owner.restarted.wait(), 5)
    owner.context.playout.release(2)
    assert owner.context.playout.next_packet() == b"b"


async def test_a_pause_that_was_to_end_ends_although_the_transport_died(make_owner):
    owner = make_owner()
    await settled()
    playout, memory = owner.context.playout, owner.context.memory
    playout.release(1)
    memory.resume_owed = ResumePlayout(1, playout.pause())
    await fail(owner, "transport", ValueError("x"))
    assert not playout.paused
    assert memory.resume_owed is None


async def test_a_resume_that_comes_after_a_second_onset_ends_nothing(make_owner):
    owner = make_owner()
    await settled()
    playout = owner.context.playout
    first = playout.pause()
    playout.pause()
    owner.context.ports["transport"].tell(ResumePlayout(1, first))
    await settled()
    assert playout.paused


async def test_who_leaves_a_ping_unanswered_is_restarted(make_owner, monkeypatch):
    owner = make_owner(ping_interval_s=0.001, ping_timeout_s=0.5)
    await settled()
    now = time.monotonic()
    owner.tree.ref("stt")._actor_weakref().on_receive = lambda message: None
    owner.tree.tick(now + 0.01)
    await settled()
    owner.tree.tick(now + 1)
    await settled()
    assert owner.lost == ["stt"]
    told = [data["reason"] for kind, data in owner.events if kind == "call.stage.restarted"]
    assert told == [SlowEngineError.kind]


async def test_a_loop_that_stood_still_kills_no_healthy_stage(make_owner):
    owner = make_owner(ping_interval_s=0.001, ping_timeout_s=0.5)
    await settled()
    now = time.monotonic()
    owner.tree.tick(now + 0.01)
    owner.tree.tick(now + 10 + tree_module.LATE_TICK_S)
    await settled()
    owner.tree.tick(now + 11 + tree_module.LATE_TICK_S)
    assert owner.lost == []


async def test_a_restart_is_logged_with_its_traceback(make_owner):
    owner = make_owner()
    await settled()
    with pytest.raises(ValueError, match="boom") as raised:
        int("boom")
    with capture_logs() as logged:
        await fail(owner, "stt", raised.value)
    lines = {line["event"]: line for line in logged if line.get("stage") == "stt"}
    assert lines["stage down"]["exc_info"].__traceback__ is not None
    assert lines["stage restarted"]["incarnation"] == 2


async def test_a_phrase_whose_last_sound_was_poison_still_ends_its_turn(make_owner):
    owner = make_owner()
    await settled()
    playout = owner.context.playout
    playout.release(1)
    transport = owner.tree.ref("transport")._actor_weakref()
    handle = transport.on_receive

    def on_receive(message):
        if isinstance(message, Speech):
            raise RuntimeError("poison")  # noqa: TRY004 - no matter which
        return handle(message)

    transport.on_receive = on_receive
    port = owner.context.ports["transport"]
    port.tell(Speech(1, 0, "Hello", (b"a",), bytes(960), ends_phrase=True, ends_turn=True))
    await settled()
    playout.next_packet()
    assert [(move.text, move.ends_turn) for move in playout.take()] == [("Hello", True)]
