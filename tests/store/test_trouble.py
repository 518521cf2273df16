"""When the database refuses: calls go on, nothing is lost that fits the queue, and everybody is told."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event as sqlalchemy_event
from structlog.testing import capture_logs

from openclaw_actors.actors.events import EventHub
from openclaw_actors.actors.recorder import Recorder
from openclaw_actors.errors import SettingsError, StoreUnavailableError
from openclaw_actors.messages import Event
from openclaw_actors.observability import metrics
from openclaw_actors.store import store as store_module
from openclaw_actors.store.entries import EventEntry
from openclaw_actors.store.store import Store
from tests.store.conftest import opened, run_sql
from tests.store.samples import SampleCall, record


def failures(reason: str) -> float:
    return metrics.REGISTRY.get_sample_value("openclaw_actors_store_failures_total", {"reason": reason}) or 0.0


@pytest.fixture
def hasty(monkeypatch) -> None:
    """A lock is waited for in 50 ms, so that a test need not wait for 2 s."""
    monkeypatch.setattr("openclaw_actors.store.database.BUSY_TIMEOUT_S", 0.05)
    monkeypatch.setattr("openclaw_actors.store.writer.PAUSES_S", (0.02, 0.05))


@pytest.fixture
def impatient(monkeypatch) -> None:
    """Who asks is refused after 1 s in place of 5; less would refuse on a busy machine what can be done."""
    monkeypatch.setattr(store_module, "ANSWER_S", 1.0)


class Told:
    """Collects what ``write`` and listeners are told; ``all`` is set when ``count`` have come."""

    def __init__(self, count: int) -> None:
        self.seen: list = []
        self._count = count
        self._all = asyncio.Event()

    def __call__(self, what) -> None:
        self.seen.append(what)
        if len(self.seen) >= self._count:
            self._all.set()

    async def wait(self) -> None:
        await asyncio.wait_for(self._all.wait(), 20)


@contextlib.contextmanager
def locked(url: str):
    """Another program holds the database."""
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.rollback()
        other.close()


class Fault:
    """The writer's next fault: awaited, and counted in the metric under ``reason``."""

    def __init__(self, store: Store, reason: str) -> None:
        self._met, self._reason, self._before = asyncio.Event(), reason, failures(reason)
        loop, writer, failing = asyncio.get_running_loop(), store._writer, store._writer._failing

        def failing_and_told(*told) -> None:
            failing(*told)
            loop.call_soon_threadsafe(self._met.set)

        writer._failing = failing_and_told

    async def met(self) -> None:
        await asyncio.wait_for(self._met.wait(), 20)
        assert failures(self._reason) > self._before


async def test_a_locked_database_costs_no_event(sqlite_url, hasty, impatient):
    async with opened(sqlite_url) as store:
        call, fault = SampleCall(), Fault(store, "locked")
        await record(store, call.initiated())
        with capture_logs() as logs:
            with locked(sqlite_url):
                told = Told(3)
                for kind in ("call.answered", "call.muted", "call.unmuted"):
                    store.write(EventEntry(call.event(kind)), told)
                await fault.met()
                assert store.health["ok"] is False
                assert store.health["reason"] == "locked"
                assert "let it finish" in store.health["detail"]
                assert store.health["queue"] == 3
                assert told.seen == []
                with pytest.raises(StoreUnavailableError) as refused:
                    await asyncio.wait_for(store.begin_command("s", "k", "print"), 10)
            await told.wait()
        assert refused.value.status == 503
        assert refused.value.headers["Retry-After"]
        assert told.seen == [True, True, True]
        assert await store.events(call.id) == call.events
        await store.forget_command("s", "k")  # behind all that waited
        assert store.health == {"ok": True, "queue": 0}
        loud = [entry for entry in logs if entry["log_level"] == "error"]
        assert [entry["reason"] for entry in loud] == ["locked"], "once, not once an attempt"
        assert any(entry["event"] == "records are written again" for entry in logs)


async def test_a_full_disk_costs_no_event_either(sqlite_url, hasty):
    async with opened(sqlite_url) as store:
        limit = 40  # pages of 4 KiB, of which the empty tables take 25
        sqlalchemy_event.listen(
            store._engine, "connect", lambda raw, _: raw.execute(f"PRAGMA max_page_count={limit}").close()
        )
        store._writer._disconnect()
        call, fault = SampleCall(), Fault(store, "full")
        told = Told(60)
        for _ in range(60):
            store.write(EventEntry(call.event("call.transcript", role="user", text="word " * 300, final=True)), told)
        await fault.met()
        assert store.health["reason"] == "full"
        assert "Make room" in store.health["detail"]
        limit = 4000  # the operator has made some
        await told.wait()
        assert told.seen == [True] * 60
        assert await store.events(call.id) == call.events
        assert store.health["ok"]


