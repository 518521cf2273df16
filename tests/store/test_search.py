"""Calls are found by number and by what was said, in SQLite as in PostgreSQL."""

from __future__ import annotations

import pytest
import pytest_asyncio

from openclaw_actors.store.records import CallQuery
from tests.store.samples import SampleCall, record


def told(caller: str, *lines: str, callee: str = "") -> SampleCall:
    call = SampleCall()
    call.initiated(**{"from": caller, "to": callee})
    for text in lines:
        call.event("call.transcript", role="user", text=text, final=True)
    call.ended()
    return call


@pytest_asyncio.fixture
async def search(open_store):
    """Search three calls: a function from a query to the names of the calls it finds, newest first."""
    store = await open_store()
    calls = {
        "ada": told("+15550100001", "Where is my ORDER?", "The parcel from Paris, I mean."),
        "bob": told("+442071234567", "I would like a refund, 50% of it.", callee="+15550199999"),
        "kei": told("kei@example.org", "京都の天気を教えてください", "a_b c"),
    }
    for call in calls.values():
        await record(store, *call.events)
    names = {call.id: name for name, call in calls.items()}

    async def find(text: str, **filters) -> list[str]:
        page = await store.calls(CallQuery(text=text, **filters))
        return [names[each.id] for each in page.items]

    find.ids = {name: call.id for name, call in calls.items()}
    return find


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("order", ["ada"]),
        ("paris PARCEL", ["ada"]),
        ("order paris", []),  # in two lines
        ("efun", ["bob"]),
        ("天気", ["kei"]),
        ("+15550100001", ["ada"]),
        ("+1 (555) 010-0001", ["ada"]),
        ("71234567", ["bob"]),
        ("0199999", ["bob"]),
        ("5550", ["bob", "ada"]),
        ("example.org", ["kei"]),
        ("50%", ["bob"]),
        ("a_b", ["kei"]),
        ("%", ["bob"]),
        ("_", ["kei"]),
        ("i mean", ["ada"]),
        ("i", ["kei", "bob", "ada"]),
        ("nobody said this", []),
        ("'; DROP TABLE calls; --", []),
    ],
)
async def test_a_call_is_found_by_its_numbers_and_its_words(search, text, found):
    assert await search(text) == found


async def test_an_id_finds_its_call(search):
    assert await search(search.ids["bob"]) == ["bob"]


async def test_a_search_has_pages_and_filters_as_every_list(search):
    assert await search("5550", limit=1) == ["bob"]
    assert await search("5550", limit=1, cursor=search.ids["bob"]) == ["ada"]
    assert await search("5550", status="failed") == []


async def test_what_was_erased_is_not_found(open_store):
    store, call = await open_store(), told("+15550100001", "a secret")
    await record(store, *call.events)
    assert (await store.calls(CallQuery(text="secret"))).items
    await store.erase(call.id)
    assert not (await store.calls(CallQuery(text="secret"))).items
