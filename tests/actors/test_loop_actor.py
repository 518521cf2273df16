"""What an actor promises, on the event loop and on a stock thread alike; and what only the loop's actor does."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pykka
import pytest

from openclaw_actors.actors.loop_actor import LoopActor, kill, stop

RUNTIMES = [LoopActor, pykka.ThreadingActor]
TIMEOUT = 5


@pytest.fixture(autouse=True)
async def _loop_hosts_actors():
    LoopActor.live_here()
    yield
    await on_a_thread(pykka.ActorRegistry.stop_all)
    assert pykka.ActorRegistry.get_all() == []


async def on_a_thread(call, *args, **kwargs):
    """Run a blocking call of pykka's where it may block."""
    done = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()

    def work():
        try:
            value = call(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - handed to whoever awaits
            loop.call_soon_threadsafe(done.set_exception, error)
        else:
            loop.call_soon_threadsafe(done.set_result, value)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        return await asyncio.wait_for(done, TIMEOUT)
    finally:
        thread.join(TIMEOUT)


class Diary:
    """What actors did, readable from any thread."""

    def __init__(self):
        self.lines = []
        self._changed = threading.Condition()

    def write(self, line):
        with self._changed:
            self.lines.append(line)
            self._changed.notify_all()

    def wait_for(self, line):
        with self._changed:
            assert self._changed.wait_for(lambda: line in self.lines, TIMEOUT), f"{line} not in {self.lines}"


def make_actor(runtime):
    class Subject(runtime):
        def __init__(self, diary):
            super().__init__()
            self.diary = diary
            self.colour = "blue"

        def on_start(self):
            self.diary.write("started")

        def on_stop(self):
            self.diary.write("stopped")

        def on_failure(self, exception_type, exception_value, traceback):
            self.diary.write(f"failed: {exception_value}")

        def on_receive(self, message):
            if message == "crash":
                raise ValueError("boom")
            self.diary.write(message)
            return f"got {message}"

        def add(self, a, b):
            return a + b

    return Subject


@pytest.fixture(params=RUNTIMES, ids=["loop", "thread"])
def actor_type(request):
    return make_actor(request.param)


@pytest.fixture
def diary():
    return Diary()


# --- on both runtimes -----------------------------------------------------------------------------


async def test_messages_are_handled_in_the_order_they_were_told(actor_type, diary):
    ref = actor_type.start(diary)
    for number in range(200):
        ref.tell(f"m{number}")
    await on_a_thread(diary.wait_for, "m199")
    assert diary.lines == ["started", *(f"m{number}" for number in range(200))]


async def test_an_ask_is_answered(actor_type, diary):
    ref = actor_type.start(diary)
    assert await on_a_thread(ref.ask, "hello", timeout=TIMEOUT) == "got hello"


async def test_an_exception_in_an_ask_goes_to_the_asker_and_the_actor_lives(actor_type, diary):
    ref = actor_type.start(diary)
    with pytest.raises(ValueError, match="boom"):
        await on_a_thread(ref.ask, "crash", timeout=TIMEOUT)
    assert await on_a_thread(ref.ask, "hello", timeout=TIMEOUT) == "got hello"


async def test_an_exception_in_a_told_message_ends_the_actor_with_on_failure(actor_type, diary):
    ref = actor_type.start(diary)
    ref.tell("crash")
    await on_a_thread(diary.wait_for, "failed: boom")
    assert not ref.is_alive()
    assert "stopped" not in diary.lines


async def test_a_stopped_actor_refuses_messages(actor_type, diary):
    ref = actor_type.start(diary)
    assert await on_a_thread(ref.stop, timeout=TIMEOUT) is True
    assert "stopped" in diary.lines
    with pytest.raises(pykka.ActorDeadError):
        ref.tell("late")


async def test_questions_left_in_the_queue_of_a_stopped_actor_get_an_error(actor_type, diary):
    ref = actor_type.start(diary)
    ref.tell("crash")
    try:
        question = ref.ask("never", block=False)
    except pykka.ActorDeadError:
        return  # the thread was quicker: refused at once, which is as good
    with pytest.raises(pykka.ActorDeadError):
        await on_a_thread(question.get, timeout=TIMEOUT)


async def test_proxies_read_attributes_and_call_methods(actor_type, diary):
    ref = actor_type.start(diary)

    def through_the_proxy():
        proxy = ref.proxy()
        return proxy.colour.get(timeout=TIMEOUT), proxy.add(2, 3).get(timeout=TIMEOUT)

    assert await on_a_thread(through_the_proxy) == ("blue", 5)


async def test_the_registry_knows_the_living_only(actor_type, diary):
    ref = actor_type.start(diary)
    assert pykka.ActorRegistry.get_by_urn(ref.actor_urn) == ref
    await on_a_thread(ref.stop, timeout=TIMEOUT)
    assert pykka.ActorRegistry.get_by_urn(ref.actor_urn) is None


async def test_messages_from_many_threads_all_arrive(actor_type, diary):
    ref = actor_type.start(diary)
    threads = [
        threading.Thread(target=lambda n=n: [ref.tell(f"{n}:{i}") for i in range(100)], daemon=True) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    await on_a_thread(lambda: [thread.join(TIMEOUT) for thread in threads])
    await on_a_thread(ref.ask, "last", timeout=TIMEOUT)
    assert len([line for line in diary.lines if ":" in line]) == 800


# --- on the loop only -----------------------------------------------------------------------------


class Life(LoopActor):
    """Tells a future how it ended."""

    def __init__(self, *, fails_to_start=False):
        super().__init__()
        self.ended = asyncio.get_running_loop().create_future()
        self.fails_to_start = fails_to_start
        self.ends = 0
        self.seen: list[Any] = []
        self.poison: Any = None
        self.cancelled = asyncio.Event()

    def on_start(self):
        if self.fails_to_start:
            raise RuntimeError("no start")

    def on_receive(self, message):
        self.seen.append(message)
        match message:
            case "crash":
                raise ValueError("boom")
            case "cancelled":
                raise asyncio.CancelledError
            case "work":
                self.spawn(self.work())
            case "bad work":
                self.spawn(self.bad_work())
            case "interrupt signal":
                raise KeyboardInterrupt

    async def work(self):
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()

    async def bad_work(self):
        await asyncio.sleep(0)
        raise KeyError("work")

    def on_poison(self, message):
        self.poison = message

    def on_down(self, reason, unread):
        self.ends += 1
        self.ended.set_result((reason, unread))


async def start(**kwargs):
    ref = Life.start(**kwargs)
    return ref, ref._actor_weakref()


async def end_of(actor):
    return await asyncio.wait_for(asyncio.shield(actor.ended), TIMEOUT)


async def test_awaiting_an_answer_does_not_block_the_loop():
    ref, _ = await start()
    beats = 0

    async def beat():
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0)

    heart = asyncio.create_task(beat())
    await asyncio.wait_for(ref.ask("x", block=False), TIMEOUT)
    heart.cancel()
    assert beats > 0


async def test_every_end_is_told_exactly_once():
    stopped, crashed, unstarted, killed = [(await start())[1], (await start())[1], None, (await start())[1]]
    unstarted = Life.start(fails_to_start=True)
    keep = unstarted._actor_weakref()
    stopped.actor_ref.stop(block=False)
    crashed.actor_ref.tell("crash")
    kill(killed.actor_ref, TimeoutError("hung"))
    reasons = [(await end_of(actor))[0] for actor in (stopped, crashed, killed) if actor]
    assert [type(reason) for reason in reasons] == [type(None), ValueError, TimeoutError]
    if keep is not None:
        assert type((await end_of(keep))[0]) is RuntimeError
    assert all(actor.ends == 1 for actor in (stopped, crashed, killed))
    assert not unstarted.is_alive()


async def test_unread_mail_is_handed_back_without_the_message_that_crashed():
    ref, actor = await start()
    for message in ("a", "crash", "b", "c"):
        ref.tell(message)
    reason, unread = await end_of(actor)
    assert isinstance(reason, ValueError)
    assert unread == ["b", "c"]
    assert actor.poison == "crash"


async def test_owned_work_is_cancelled_with_the_actor():
    ref, actor = await start()
    ref.tell("work")
    await ref.ask("sync", block=False)
    await asyncio.sleep(0)
    ref.stop(block=False)
    await end_of(actor)
    await asyncio.wait_for(actor.cancelled.wait(), TIMEOUT)


async def test_failing_work_is_the_actors_failure():
    ref, actor = await start()
    ref.tell("bad work")
    reason, _ = await end_of(actor)
    assert isinstance(reason, KeyError)
    assert not ref.is_alive()


async def test_a_handler_that_leaks_cancellation_has_crashed_and_nobody_else_has():
    ref, actor = await start()
    bystander, _ = await start()
    ref.tell("cancelled")
    reason, _ = await end_of(actor)
    assert isinstance(reason, asyncio.CancelledError)
    assert await asyncio.wait_for(bystander.ask("x", block=False), TIMEOUT) is None


async def test_a_kill_reads_no_more_mail():
    ref, actor = await start()
    ref.tell("unread")
    kill(ref, TimeoutError("hung"))
    _, unread = await end_of(actor)
    assert unread == ["unread"]
    assert actor.seen == []
    kill(ref, TimeoutError("again"))
    assert actor.ends == 1


async def test_a_stop_can_be_awaited_and_comes_in_its_turn():
    ref, actor = await start()
    ref.tell("before")
    await asyncio.wait_for(stop(ref), TIMEOUT)
    assert actor.seen == ["before"]
    assert actor.ended.done()
    await asyncio.wait_for(stop(ref), TIMEOUT)


class Passing(Life):
    """Passes numbers on, counted down."""

    next: Any = None

    def on_receive(self, message):
        self.seen.append(message)
        if message:
            self.next.tell(message - 1)


async def passing(count):
    refs = [Passing.start() for _ in range(count)]
    for ref, following in zip(refs, [*refs[1:], refs[0]], strict=True):
        ref._actor_weakref().next = following
    return refs, [ref._actor_weakref() for ref in refs]


async def test_mail_goes_on_from_actor_to_actor_within_one_turn_of_the_loop():
    (first, *_), actors = await passing(3)
    first.tell(2)
    await asyncio.sleep(0)
    assert [actor.seen for actor in actors] == [[2], [1], [0]]


async def test_actors_that_keep_telling_each_other_leave_the_loop_its_turns():
    (first, _), (one, _) = await passing(2)
    first.tell(1000)
    turns = 0
    while one.seen[-1:] != [0]:
        turns += 1
        await asyncio.sleep(0)
    assert turns >= 1000 / 32


async def test_an_actor_killed_by_the_one_before_it_handles_nothing():
    refs, actors = await passing(2)
    actors[0].on_receive = lambda _: kill(refs[1], TimeoutError("hung"))
    refs[0].tell("kill it")
    refs[1].tell("unread")
    assert (await end_of(actors[1]))[1] == ["unread"]
    assert actors[1].seen == []


async def test_an_actor_that_has_ended_is_not_kept_in_memory():
    import gc
    import weakref

    ref = Life.start()
    actor = weakref.ref(ref._actor_weakref())
    ended = actor().ended
    ref.stop(block=False)
    await asyncio.wait_for(ended, TIMEOUT)
    del ref, ended
    for _ in range(3):
        await asyncio.sleep(0)
        gc.collect()
    assert actor() is None


async def test_without_a_loop_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setattr(LoopActor, "_home", None)
    with pytest.raises(RuntimeError, match="live_here"):
        Life.start()
    for ref in pykka.ActorRegistry.get_all():
        pykka.ActorRegistry.unregister(ref)
