"""The host: everything of one process, started in order and stopped in the exact reverse."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import ssl
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pykka

from openclaw_actors import __version__, garbage
from openclaw_actors.actors.admission import Load
from openclaw_actors.actors.archive import Archive
from openclaw_actors.actors.call import Services
from openclaw_actors.actors.events import EventHub
from openclaw_actors.actors.loop_actor import LoopActor, stop
from openclaw_actors.actors.places import Places
from openclaw_actors.actors.ready_lines import ReadyLines
from openclaw_actors.actors.recall import NODE_LOST, Recall
from openclaw_actors.actors.recorder import Recorder
from openclaw_actors.actors.switchboard import Switchboard, SwitchboardBoard
from openclaw_actors.actors.tree import publish_mailboxes
from openclaw_actors.allocator import share_arenas
from openclaw_actors.api.app import build_app
from openclaw_actors.api.member import ALONE, Member
from openclaw_actors.api.server import listen
from openclaw_actors.engines.after_calls import AfterCalls
from openclaw_actors.engines.catalogue import build_catalogue
from openclaw_actors.engines.recipes import EngineMaker, make_engine
from openclaw_actors.engines.smart_turn import SmartTurn
from openclaw_actors.engines.tts.cache import PhraseCache
from openclaw_actors.engines.tts.synthesis import Synthesis
from openclaw_actors.engines.worker_job import longest_wait
from openclaw_actors.errors import EngineError, SettingsError, StoreUnavailableError
from openclaw_actors.media.codecs import OPUS, PCMU
from openclaw_actors.messages import HangUpCall
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import configure_logs, get_logger, stop_logs
from openclaw_actors.observability.loop_load import LoopLoad
from openclaw_actors.observability.traces import Traces, open_traces
from openclaw_actors.observability.watchdog import EX_SOFTWARE, LoopWatchdog
from openclaw_actors.settings import Settings
from openclaw_actors.store.database import beside
from openclaw_actors.store.records import LostCall
from openclaw_actors.store.store import Store
from openclaw_actors.telephony.phone import Phone
from openclaw_actors.telephony.voicemail.desk import Desk
from openclaw_actors.turns.vad import load_silero
from openclaw_actors.webhooks.deliverer import Deliverer

_log = get_logger(__name__)

LAST_WORD_S = 60.0
"""Before a draining host hangs up, it says so once more."""

GOODBYE_S = 10.0
"""How long SIGINT waits for peers to close."""

LOOK_S = 4.0
"""Between two looks whether hosts of the cluster are gone: what they held is to be on record within 20 s."""


class Host:
    """One process's calls, engines and HTTP server. All of it lives on the running loop."""

    def __init__(
        self,
        settings: Settings,
        *,
        ssl_context: ssl.SSLContext | None = None,
        engine_maker: EngineMaker = make_engine,
        member: Member = ALONE,
    ) -> None:
        self.settings = settings
        self._member = member
        self._lost_reason = NODE_LOST if member.names.host else "host_restarted"
        messages = settings.voicemail.at_once if settings.voicemail.enabled else 0
        self.places = Places(settings.server.max_calls, messages)
        self.hub = EventHub()
        self.switchboard: pykka.ActorRef[Switchboard]
        self.phone: Phone | None = None
        """Calls by phone, once it has started; None where no carrier is configured."""
        self.desk: Desk | None = None
        """The voicemail, where it is enabled."""
        self.url = ""
        """Where the console is, with the port that was really bound."""
        self._ssl = ssl_context
        self._engine_maker = engine_maker
        self._ready = False
        self._closing = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """Start all; ready when it returns.

        Raises:
            OSError: the port can't be had.
            SettingsError: an engine's id is unknown, or the store can't be opened.
        """
        try:
            await self._start()
        except BaseException:
            await self._closing.aclose()
            raise

    async def _start(self) -> None:
        closing = self._closing
        share_arenas()
        LoopActor.live_here()
        metrics.initialise()
        metrics.build_info.labels(version=__version__).set(1)
        load_silero()
        await self._open_records()
        self.catalogue = build_catalogue(self.settings, self._engine_maker)
        closing.push_async_callback(self.catalogue.aclose)
        after_calls = AfterCalls()
        closing.push_async_callback(after_calls.aclose)
        disk_pool = ThreadPoolExecutor(1, "phrases")
        closing.callback(disk_pool.shutdown, wait=True)
        self.synthesis = Synthesis(PhraseCache(self.settings.tts.cache, disk_pool))
        closing.push_async_callback(self.synthesis.aclose)
        self.ready_lines = ReadyLines(self.settings, self.catalogue, self.synthesis)
        self._open_desk()
        services = Services(
            self.settings,
            self.catalogue,
            self.synthesis,
            self.hub,
            apologies=self.ready_lines.apologies,
            hold_sounds=self.ready_lines.hold_sounds,
            after_calls=after_calls,
            smart_turn=self._smart_turn(),
            messages=None if self.desk is None else self.desk.book,
            archive=self.archive,
            traces=self._open_traces(),
            names=self._member.names,
        )
        self.switchboard = Switchboard.start(services, self.places)
        closing.push_async_callback(self._stop_switchboard)
        self.board = SwitchboardBoard(self.switchboard, self.places, services, self._recall)
        self.archive.begin_sweeping()
        await self._listen()
        self._background(_watch_loop(self.places, lambda: self.readiness()[0]))
        await self.catalogue.start()
        self._background(self._make_ready_lines())
        self._background(self.ready_lines.make_hold_sounds(disk_pool))
        if self.desk is not None:
            carrier = (None, None) if self.phone is None else (self.phone.outbound, self.phone.recordings)
            self.desk.begin(self.board, *carrier)
        if self._recall is not None:
            self._background(self._look_for_lost())
        garbage.settle()  # `serve` has the search off up to here
        self._ready = True

    async def _open_records(self) -> None:
        """The store, what writes events into it, and what posts them on: closed after the last call has ended."""
        self.store = await Store.open(self.settings.store, self.settings.webhooks.urls, self._lost_reason)
        self._closing.push_async_callback(self.store.aclose)
        self.archive = Archive(self.settings.recordings, self._recordings_folder(), self.store)
        self._closing.push_async_callback(self.archive.aclose)
        self._tell_of_lost_calls(self.store.lost)
        self._recall: Recall | None = None
        if self._member.names.host:
            resume_s = self.settings.calls.resume_s
            self._recall = Recall(self.store, self._member.names, resume_s, self.bury_lost)
        recorder = Recorder(self.store)
        self.hub.keep_in(recorder)
        self._closing.callback(recorder.close)
        self._deliverer = Deliverer(self.settings, self.store, self.hub)
        self._closing.push_async_callback(self._deliverer.aclose)
        await self._deliverer.start()

    def _recordings_folder(self) -> Path:
        wanted = self.settings.recordings.dir
        return Path(wanted).absolute() if wanted else beside(self.settings.store.url) / "recordings"

    def _tell_of_lost_calls(self, all_lost: Sequence[LostCall]) -> None:
        """Calls of a host that was killed; the store has ended them on record, and their events wait for webhooks."""
        for lost in all_lost:
            _log.warning(
                "a call was lost with the host that held it",
                call_id=lost.call_id,
                transport=lost.transport,
                direction=lost.direction,
                last_seen=lost.ended_at,
            )
            metrics.calls_ended_total.labels(
                transport=lost.transport, direction=lost.direction, outcome="failed", reason=self._lost_reason
            ).inc()

    async def bury_lost(self) -> None:
        """End on record the calls of hosts of the cluster that died, tell of them, and deliver what they had to.

        A lock that is free is not enough: of a database that was started anew all locks are.
        """
        gone = await self.store.gone_hosts()
        if not gone or self._member.alive is None:
            return
        alive = await self._member.alive()
        if alive is None or not (dead := set(gone) - alive):
            return
        lost = await self.store.take_over(spared=set(gone) - dead)
        _log.warning("a host of the cluster is gone", hosts=sorted(dead), calls=len(lost))
        self._tell_of_lost_calls(lost)
        for each in lost:
            if each.event is not None:
                self.hub.tell(each.event)
        if self.phone is not None:
            self.phone.hang_up_lost(lost)
        self._deliverer.wake()

    async def _look_for_lost(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S * (0.7 + 0.6 * random.random()))  # noqa: S311 - hosts should not look at once
            try:
                await self.bury_lost()
            except StoreUnavailableError as error:
                _log.warning("whether hosts are gone can't be seen now", reason=error.detail)

    def _smart_turn(self) -> SmartTurn | None:
        """The semantic model of turns, if one is wanted. It loads in the background; calls do without until then."""
        model = self.settings.turns.semantic_model
        if not model:
            return None
        smart_turn = SmartTurn(model)
        self._closing.push_async_callback(smart_turn.aclose)

        async def load() -> None:
            try:
                await smart_turn.open()
            except EngineError as error:
                _log.error("there is no semantic model; turns end by words and silence alone", reason=str(error))

        self._background(load())
        return smart_turn

    def _open_traces(self) -> Traces | None:
        """Where the spans of turns go, if they go anywhere."""
        traces = open_traces(self.settings.traces, os.environ)
        if traces is not None:
            self._closing.push_async_callback(traces.aclose)
        return traces

    def _background(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)

        async def stop() -> None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

        self._closing.push_async_callback(stop)

    async def _listen(self) -> None:
        self.phone = await self._open_phone()
        app = build_app(
            self.settings,
            self.board,
            self.store,
            self.hub,
            ready=self.readiness,
            phone=self.phone,
            desk=self.desk,
            archive=self.archive,
            member=self._member,
        )
        listener = await listen(app, self.settings.server, self._ssl)
        self._closing.push_async_callback(listener.aclose)
        self.url = listener.url

    def _open_desk(self) -> None:
        """The voicemail, where it is enabled; closed after the last call has ended."""
        if not self.settings.voicemail.enabled:
            return

        self.desk = Desk(self.settings, self.store, self.hub, self.catalogue, self.ready_lines.render)
        try:
            self.desk.open()
        except OSError as error:
            raise SettingsError("the settings", "voicemail.dir", f"no messages can be kept there: {error}") from error
        self._closing.push_async_callback(self.desk.aclose)

    async def _open_phone(self) -> Phone | None:
        """Calls by phone, where a carrier is configured."""
        if not self.settings.carriers:
            return None
        phone = Phone(
            self.settings,
            self.board,
            self.hub,
            self.store,
            self.desk,
            host=self._member.names.host,
            recall=self._recall,
        )
        self._closing.push_async_callback(phone.aclose)
        await phone.start()
        return phone

    async def _make_ready_lines(self) -> None:
        """The apology first, then what callers of the voicemail hear, then what is said often."""
        for codec in (OPUS, PCMU):
            await self.ready_lines.make_apology(codec)
            if self.desk is not None:
                for text in self.desk.book.lines:
                    await self.desk.book.words(codec, text)
            await self.ready_lines.fill_cache(codec)

    def readiness(self) -> tuple[bool, dict[str, Any]]:
        """Whether calls are taken, which engines serve, and whether events are put on record.

        A store that fails does not make the host unready: calls go on without it. Its detail, which may hold a path,
        is in the log: anybody may read this.
        """
        engines, health = self.catalogue.describe(), self.store.health
        served = all(stage["serving"] for stage in engines.values())
        store = {name: health[name] for name in ("ok", "queue", "reason") if name in health}
        return self._ready and served and self.places.is_open, {"engines": engines, "store": store}

    # --- the end ----------------------------------------------------------------------------------

    async def drain(self, timeout_s: float) -> bool:
        """Take no new calls, let everybody know, and wait for the last to end; whether it did within ``timeout_s``."""
        self.places.closing = True
        self.board.announce_draining(True, timeout_s)
        last_s = min(timeout_s, LAST_WORD_S)
        if timeout_s > last_s and not await self._idle_within(timeout_s - last_s):
            self.board.announce_draining(True, last_s)
        return await self._idle_within(last_s)

    async def _idle_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self.places.idle.wait()
        except TimeoutError:
            return False
        return True

    def hang_up_all(self, reason: str = "shutdown") -> None:
        """End every call."""
        self.places.closing = self.places.ending = True
        for call_id in tuple(self.places.running):
            with contextlib.suppress(pykka.ActorDeadError):
                self.switchboard.tell(HangUpCall(call_id, reason))

    async def stop(self) -> None:
        """Hang up, then stop everything in the reverse order of its start. May be called once."""
        self._ready = False
        self.hang_up_all()
        await self._idle_within(GOODBYE_S)
        await self._closing.aclose()

    async def _stop_switchboard(self) -> None:
        await stop(self.switchboard)
        left = pykka.ActorRegistry.get_all()
        if left:
            _log.error("actors are left at the end; this is a fault", actors=[str(ref) for ref in left])


