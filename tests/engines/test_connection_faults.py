"""Who reads why a server is not reached can do something with it."""

from __future__ import annotations

import aiohttp
import pytest

from openclaw_actors.engines.connection_faults import reason


async def fault(url: str) -> BaseException:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await session.get(url)
    return caught.value


async def test_a_refused_connection_and_an_unknown_name_say_so_and_no_more():
    assert reason(await fault("http://127.0.0.1:9/")) == "Connection refused"
    said = reason(await fault("https://no.such.name.invalid/"))
    assert "no.such.name" not in said
    assert "ssl" not in said


async def test_what_wraps_it_does_not_hide_it():
    wrapping = RuntimeError("all connection attempts failed")
    wrapping.__cause__ = await fault("http://127.0.0.1:9/")
    assert reason(wrapping) == "Connection refused"


def test_all_else_is_told_as_it_is():
    assert reason(ValueError("nonsense")) == "nonsense"
    assert reason(TimeoutError()) == "TimeoutError"
