"""What a start does not wait for: a host imports what it is configured to use, and no more."""

from __future__ import annotations

import re
import signal

from openclaw_actors.testkit.host import HostProcess
from tests.load.stubs import CONFIG

UNWANTED = {
    *("alembic", "mako"),  # no revision is due
    *("openai", "httpx", "httpx2"),  # an OpenAI-compatible server is asked over aiohttp; Realtime is not configured
    *("twilio", "requests"),  # no carrier is
    *("edge_tts", "faster_whisper", "ctranslate2", "pocketsphinx", "ray", "scipy", "opentelemetry"),
}
"""Tenths of a second each."""


async def packages_of(config: str, folder: str) -> set[str]:
    """What a host has imported in its life."""
    environ = {"OPENCLAW_ACTORS_STORE__URL": f"sqlite:///{folder}/calls.db"}
    async with HostProcess(config, environ, module="tests.cli.told_imports") as host:
        host.send_signal(signal.SIGINT)
        assert await host.ended(20) == 0
        return set(re.search(r"^imported: (.*)$", host.log(), re.MULTILINE).group(1).split())


async def test_a_start_imports_nothing_that_is_not_configured(tmp_path):
    config = CONFIG.format(url="http://127.0.0.1:9/v1")  # nobody answers, so each engine is opened and given up
    assert "alembic" in await packages_of(config, tmp_path), "the first start makes the tables"
    imported = await packages_of(config, tmp_path)
    assert {"aiortc", "sqlalchemy"} <= imported
    assert imported & UNWANTED == set()
