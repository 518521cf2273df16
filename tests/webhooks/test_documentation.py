"""What docs/webhooks.md shows works as it stands there."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
from pathlib import Path

from openclaw_actors.settings.sections import Webhooks
from openclaw_actors.webhooks.post import Poster
from tests.webhooks.conftest import SECRET

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()


async def test_the_receiver_of_the_page_takes_what_we_post_and_nothing_else(tmp_path, settings_for):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    program = tmp_path / "receiver.py"
    program.write_text(code)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        program,
        env={**os.environ, "WEBHOOK_SECRET": SECRET, "PORT": str(port), "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(20):
            while b"Running on" not in await process.stdout.readline():
                pass
            url, body = f"http://127.0.0.1:{port}/calls", b'{"id":"evt_1","type":"call.ended","call_id":"call_1"}'
            async with Poster(settings_for(url)) as poster:
                assert (await poster.post(url, "evt_1", body)).verdict == "delivered"
                assert (await poster.post(url, "evt_1", body)).verdict == "delivered"
            other = "whsec_" + "A" * 32
            async with Poster(settings_for(url, secret=other)) as stranger:
                assert "401" in (await stranger.post(url, "evt_2", body)).detail
            process.terminate()
            said = (await process.stdout.read()).decode()
            assert said.count("call.ended call_1") == 1
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def test_the_settings_of_the_page_are_settings():
    (toml,) = re.findall(r"```toml\n\[webhooks\]\n(.*?)```", PAGE, re.DOTALL)
    keys = {line.split(" = ")[0].removesuffix("_file") for line in toml.splitlines()}
    assert keys <= Webhooks.model_fields.keys()
    for name in ("timeout_s", "attempts", "allow_private"):
        assert f"`{name}" in PAGE
        assert name in Webhooks.model_fields
