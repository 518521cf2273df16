"""Whatever is sent to the API, it answers as it describes itself; the short form of ``make fuzz``."""

from __future__ import annotations

import asyncio
import re

from openclaw_actors.settings.sections import Auth
from tests.api.fuzz import TOKEN, fuzz
from tests.api.records import call_entry, commit, line


async def test_no_request_breaks_the_api_or_its_contract(serve):
    async with serve(auth=Auth(tokens=(TOKEN,), allow_anonymous_loopback=False)) as api:
        api.board.limit = 1_000_000
        api.board.calls["call_live"] = object()
        await commit(api.store, call_entry("call_past"), line("call_past", 1, "user", "Hello."))
        async with asyncio.timeout(100):
            status, written = await fuzz(api.listener.url, examples=3, calls=("call_live", "call_past"))
        assert status == 0, written
        cases = re.search(r"(\d+) generated, (\d+) passed", written)
        assert cases, written
        assert int(cases[1]) > 500
        assert api.board.told
        assert api.board.started
