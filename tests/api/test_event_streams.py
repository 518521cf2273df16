"""Events as they happen, read as a browser reads them."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress

import pytest

from openclaw_actors.errors import StoreUnavailableError
from openclaw_actors.settings.sections import Limits
from tests.api.records import call_entry, commit, commit_events, event


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """What still comes, however the connection ends."""
    read = b""
    with suppress(ConnectionError):
        while chunk := await reader.read(65_536):
            read += chunk
    return read


class Stream:
    """Parses a stream by the HTML standard, as far as we use it."""

    def __init__(self, response) -> None:
        self.response = response
        self.comments: list[str] = []

    async def block(self) -> dict[str, str] | None:
        """The next block of lines, None at the end."""
        fields: dict[str, str] = {}
        while line := (await self.response.content.readline()).decode():
            line = line.rstrip("\n")
            if not line and fields:
                return fields
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                fields["comment"] = line.removeprefix(": ")
            elif line:
                fields[name] = value
        return None

    async def events(self, count: int) -> list[dict]:
        found = []
        async with asyncio.timeout(5):
            while len(found) < count:
                block = await self.block()
                assert block is not None, "the stream has ended"
                if "data" in block:
                    data = json.loads(block["data"])
                    assert (block["id"], block["event"]) == (data["id"], data["type"])
                    found.append(data)
        return found

    async def rest(self) -> list[dict[str, str]]:
        blocks = []
        async with asyncio.timeout(10):
            while (block := await self.block()) is not None:
                blocks.append(block)
        return blocks


@asynccontextmanager
async def follow(api, path: str, last: str = ""):
    headers = {"Last-Event-ID": last} if last else {}
    async with api.request("GET", path, headers=headers) as response:
        assert response.status == 200, await response.text()
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert response.headers["Cache-Control"] == "no-store"
        stream = Stream(response)
        assert await asyncio.wait_for(stream.block(), 5) == {"retry": "2000"}
        yield stream


def sequences(events: list[dict]) -> list[int]:
    return [each["sequence"] for each in events]


async def test_a_calls_stream_begins_with_its_first_event_and_ends_with_its_last(api):
    await commit(api.store, call_entry("call_1", status="in-progress"))
    await commit_events(api.store, event("call_1", 1, "call.initiated"), event("call_1", 2, text="Grüß\nGott\r"))
    api.board.calls["call_1"] = object()
    async with follow(api, "/v1/calls/call_1/events") as stream:
        past = await stream.events(2)
        assert sequences(past) == [1, 2]
        assert past[1]["data"] == {"text": "Grüß\nGott\r"}
        api.hub.publish(event("call_2", 1))
        api.hub.publish(event("call_1", 3))
        api.hub.publish(event("call_1", 4, "call.ended"))
        assert sequences(await stream.events(2)) == [3, 4]
        assert await stream.rest() == []


async def test_a_past_calls_stream_is_its_record_and_then_it_ends(api):
    await commit(api.store, call_entry("call_1"))
    await commit_events(api.store, event("call_1", 1), event("call_1", 2, "call.ended"))
    async with follow(api, "/v1/calls/call_1/events") as stream:
        assert len(await stream.rest()) == 2


async def test_who_comes_back_gets_what_was_missed(api):
    await commit(api.store, call_entry("call_1", status="in-progress"))
    await commit_events(api.store, *(event("call_1", number) for number in range(1, 6)))
    api.board.calls["call_1"] = object()
    async with follow(api, "/v1/calls/call_1/events", event("call_1", 3).id) as stream:
        assert sequences(await stream.events(2)) == [4, 5]


async def test_who_comes_back_after_the_end_is_told_not_to_come_again(api):
    await commit(api.store, call_entry("call_1"))
    await commit_events(api.store, event("call_1", 1, "call.ended"))
    headers = {"Last-Event-ID": event("call_1", 1).id}
    async with api.request("GET", "/v1/calls/call_1/events", headers=headers) as response:
        assert response.status == 204


async def test_all_calls_are_heard_from_now_on(api):
    await commit(api.store, call_entry("call_1"))
    await commit_events(api.store, event("call_1", 1))
    async with follow(api, "/v1/events") as stream:
        api.hub.publish(event("call_2", 1))
        api.hub.publish(event("call_3", 1, "call.ended"))
        api.hub.publish(event("call_2", 2))
        assert [each["call_id"] for each in await stream.events(3)] == ["call_2", "call_3", "call_2"]


async def test_who_comes_back_to_all_calls_gets_what_was_missed_of_each(api):
    await commit(api.store, call_entry("call_1"), call_entry("call_2"))
    await commit_events(api.store, event("call_1", 1), event("call_2", 1), event("call_1", 2), event("call_2", 2))
    async with follow(api, "/v1/events", event("call_2", 1).id) as stream:
        missed = await stream.events(2)
        assert [(each["call_id"], each["sequence"]) for each in missed] == [("call_1", 2), ("call_2", 2)]


async def test_an_event_that_is_on_record_and_in_the_air_is_sent_once(api, monkeypatch):
    """It is committed, read by the reader who has just come, and only then told to all."""
    await commit(api.store, call_entry("call_1", status="in-progress"))
    await commit_events(api.store, event("call_1", 1), event("call_1", 2))
    api.board.calls["call_1"] = object()
    read = api.store.events

    async def read_and_tell(*args):
        found = await read(*args)
        api.hub.publish(event("call_1", 2))
        api.hub.publish(event("call_1", 3))
        return found

    monkeypatch.setattr(api.store, "events", read_and_tell)
    async with follow(api, "/v1/calls/call_1/events") as stream:
        assert sequences(await stream.events(3)) == [1, 2, 3]


async def test_without_a_store_a_live_call_is_followed_from_now_on(api, monkeypatch):
    async def down(*_):
        raise StoreUnavailableError("the disk is full")

    monkeypatch.setattr(api.store, "events", down)
    api.board.calls["call_1"] = object()
    async with follow(api, "/v1/calls/call_1/events") as stream:
        api.hub.publish(event("call_1", 7))
        assert sequences(await stream.events(1)) == [7]
    headers = {"Last-Event-ID": event("call_1", 7).id}
    async with api.request("GET", "/v1/calls/call_1/events", headers=headers) as response:
        await api.problem(response, 503, "store_unavailable")
        assert response.headers["Retry-After"]


async def test_a_long_record_comes_whole_and_in_order(api):
    await commit(api.store, call_entry("call_1"))
    await commit_events(api.store, *(event("call_1", number) for number in range(1, 1201)))
    await commit_events(api.store, event("call_1", 1201, "call.ended"))
    async with follow(api, "/v1/calls/call_1/events") as stream:
        assert [json.loads(each["data"])["sequence"] for each in await stream.rest()] == list(range(1, 1202))


async def test_a_quiet_stream_says_that_it_lives(serve):
    async with serve(limits=Limits(event_heartbeat_s=0.05)) as api, follow(api, "/v1/events") as stream:
        for _ in range(3):
            assert await asyncio.wait_for(stream.block(), 5) == {"comment": "heartbeat"}


async def test_a_reader_who_falls_behind_is_told_and_disconnected_and_nobody_waits(serve):
    async with serve(limits=Limits(event_stream_queue=4)) as api, follow(api, "/v1/events") as stream:
        for number in range(1, 50):  # without once yielding to the loop: nobody could have read
            api.hub.publish(event("call_1", number))
        (last,) = await stream.rest()
        assert last["comment"].startswith("overflow")
        async with follow(api, "/v1/events") as another:
            api.hub.publish(event("call_1", 50))
            assert sequences(await another.events(1)) == [50]


async def test_a_reader_who_never_reads_is_cut_off(serve, monkeypatch):
    monkeypatch.setattr("openclaw_actors.api.event_streams._GRACE_S", 0.1)
    async with serve(limits=Limits(event_stream_queue=8)) as api, api.raw() as (reader, writer):
        writer.write(f"GET /v1/events HTTP/1.1\r\nHost: {api.host}\r\n\r\n".encode())
        await reader.readuntil(b"retry: 2000\n\n")
        writer.transport.pause_reading()
        number, text = 0, "x" * 60_000
        async with asyncio.timeout(20):
            while not writer.transport.is_closing():
                number += 1
                api.hub.publish(event("call_1", number, text=text))
                await asyncio.sleep(0.005)
                if number == 300:
                    break
            writer.transport.resume_reading()
            read = await rest_of(reader)
        assert b": overflow" not in read[-1000:], "the comment can reach only who reads"
        assert number * len(text) > 10_000_000


async def test_places_for_readers_are_bounded_and_free_again(serve):
    async with serve(limits=Limits(event_streams=1)) as api:
        async with follow(api, "/v1/events"), api.request("GET", "/v1/events") as response:
            await api.problem(response, 503, "too_many_streams")
            assert response.headers["Retry-After"]
        async with asyncio.timeout(5):
            while True:
                async with api.request("GET", "/v1/events") as response:
                    if response.status == 200:
                        break


async def test_a_host_that_stops_ends_its_streams(serve):
    async with serve() as api, follow(api, "/v1/events") as stream:
        async with asyncio.timeout(1.5):
            await api.listener.aclose()
        assert await stream.rest() == []


@pytest.mark.parametrize("path", ["/v1/events", "/v1/calls/call_1/events"])
async def test_head_opens_no_stream(api, path):
    async with api.request("HEAD", path) as response:
        assert response.status == 405


@pytest.mark.parametrize("last", ["é", "x" * 129, "a b"])
async def test_what_is_no_events_id_is_refused(api, last):
    async with api.request("GET", "/v1/events", headers={"Last-Event-ID": last}) as response:
        await api.problem(response, 400, "bad_last_event_id")
