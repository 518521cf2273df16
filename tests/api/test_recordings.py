"""``GET /v1/calls/{id}/recording``: the file, a range of it, or a word on why there is none; erased with its call."""

from __future__ import annotations

import pytest

from openclaw_actors.store.entries import RecordingEntry
from tests.api.records import TIME, call_entry, commit

CALL = "call_01M8M2KKMEHVZSN3G709KYK28R"
SOUND = bytes(range(256)) * 40


async def recorded(api, part: int = 1, form: str = "opus", state: str = "ready") -> None:
    """A call with a recording, on record and on the disk."""
    path = api.archive.path(CALL, part, form)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(SOUND)
    values = {"file": path.name, "format": form, "state": state, "started_at": TIME, "bytes": len(SOUND)}
    await commit(api.store, call_entry(CALL), RecordingEntry(CALL, part, TIME, values))


def get(api, part: int | None = None, **more):
    query = "" if part is None else f"?part={part}"
    return api.request("GET", f"/v1/calls/{CALL}/recording{query}", **more)


@pytest.mark.parametrize(("form", "kind", "suffix"), [("opus", "audio/ogg", "ogg"), ("wav", "audio/wav", "wav")])
async def test_the_file_comes_with_its_type_and_a_name(api, form, kind, suffix):
    await recorded(api, form=form)
    async with get(api) as response:
        assert (response.status, await response.read()) == (200, SOUND)
        assert response.content_type == kind
        assert response.headers["Content-Disposition"] == f'attachment; filename="{CALL}.1.{suffix}"'
        assert response.headers["Accept-Ranges"] == "bytes"
        assert "no-store" in response.headers["Cache-Control"]
    async with api.request("HEAD", f"/v1/calls/{CALL}/recording") as response:
        assert (response.status, response.content_length) == (200, len(SOUND))


async def test_a_player_may_ask_for_a_part_of_it(api):
    await recorded(api)
    async with get(api, headers={"Range": "bytes=1000-1999"}) as response:
        assert (response.status, await response.read()) == (206, SOUND[1000:2000])
        assert response.headers["Content-Range"] == f"bytes 1000-1999/{len(SOUND)}"
    async with get(api, headers={"Range": f"bytes={len(SOUND) + 1}-"}) as response:
        assert response.status == 416


async def test_each_stretch_that_was_recorded_is_a_part(api):
    await recorded(api)
    await recorded(api, 2, "wav")
    async with get(api, 2) as response:
        assert (response.status, response.content_type) == (200, "audio/wav")
    async with api.request("GET", f"/v1/calls/{CALL}") as response:
        parts = (await response.json())["recordings"]
    assert [(each["part"], each["format"], each["state"]) for each in parts] == [
        (1, "opus", "ready"),
        (2, "wav", "ready"),
    ]
    async with get(api, 3) as response:
        await api.problem(response, 404, "no_recording")
    async with api.request("GET", f"/v1/calls/{CALL}/recording?part=0") as response:
        await api.problem(response, 422, "invalid_query")


async def test_a_file_that_somebody_has_removed_is_missed_in_words(api):
    await recorded(api)
    api.archive.path(CALL, 1, "opus").unlink()
    async with get(api) as response:
        await api.problem(response, 404, "no_recording")


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        ("recording", 409, "still_recording"),
        ("expired", 410, "recording_expired"),
        ("failed", 404, "no_recording"),
    ],
)
async def test_what_can_not_be_heard_is_refused_with_the_reason(api, state, status, code):
    await recorded(api, state=state)
    async with get(api) as response:
        await api.problem(response, status, code)


async def test_a_call_without_one_and_a_call_that_never_was(api):
    async with get(api) as response:
        await api.problem(response, 404, "no_such_call")
    await commit(api.store, call_entry(CALL))
    async with get(api) as response:
        await api.problem(response, 404, "no_recording")


async def test_recordings_are_erased_with_their_call_and_no_other(api):
    await recorded(api)
    await recorded(api, 2, "wav")
    other = api.archive.folder / f"call_{'0' * 26}.1.ogg"
    other.write_bytes(SOUND)
    left = api.archive.folder / f"{CALL}.3.ogg.part"
    left.write_bytes(SOUND)
    async with api.request("DELETE", f"/v1/calls/{CALL}") as response:
        assert response.status == 204
    assert list(api.archive.folder.iterdir()) == [other]
    async with get(api) as response:
        await api.problem(response, 404, "no_such_call")


async def test_a_recording_that_can_not_be_erased_keeps_its_call(api):
    await recorded(api)
    path = api.archive.path(CALL, 1, "opus")
    path.unlink()
    path.mkdir()  # no user may unlink a folder
    async with api.request("DELETE", f"/v1/calls/{CALL}") as response:
        await api.problem(response, 503, "store_unavailable")
    assert await api.store.call(CALL) is not None