async def _watch_loop(places: Places, is_ready: Callable[[], bool]) -> None:
    """Once a second: how late and how busy the loop was, how deep the mailboxes, how many calls are borne and taken."""
    load = LoopLoad()
    while True:
        worst = 0.0
        for _ in range(10):
            due = time.monotonic() + 0.1
            await asyncio.sleep(0.1)
            worst = max(worst, time.monotonic() - due)
        metrics.event_loop_lag_seconds.set(worst)
        metrics.event_loop_busy_ratio.set(load.measure(time.monotonic()))
        publish_mailboxes()
        places.look(Load(worst, longest_wait()), time.monotonic())
        metrics.ready.set(is_ready())


async def serve(
    settings: Settings,
    *,
    ssl_context: ssl.SSLContext | None = None,
    on_ready: Callable[[Host], None] = lambda _: None,
) -> int:
    """Run a host until a signal ends it; the process's exit code, EX_SOFTWARE when the Switchboard is gone.

    SIGTERM drains (a second one hangs up); SIGINT hangs up politely.
    """
    configure_logs(settings.logs)
    host = Host(settings, ssl_context=ssl_context)
    watchdog = LoopWatchdog(settings.supervision)
    ended = asyncio.Event()
    draining: list[asyncio.Task[None]] = []
    loop = asyncio.get_running_loop()

    async def drain() -> None:
        _log.info("draining", calls=len(host.places.running), timeout_s=settings.server.drain_timeout_s)
        await host.drain(settings.server.drain_timeout_s)
        ended.set()

    def terminate() -> None:
        if draining:
            ended.set()
        else:
            draining.append(loop.create_task(drain()))

    loop.add_signal_handler(signal.SIGTERM, terminate)
    loop.add_signal_handler(signal.SIGINT, ended.set)
    try:
        if await _unless(ended, host.start()):
            watchdog.start()
            on_ready(host)
            await _unless(ended, host.places.failed.wait())
        await host.stop()
    finally:
        for task in draining:
            task.cancel()
        loop.remove_signal_handler(signal.SIGTERM)
        loop.remove_signal_handler(signal.SIGINT)
        watchdog.stop()
        stop_logs()
    return EX_SOFTWARE if host.places.failed.is_set() else 0


async def _unless(ended: asyncio.Event, work: Coroutine[Any, Any, Any]) -> bool:
    """Do ``work`` unless ``ended`` comes first, which cancels it; whether it was done."""
    working, ending = asyncio.ensure_future(work), asyncio.ensure_future(ended.wait())
    try:
        await asyncio.wait({working, ending}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
        return working.done()
    finally:
        for task in (working, ending):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
