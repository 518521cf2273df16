"""On a terminal the operator sees how far a model's download has come."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
from contextlib import contextmanager

from rich.console import Console

from openclaw_actors.cli.downloads import show_downloads
from openclaw_actors.engines.catalogue import Catalogue
from openclaw_actors.engines.protocols import Transcript
from openclaw_actors.observability.logs import configure_logs, stop_logs
from openclaw_actors.settings.sections import Logs


class Fetches:
    """Hears, once its download, which the test drives, is complete."""

    name = "faster-whisper"
    partial_every_s = 0.0

    def __init__(self):
        self.progress = None
        self.begun, self.complete = asyncio.Event(), asyncio.Event()

    async def open(self):
        self.progress = 0.0
        self.begun.set()
        await self.complete.wait()
        self.progress = None

    async def transcribe(self, pcm, *, language="", final=True):
        return Transcript("")

    async def aclose(self):
        pass


class Screen(io.StringIO):
    """What was drawn, and an event when it says something awaited."""

    def __init__(self):
        super().__init__()
        self._awaited: dict[str, asyncio.Event] = {}
        self._loop = asyncio.get_running_loop()

    def isatty(self):
        return True

    def write(self, text):
        count = super().write(text)
        for word, event in tuple(self._awaited.items()):
            if word in self.getvalue():
                self._loop.call_soon_threadsafe(event.set)
        return count

    async def shows(self, word):
        event = self._awaited.setdefault(word, asyncio.Event())
        if word in self.getvalue():
            return
        async with asyncio.timeout(10):
            await event.wait()


@contextmanager
def on_screen(monkeypatch):
    """Standard error is a terminal, and logs go there. Within the test: pytest changes it between a test's phases."""
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    handlers = logging.getLogger().handlers
    configure_logs(Logs(format="json"))
    try:
        yield screen
    finally:
        stop_logs()
        logging.getLogger().handlers = handlers


async def test_a_bar_grows_with_the_download_and_is_gone_with_it(monkeypatch):
    with on_screen(monkeypatch) as screen:
        engine = Fetches()
        catalogue = Catalogue({"stt": [engine]})
        starting = asyncio.create_task(catalogue.start())
        await engine.begun.wait()
        showing = asyncio.create_task(show_downloads(catalogue, Console(file=screen, force_terminal=True, width=100)))
        await screen.shows("fetching the model of faster-whisper")
        engine.progress = 0.42
        await screen.shows("42%")
        logging.getLogger("test").warning("logged meanwhile")
        await screen.shows("logged meanwhile")
        engine.complete.set()
        await starting
        drawn = len(screen.getvalue())
        await screen.shows("\x1b[?25h")  # the cursor is there again: the bar has been taken away
        assert sys.stderr is screen
        logging.getLogger("test").warning("logged afterwards")
        await screen.shows("logged afterwards")
        assert "fetching" not in screen.getvalue()[drawn:].split("\x1b[?25h")[-1]
        showing.cancel()
        await asyncio.wait({showing})
        await catalogue.aclose()
