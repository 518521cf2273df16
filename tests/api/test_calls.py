"""Calls over REST: placed, listed, read, erased; what was said on them."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.api.calls import CallResources
from openclaw_actors.api.models import CallsQuery
from openclaw_actors.messages import CallProfile
from openclaw_actors.settings.sections import Limits
from openclaw_actors.store.records import CallRecord, Page
from tests.api.conftest import record_of
from tests.api.records import TIME, call_entry, commit, line


async def place(api, body: dict, status: int = 201, **headers):
    async with api.request("POST", "/v1/calls", json=body, headers=headers) as response:
        assert response.status == status, await response.text()
        return await response.json(), response.headers


async def listed(api, **query) -> tuple[list[str], str | None]:
    async with api.request("GET", "/v1/calls", params=query) as response:
        assert response.status == 200, await response.text()
        page = await response.json()
        return [call["id"] for call in page["calls"]], page["next"]


# --- placing ----------------------------------------------------------------------------------------------------------


async def test_a_test_call_is_placed_on_a_line_that_is_quiet(api):
    order = {"to": "test", "from": "+15550100001", "metadata": {"order": 7}, "message": "Hi!", "agent": "concierge"}
    body, headers = await place(api, order)
    assert headers["Location"] == f"/v1/calls/{body['id']}"
    (started,) = api.board.started
    assert (started["caller"], started["metadata"]) == ("+15550100001", {"order": 7})
    assert started["profile"] == CallProfile(agent="concierge", greeting="Hi!"), "it is said in place of the greeting"
    assert not api.board.places


async def test_a_phone_can_not_be_called_without_a_carrier_and_the_answer_says_so(api):
    async with api.request("POST", "/v1/calls", json={"to": "+15550100001"}) as response:
        problem = await api.problem(response, 422, "no_carrier")
    assert "carrier" in problem["detail"]
    assert not api.board.places


async def test_a_full_host_refuses_and_says_when_to_come_back(api):
    api.board.limit = 0
    async with api.request("POST", "/v1/calls", json={"to": "test"}) as response:
        await api.problem(response, 503, "full")
        assert response.headers["Retry-After"] == "10"


async def test_a_call_that_fails_to_begin_leaves_no_place_taken(api):
    api.board.start_fails = ValueError("boom")
    async with api.request("POST", "/v1/calls", json={"to": "test"}) as response:
        await api.problem(response, 500, "internal_error")
    assert not api.board.places


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "to"),
        ({"to": "5550100"}, "to"),
        ({"to": "+1"}, "to"),
        ({"to": "+15550100001\n"}, "to"),
        ({"to": 1}, "to"),
        ({"to": "test", "from": "me"}, "from"),
        ({"to": "test", "mode": "shout"}, "mode"),
        ({"to": "test", "message": " \n"}, "message"),
        ({"to": "test", "message": "x" * 4097}, "message"),
        ({"to": "test", "metadata": []}, "metadata"),
        ({"to": "test", "metadata": {"nul": "\0"}}, "metadata"),
        ({"to": "test", "metadta": {}}, "metadta"),
    ],
)
async def test_a_wrong_body_is_refused_with_the_field_that_is_wrong(api, body, field):
    async with api.request("POST", "/v1/calls", json=body) as response:
        problem = await api.problem(response, 422, "invalid_fields")
    assert field in {each["field"].split(".")[0] for each in problem["errors"]}


async def test_numbers_that_json_does_not_know_are_refused(api):
    body = b'{"to": "test", "metadata": {"x": NaN}}'
    async with api.request("POST", "/v1/calls", data=body, headers={"Content-Type": "application/json"}) as response:
        assert response.status in (400, 422)
    assert not api.board.started


# --- once, however often it is asked ----------------------------------------------------------------------------------


async def test_the_same_request_under_one_key_places_one_call_and_is_answered_alike(api):
    key = {"Idempotency-Key": "order-7"}
    first, headers = await place(api, {"to": "test"}, **key)
    assert "Idempotent-Replayed" not in headers
    again, headers = await place(api, {"to": "test"}, **key)
    assert (again, headers["Idempotent-Replayed"]) == (first, "true")
    assert headers["Location"] == f"/v1/calls/{first['id']}"
    assert len(api.board.started) == 1


async def test_a_key_is_remembered_over_a_restart(serve):
    key = {"Idempotency-Key": "order-7"}
    async with serve() as api:
        first, _ = await place(api, {"to": "test"}, **key)
    async with serve() as api:
        assert (await place(api, {"to": "test"}, **key))[0] == first
        assert not api.board.started


async def test_another_request_under_the_same_key_is_refused(api):
    key = {"Idempotency-Key": "order-7"}
    await place(api, {"to": "test"}, **key)
    async with api.request("POST", "/v1/calls", json={"to": "test", "message": "Hi"}, headers=key) as response:
        await api.problem(response, 422, "command_conflict")


async def test_a_request_that_comes_while_the_first_is_done_is_refused_for_now(api):
    key = {"Idempotency-Key": "order-7"}
    api.board.holds_start.clear()
    first = asyncio.create_task(place(api, {"to": "test"}, **key))
    async with asyncio.timeout(5):
        await api.board.starting.wait()
    async with api.request("POST", "/v1/calls", json={"to": "test"}, headers=key) as response:
        await api.problem(response, 409, "command_in_flight")
    api.board.holds_start.set()
    body, _ = await first
    assert (await place(api, {"to": "test"}, **key))[0] == body


async def test_a_client_that_leaves_finds_its_call_when_it_asks_again(api):
    key = {"Idempotency-Key": "order-7"}
    api.board.holds_start.clear()
    first = asyncio.create_task(place(api, {"to": "test"}, **key))
    async with asyncio.timeout(5):
        await api.board.starting.wait()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        api.board.holds_start.set()
        while True:
            async with api.request("POST", "/v1/calls", json={"to": "test"}, headers=key) as response:
                if response.status != 409:
                    assert response.headers["Idempotent-Replayed"] == "true"
                    break
    assert len(api.board.started) == 1


async def test_a_refused_request_may_be_sent_again_under_its_key(api):
    key = {"Idempotency-Key": "order-7"}
    api.board.limit = 0
    await place(api, {"to": "test"}, 503, **key)
    api.board.limit = 1
    await place(api, {"to": "test"}, **key)


@pytest.mark.parametrize("key", ["", "two words", "é", "x" * 129])
async def test_a_key_that_is_none_is_refused(api, key):
    async with api.request("POST", "/v1/calls", json={"to": "test"}, headers={"Idempotency-Key": key}) as response:
        await api.problem(response, 400, "bad_idempotency_key")


# --- reading ----------------------------------------------------------------------------------------------------------


async def test_a_live_call_is_read_as_it_is_now(api):
    api.board.calls["call_1"] = object()
    async with api.request("GET", "/v1/calls/call_1") as response:
        call = await response.json()
    assert (call["status"], call["from"], call["agent"]) == ("in-progress", "127.0.0.1", "parrot")
    assert (call["answered_at"], call["ended_at"], call["end_reason"]) == (None, None, None)
    assert call["stages"]["stt"]["state"] == "ready"


async def test_a_past_call_is_read_from_its_record(api):
    await commit(api.store, call_entry("call_1", metadata={"order": 7}))
    async with api.request("GET", "/v1/calls/call_1") as response:
        call = await response.json()
    assert (call["id"], call["status"], call["end_reason"]) == ("call_1", "completed", "caller_hangup")
    assert (call["ended_at"], call["metadata"], call["stages"]) == (TIME, {"order": 7}, None)


@pytest.mark.parametrize("path", ["/v1/calls/call_0", "/v1/calls/call_0/transcript", "/v1/calls/call_0/events"])
async def test_a_call_that_never_was_is_404(api, path):
    async with api.request("GET", path) as response:
        await api.problem(response, 404, "no_such_call")


async def test_the_transcript_is_what_was_said_in_order(api):
    await commit(
        api.store,
        call_entry("call_1"),
        line("call_1", 1, "agent", "Hello!", turn=1),
        line("call_1", 2, "user", "Stop."),
        line("call_1", 3, "agent", "The weather", cut=True, turn=2),
    )
    async with api.request("GET", "/v1/calls/call_1/transcript") as response:
        transcript = await response.json()
    assert [(each["role"], each["text"], each["cut"]) for each in transcript["lines"]] == [
        ("agent", "Hello!", False),
        ("user", "Stop.", False),
        ("agent", "The weather", True),
    ]


async def test_a_live_call_that_has_said_nothing_has_an_empty_transcript(api):
    api.board.calls["call_1"] = object()
    async with api.request("GET", "/v1/calls/call_1/transcript") as response:
        assert (await response.json())["lines"] == []


# --- erasing ----------------------------------------------------------------------------------------------------------


async def test_an_erased_call_is_gone(api):
    await commit(api.store, call_entry("call_1"), line("call_1", 1, "user", "Secret."))
    async with api.request("DELETE", "/v1/calls/call_1") as response:
        assert (response.status, await response.read()) == (204, b"")
    for method, path in [("GET", ""), ("GET", "/transcript"), ("GET", "/events"), ("DELETE", "")]:
        async with api.request(method, f"/v1/calls/call_1{path}") as response:
            await api.problem(response, 404, "no_such_call")


async def test_a_live_call_can_not_be_erased(api):
    await commit(api.store, call_entry("call_1", status="in-progress"))
    api.board.calls["call_1"] = object()
    async with api.request("DELETE", "/v1/calls/call_1") as response:
        await api.problem(response, 409, "call_is_live")


# --- listing ----------------------------------------------------------------------------------------------------------


async def test_live_and_past_calls_are_one_list_newest_first_in_pages(api):
    await commit(api.store, *(call_entry(f"call_{number}") for number in (1, 3, 5)))
    await commit(api.store, call_entry("call_4", status="in-progress"))
    for call_id in ("call_2", "call_4", "call_6"):
        api.board.calls[call_id] = object()
    found, cursor = [], ""
    while cursor is not None:
        page, cursor = await listed(api, limit="2", **({"cursor": cursor} if cursor else {}))
        found += page
    assert found == [f"call_{number}" for number in (6, 5, 4, 3, 2, 1)]


async def test_a_list_can_be_narrowed(api):
    await commit(api.store, call_entry("call_1"), call_entry("call_2", direction="outbound", status="failed"))
    api.board.calls["call_3"] = object()
    api.board.records["call_4"] = record_of("call_4", transport="test", direction="outbound")
    api.board.calls["call_4"] = object()
    assert (await listed(api, status="in-progress"))[0] == ["call_4", "call_3"]
    assert (await listed(api, direction="outbound"))[0] == ["call_4", "call_2"]
    assert (await listed(api, transport="test"))[0] == ["call_4"]
    assert (await listed(api, status="busy")) == ([], None)


async def test_a_call_that_has_ended_since_its_record_was_read_is_listed_as_it_is(api):
    await commit(api.store, call_entry("call_1", status="in-progress"))
    api.board.calls["call_1"] = object()
    api.board.records["call_1"] = record_of("call_1", status="completed")
    assert (await listed(api, status="in-progress"))[0] == []
    assert (await listed(api, status="completed"))[0] == ["call_1"]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=x", "status=odd", "direction=up", "cursor=%00", "color=red", "limit=1&limit=2"],
)
async def test_a_wrong_query_is_refused_with_the_member_that_is_wrong(api, query):
    async with api.request("GET", f"/v1/calls?{query}") as response:
        problem = await api.problem(response, 422, "invalid_query")
    assert {each["field"] for each in problem["errors"]} == {query.split("=")[0]}


class _Records:
    def __init__(self, records: dict[str, CallRecord]) -> None:
        self._records = records

    async def calls(self, query) -> Page[CallRecord]:
        ids = sorted((i for i in self._records if not query.cursor or i < query.cursor), reverse=True)
        items = tuple(self._records[i] for i in ids[: query.limit])
        return Page(items, items[-1].id if len(ids) > query.limit else "")


class _Live:
    def __init__(self, ids: set[str]) -> None:
        self._ids = ids

    def live_calls(self) -> list[str]:
        return sorted(self._ids)

    async def describe_call(self, call_id: str) -> dict[str, object]:
        return record_of(call_id)


class _Request:
    def __init__(self, query: CallsQuery) -> None:
        from multidict import MultiDict

        self.query = MultiDict({name: str(value) for name, value in query if value is not None})


@settings(deadline=None, max_examples=80)
@given(st.sets(st.integers(100, 130)), st.sets(st.integers(100, 130), max_size=12), st.integers(1, 9))
def test_however_live_and_past_calls_lie_each_is_listed_once(past, live, limit):
    import json

    async def walk() -> list[str]:
        records = {f"call_{n}": CallRecord(f"call_{n}", "completed", transport="webrtc") for n in past}
        resources = CallResources(
            Limits(), _Live({f"call_{n}" for n in live}), _Records(records), None, None, recordings=None
        )
        found, cursor = [], None
        while True:
            answer = await resources.list(_Request(CallsQuery(limit=limit, cursor=cursor)))
            page = json.loads(answer.body)
            assert len(page["calls"]) <= limit
            found += [call["id"] for call in page["calls"]]
            cursor = page["next"]
            if cursor is None:
                return found

    assert asyncio.run(walk()) == [f"call_{n}" for n in sorted(past | live, reverse=True)]
