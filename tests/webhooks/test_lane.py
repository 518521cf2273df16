"""A receiver gets every event of a call, in order, until it has taken it; what it does wrong costs only itself."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

from openclaw_actors.errors import StoreUnavailableError
from openclaw_actors.observability import metrics
from openclaw_actors.webhooks.lane import SIDE_BY_SIDE
from openclaw_actors.webhooks.schedule import BREAKER_FAILURES, PASSING_AGE_S, PASSING_ATTEMPTS

WAIT_S = 10.0


def counted(result: str) -> float:
    return metrics.webhook_deliveries_total.labels(result=result)._value.get()


async def test_the_events_of_a_call_arrive_in_order_as_they_happened(receiver_at, outbox, running_lane):
    before = counted("delivered")
    async with receiver_at() as receiver, outbox(receiver.url) as ledger:
        events = [await ledger.happens("call_1", 1, "call.initiated", transport="webrtc")]
        async with running_lane(receiver.url, ledger) as running:
            await receiver.until(1)
            events += [await ledger.happens("call_1", 2, "call.answered")]
            events += [await ledger.happens("call_1", 3, "call.ended", status="completed", reason="hangup")]
            running.lane.wake()
            taken = await receiver.until(3)
            for _ in events:
                assert (await ledger.next())[0] == "done"
        assert taken == [event.as_dict() for event in events]
        assert await ledger.outbox_next_at(receiver.url) is None
    assert counted("delivered") - before == 3


async def test_what_is_refused_comes_again_and_what_happened_after_it_waits(receiver_at, outbox, running_lane):
    async with receiver_at(500, 503) as receiver, outbox(receiver.url) as ledger:
        await ledger.happens("call_1", 1, "call.initiated")
        await ledger.happens("call_1", 2, "call.ended", status="completed", reason="hangup")
        async with running_lane(receiver.url, ledger) as running:
            for attempt in (1, 2):
                kind, (_, next_at, error) = await ledger.next()
                assert kind == "retry"
                assert str(500 if attempt == 1 else 503) in error
                assert len(receiver.taken) == attempt
                running.at(next_at)
            assert [(await ledger.next())[0] for _ in range(2)] == ["done", "done"]
    assert [event["sequence"] for event in receiver.taken] == [1, 1, 1, 2]
    assert len(set(receiver.ids)) == 2


async def test_one_calls_trouble_does_not_hold_up_another_call(receiver_at, outbox, running_lane):
    async with receiver_at() as receiver, outbox(receiver.url) as ledger:
        receiver.answers.append(receiver.hang)
        await ledger.happens("call_1", 1, "call.initiated")
        async with running_lane(receiver.url, ledger, timeout_s=30) as running:
            await receiver.until(1)
            for sequence in range(1, 6):
                await ledger.happens("call_2", sequence, "call.speech.started", utterance=sequence)
                running.lane.wake()
            taken = await receiver.until(6)
            assert [event["sequence"] for event in taken if event["call_id"] == "call_2"] == [1, 2, 3, 4, 5]
            receiver.closing.set()


async def test_at_most_a_few_attempts_run_side_by_side(receiver_at, outbox, running_lane):
    async with receiver_at() as receiver, outbox(receiver.url) as ledger:
        receiver.answers.extend([receiver.hang] * 40)
        for number in range(40):
            await ledger.happens(f"call_{number:02}", 1, "call.initiated")
        async with running_lane(receiver.url, ledger, timeout_s=30):
            await receiver.until(SIDE_BY_SIDE)
            receiver.closing.set()
            await receiver.until(40)
            assert receiver.most_open == SIDE_BY_SIDE
            assert [(await ledger.next())[0] for _ in range(40)] == ["done"] * 40
    assert len(set(receiver.ids)) == len(receiver.ids) == 40


async def test_a_passing_event_is_given_up_after_five_attempts_and_the_end_behind_it_is_told(
    receiver_at, outbox, running_lane
):
    before = counted("given_up")
    async with receiver_at(*[500] * PASSING_ATTEMPTS) as receiver, outbox(receiver.url) as ledger:
        passing = await ledger.happens("call_1", 1, "call.speech.started", utterance=1)
        end = await ledger.happens("call_1", 2, "call.ended", status="completed", reason="hangup")
        async with running_lane(receiver.url, ledger) as running:
            for _ in range(PASSING_ATTEMPTS - 1):
                kind, (_, next_at, _) = await ledger.next()
                assert kind == "retry"
                running.at(next_at)
            assert (await ledger.next())[0] == "give_up"
            running.at(running.clock() + 60)  # five failures in a row: it is taken for dead for a moment
            assert (await ledger.next())[0] == "done"
    assert receiver.ids == [passing.id] * PASSING_ATTEMPTS + [end.id]
    assert counted("given_up") - before == 1


async def test_the_end_of_a_call_is_told_eight_times_over_a_day_before_it_is_given_up(
    receiver_at, outbox, running_lane
):
    async with receiver_at(*[500] * 8) as receiver, outbox(receiver.url) as ledger:
        end = await ledger.happens("call_1", 1, "call.ended", status="completed", reason="hangup")
        began = time.time()
        async with running_lane(receiver.url, ledger) as running:
            for _ in range(7):
                kind, (_, next_at, _) = await ledger.next()
                assert kind == "retry"
                running.at(next_at + 60)  # past the pause of a dead receiver as well
            assert (await ledger.next())[0] == "give_up"
            assert running.clock() - began > 0.85 * 86_400
    assert receiver.ids == [end.id] * 8


async def test_a_receiver_that_was_down_gets_everything_as_soon_as_it_is_back(receiver_at, outbox, running_lane):
    """Ten calls ended while it was down; each end comes, none waits out its own delay."""
    async with receiver_at(*[503] * (BREAKER_FAILURES * 3)) as receiver, outbox(receiver.url) as ledger:
        for number in range(10):
            await ledger.happens(f"call_{number}", 1, "call.initiated")
            await ledger.happens(f"call_{number}", 2, "call.ended", status="completed", reason="hangup")
        async with running_lane(receiver.url, ledger) as running:
            for _ in range(BREAKER_FAILURES * 3):
                assert (await ledger.next())[0] == "retry"
                running.at(running.clock() + 60)
            assert running.lane.describe()["state"] == "failing"
            at_recovery = running.clock()
            while len(receiver.taken) < BREAKER_FAILURES * 3 + 20:
                running.at(running.clock() + 1)  # no more than that passes
                assert (await ledger.next())[0] == "done"
            assert running.clock() - at_recovery < 30
            assert running.lane.describe()["state"] == "ok"
    came = receiver.taken[BREAKER_FAILURES * 3 :]
    for number in range(10):
        assert [event["sequence"] for event in came if event["call_id"] == f"call_{number}"] == [1, 2]


async def test_a_dead_receiver_is_left_alone_between_single_attempts(receiver_at, outbox, running_lane):
    async with receiver_at(*[500] * 100) as receiver, outbox(receiver.url) as ledger:
        for number in range(30):
            await ledger.happens(f"call_{number:02}", 1, "call.initiated")
        async with running_lane(receiver.url, ledger) as running:
            for _ in range(SIDE_BY_SIDE):  # those that were on their way when it was found dead
                assert (await ledger.next())[0] == "retry"
            for _ in range(3):
                tried = len(receiver.taken)
                running.at(running.clock() + 60)
                assert (await ledger.next())[0] == "retry"
                assert len(receiver.taken) == tried + 1


async def test_an_hour_old_event_is_not_told_any_more_but_an_end_is(receiver_at, outbox, running_lane):
    async with receiver_at() as receiver, outbox(receiver.url) as ledger:
        for number in range(50):
            await ledger.happens("call_1", number + 1, "call.speech.started", utterance=number)
        end = await ledger.happens("call_1", 51, "call.ended", status="completed", reason="hangup")
        async with AsyncExitStack() as stack:
            running = await stack.enter_async_context(running_lane(receiver.url, ledger))
            running.clock.ahead = PASSING_AGE_S + 60
            assert [(await ledger.next())[0]] == ["done"]
    assert receiver.ids == [end.id]


async def test_410_ends_it_for_this_receiver_until_the_host_starts_anew(receiver_at, outbox, running_lane):
    before = counted("gone")
    async with receiver_at(410) as receiver, outbox(receiver.url) as ledger:
        for sequence in (1, 2, 3):
            await ledger.happens("call_1", sequence, "call.answered")
        async with running_lane(receiver.url, ledger) as running:
            assert (await ledger.next())[0] == "give_up"
            async with asyncio.timeout(WAIT_S):
                while await ledger.outbox_next_at(receiver.url) is not None:
                    running.lane.wake()
            assert running.lane.describe()["state"] == "gone"
        assert len(receiver.taken) == 1
        await ledger.happens("call_1", 4, "call.answered")
        async with running_lane(receiver.url, ledger):
            assert (await ledger.next())[0] == "done"
    assert counted("gone") - before == 1


async def test_what_a_busy_receiver_asks_for_is_waited(receiver_at, outbox, running_lane):
    from aiohttp import web

    async def busy(request):
        return web.Response(status=429, headers={"Retry-After": "120"})

    async with receiver_at(busy) as receiver, outbox(receiver.url) as ledger:
        await ledger.happens("call_1", 1, "call.answered")
        async with running_lane(receiver.url, ledger) as running:
            _, (_, next_at, _) = await ledger.next()
            assert 118 < next_at - running.clock() <= 120


async def test_a_url_that_leads_inside_is_never_connected_and_says_what_to_do(receiver_at, outbox, running_lane):
    before = counted("blocked")
    async with receiver_at() as receiver, outbox(receiver.url) as ledger:
        await ledger.happens("call_1", 1, "call.answered")
        async with running_lane(receiver.url, ledger, allow_private=False) as running:
            _, (_, _, error) = await ledger.next()
            assert "webhooks.allow_private" in error
            assert "webhooks.allow_private" in running.lane.describe()["detail"]
    assert receiver.taken == []
    assert counted("blocked") - before == 1


async def test_a_delivery_that_cannot_be_recorded_is_not_made_again_meanwhile(
    receiver_at, outbox, running_lane, monkeypatch
):
    """The disk is full for a while: the outbox still says that the event waits, yet the receiver has it."""
    monkeypatch.setattr("openclaw_actors.webhooks.lane._STORE_PAUSE_S", 0.01)
    async with receiver_at() as receiver, outbox(receiver.url) as ledger:
        real, refused = ledger.store.outbox_done, []

        async def full_at_first(number):
            if len(refused) < 5:
                refused.append(number)
                raise StoreUnavailableError("The disk is full.")
            await real(number)

        monkeypatch.setattr(ledger.store, "outbox_done", full_at_first)
        await ledger.happens("call_1", 1, "call.answered")
        async with running_lane(receiver.url, ledger) as running:
            for _ in range(5):
                running.lane.wake()
            assert (await ledger.next())[0] == "done"
        assert len(refused) == 5
        assert len(receiver.taken) == 1


async def test_stopping_lets_an_attempt_that_runs_arrive_once(receiver_at, outbox, running_lane):
    async with receiver_at() as receiver, outbox(receiver.url) as ledger:
        release = asyncio.Event()

        async def slow(request):
            from aiohttp import web

            await release.wait()
            return web.Response()

        receiver.answers.append(slow)
        await ledger.happens("call_1", 1, "call.answered")
        async with running_lane(receiver.url, ledger):
            await receiver.until(1)
            asyncio.get_running_loop().call_later(0.1, release.set)
        assert (await ledger.next())[0] == "done"
        assert await ledger.outbox_next_at(receiver.url) is None
    assert len(receiver.taken) == 1