async def test_a_server_that_goes_away_and_comes_back_costs_no_event(postgresql_server, postgresql_url, hasty):
    name = postgresql_url.partition("@/")[2].partition("?")[0]
    end_sessions = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    async with opened(postgresql_url) as store:
        call, fault = SampleCall(), Fault(store, "unreachable")
        await record(store, call.initiated())
        run_sql(postgresql_server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", end_sessions)
        told = Told(2)
        store.write(EventEntry(call.event("call.answered")), told)
        await fault.met()
        store.write(EventEntry(call.event("call.muted")), told)
        with pytest.raises(StoreUnavailableError):
            await store.call(call.id)
        run_sql(postgresql_server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await told.wait()
        assert told.seen == [True, True]
        assert await store.events(call.id) == call.events


async def test_the_queue_is_bounded_and_what_does_not_fit_is_told_at_once(sqlite_url, hasty):
    async with opened(sqlite_url, queue=5) as store:
        call, lost, fault = SampleCall(), failures("queue_full"), Fault(store, "locked")
        await record(store, call.initiated())
        told: list[tuple[int, bool]] = []
        all_told = Told(9)
        with capture_logs() as logs, locked(sqlite_url):
            for number in range(9):

                def done(ok: bool, number: int = number) -> None:
                    told.append((number, ok))
                    all_told(number)

                store.write(EventEntry(call.event("call.muted")), done)
                assert told == [], "never from within write"
            await fault.met()
            assert told == [(number, False) for number in range(5, 9)]
            assert store.health["queue"] == 5
        await all_told.wait()
        assert sorted(told) == [(number, number < 5) for number in range(9)]
        assert failures("queue_full") == lost + 4
        assert [entry["event"] for entry in logs if entry["log_level"] == "error"].count(
            "a record is lost, more may be"
        ) == 1


async def test_a_request_that_nobody_waits_for_any_more_is_not_carried_out(sqlite_url, hasty, impatient):
    async with opened(sqlite_url) as store:
        with locked(sqlite_url), pytest.raises(StoreUnavailableError):
            await store.begin_command("s", "k", "print")
        call = SampleCall()
        await record(store, call.initiated())
        assert repr(await store.begin_command("s", "k", "other")) == "Fresh()"


async def test_a_stop_is_not_held_up_by_a_database_that_does_not_answer(sqlite_url, hasty, monkeypatch):
    monkeypatch.setattr(store_module, "CLOSE_S", 0.3)
    monkeypatch.setattr("openclaw_actors.store.database.BUSY_TIMEOUT_S", 1.0)
    async with opened(sqlite_url) as store:
        told, call = Told(2100), SampleCall()
        with locked(sqlite_url):
            for _ in range(2100):  # five batches, each of which would wait for the lock
                store.write(EventEntry(call.event("call.muted")), told)
            began = time.monotonic()
            await store.aclose()
            assert time.monotonic() - began < 4
        await told.wait()
        assert told.seen == [False] * 2100


async def test_what_waits_at_a_stop_is_written(sqlite_url):
    call = SampleCall()
    async with opened(sqlite_url) as store:
        for _ in range(700):  # more than one batch
            store.write(EventEntry(replace(call.event("node.draining"), call_id="")))
    async with opened(sqlite_url) as store:
        assert [event.id for event in await store.events(None, limit=1000)] == [event.id for event in call.events]


async def test_listeners_hear_of_events_that_can_not_be_recorded(sqlite_url, hasty, monkeypatch):
    """The call itself is never held up: publishing takes the time to queue, the lock or no lock."""
    monkeypatch.setattr("openclaw_actors.store.database.BUSY_TIMEOUT_S", 1.0)
    async with opened(sqlite_url, queue=3) as store:
        hub, call, told, fault = EventHub(), SampleCall(), Told(8), Fault(store, "locked")
        hub.keep_in(Recorder(store))
        hub.subscribe(told)
        events: list[Event] = [call.initiated(), *(call.event("call.muted") for _ in range(7))]
        with locked(sqlite_url):
            slowest = 0.0
            for event in events[:5]:
                began = time.perf_counter()
                hub.publish(event)
                slowest = max(slowest, time.perf_counter() - began)
            await fault.met()
            for event in events[5:]:
                hub.publish(event)
            await told.wait()
        assert told.seen == events
        assert slowest < 0.5, "the lock is waited for elsewhere"


async def test_readers_go_on_while_the_database_is_locked_for_writing(sqlite_url, hasty):
    async with opened(sqlite_url) as store:
        call = SampleCall()
        await record(store, call.initiated())
        with locked(sqlite_url):
            assert await store.events(call.id) == call.events


def corrupt(path: Path) -> None:
    path.write_bytes(b"this is no database" * 1000)


def put_a_folder_there(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("break_it", "words"), [(corrupt, "damaged"), (put_a_folder_there, "store.url")], ids=["corrupt", "a folder"]
)
async def test_a_database_that_can_not_be_opened_ends_the_start_with_advice(
    tmp_path, break_it: Callable[[Path], None], words
):
    break_it(tmp_path / "calls.db")
    with pytest.raises(SettingsError, match=words):
        async with opened(f"sqlite:///{tmp_path}/calls.db"):
            pass
