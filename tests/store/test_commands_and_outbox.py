"""Requests are not done twice, and no event is lost on its way to a webhook."""

from __future__ import annotations

import json
import time

from openclaw_actors.store import commands
from openclaw_actors.store.records import Conflict, Fresh, InFlight, Replay
from tests.store.samples import SampleCall, record, recorded_call

HOOKS = ("https://one.example/hook", "https://two.example/hook")


async def test_a_request_that_was_done_is_answered_from_memory(open_store):
    store = await open_store()
    assert await store.begin_command("POST /v1/calls", "k1", "print") == Fresh()
    assert await store.begin_command("POST /v1/calls", "k1", "print") == InFlight()
    await store.finish_command("POST /v1/calls", "k1", 201, '{"id":"call_1"}')
    assert await store.begin_command("POST /v1/calls", "k1", "print") == Replay(201, '{"id":"call_1"}')
    assert await store.begin_command("POST /v1/calls", "k1", "other") == Conflict()
    assert await store.begin_command("call_1", "k1", "print") == Fresh()


async def test_the_answer_is_kept_across_a_restart(open_store):
    store = await open_store()
    await store.begin_command("s", "k", "print")
    await store.finish_command("s", "k", 202, "{}")
    await store.aclose()
    assert await (await open_store()).begin_command("s", "k", "print") == Replay(202, "{}")


async def test_a_key_under_which_nothing_was_done_is_free_again(open_store):
    store = await open_store()
    await store.begin_command("s", "k", "print")
    await store.forget_command("s", "k")
    assert await store.begin_command("s", "k", "other") == Fresh()


async def test_two_hosts_that_share_a_database_do_a_request_once(open_store):
    one, two = await open_store(), await open_store()
    assert await one.begin_command("s", "k", "print") == Fresh()
    assert await two.begin_command("s", "k", "print") == InFlight()


async def test_a_key_is_free_when_its_time_is_over(open_store):
    store = await open_store()

    async def begin(now):
        return await store._do(lambda connection: commands.begin(connection, "s", "k", "print", now))

    assert await begin(1000.0) == Fresh()
    assert await begin(1000.0 + commands.IN_FLIGHT_S - 1) == InFlight()
    assert await begin(1000.0 + commands.IN_FLIGHT_S) == Fresh()


async def test_each_webhook_gets_each_event_in_the_order_of_the_call(open_store):
    store, call = await open_store(HOOKS), SampleCall()
    await record(store, call.initiated(), call.event("call.answered"), call.ended())
    sent = []
    while due := await store.outbox_due(time.time()):
        assert sorted(delivery.url for delivery in due) == list(HOOKS)
        sent.append(due[0].event_type)
        for delivery in due:
            event = next(event for event in call.events if event.id == delivery.event_id)
            assert json.loads(delivery.body) == event.as_dict()
            await store.outbox_done(delivery.number)
    assert sent == ["call.initiated", "call.answered", "call.ended"]
    assert await store.outbox_next_at() is None


async def test_a_dead_webhook_holds_up_neither_the_other_one_nor_other_calls(open_store):
    store = await open_store(HOOKS)
    one, two = await recorded_call(store), await recorded_call(store)
    now = time.time()
    due = await store.outbox_due(now)
    dead = [delivery for delivery in due if delivery.url == HOOKS[0] and delivery.call_id == one.id]
    await store.outbox_retry(dead[0].number, now + 60, "503 Service Unavailable")
    for delivery in due:
        if delivery != dead[0]:
            await store.outbox_done(delivery.number)
    later = await store.outbox_due(now)
    assert {(each.call_id, each.url, each.event_type) for each in later} == {
        (one.id, HOOKS[1], "call.answered"),
        (two.id, HOOKS[0], "call.answered"),
        (two.id, HOOKS[1], "call.answered"),
    }
    again = [each for each in await store.outbox_due(now + 60) if each.number == dead[0].number]
    assert [(each.attempts, each.error, each.body) for each in again] == [(1, "503 Service Unavailable", dead[0].body)]


async def test_the_next_attempt_is_told_ahead(open_store):
    store = await open_store(HOOKS[:1])
    await recorded_call(store)
    (first,) = await store.outbox_due(time.time())
    await store.outbox_retry(first.number, 5_000_000_000.0, "timeout")
    assert await store.outbox_next_at() == 5_000_000_000.0


async def test_what_is_given_up_makes_room_for_the_next(open_store):
    store = await open_store(HOOKS[:1])
    await recorded_call(store)
    (first,) = await store.outbox_due(time.time())
    await store.outbox_give_up(first.number, "410 Gone")
    (second,) = await store.outbox_due(time.time())
    assert (first.event_type, second.event_type) == ("call.initiated", "call.answered")


async def test_half_heard_words_and_the_states_of_stages_are_not_sent(open_store):
    store, call = await open_store(HOOKS[:1]), SampleCall()
    await record(
        store,
        call.event("call.stages", stages={}),
        call.event("call.transcript", role="user", text="what", final=False),
        call.event("call.transcript", role="user", text="What?", final=True),
    )
    (only,) = await store.outbox_due(time.time())
    assert json.loads(only.body)["data"]["text"] == "What?"
