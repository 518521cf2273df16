"""What ``openclaw-actors doctor`` looks at: each piece does its real work once."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import shutil
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import platformdirs

from openclaw_actors.cli.findings import Check, Fault, Finding, Status, attempt
from openclaw_actors.cli.phone_checks import PhoneChecks
from openclaw_actors.cli.voicemail_checks import VoicemailChecks
from openclaw_actors.engines.catalogue import KINDS, Catalogue, build_catalogue
from openclaw_actors.engines.protocols import AgentRequest
from openclaw_actors.media.resample import Resampler
from openclaw_actors.messages import SAMPLE_RATE
from openclaw_actors.settings.sections import Settings
from openclaw_actors.store.store import Store
from openclaw_actors.turns.vad import load_silero

PHRASE = "What is the weather like today?"
"""Short, without names or numbers: pocketsphinx hears it right from espeak-ng's voice."""
_HEARD_ENOUGH = 0.5
"""Of the phrase's words: a small recogniser gets every second word of a strange voice."""

_FREE_BYTES, _FEW_BYTES = 1 << 30, 100 << 20
"""A Whisper "small" is 480 MB, 90 days of records some hundred; below the second figure writes will soon fail."""

_ANSWER_S = 5.0


class Checks:
    """All checks of one configuration, in the order in which a person would repair them.

    Args:
        settings: what the host would run with.
        on_begin: told what is looked at now.
        fix: repair at the carrier what can be repaired from here.
        call: a number to call; empty: none.
    """

    def __init__(
        self,
        settings: Settings,
        on_begin: Callable[[str], None] = lambda _: None,
        *,
        fix: bool = False,
        call: str = "",
    ) -> None:
        self._settings = settings
        self._on_begin = on_begin
        self._fix = fix
        self._call = call
        self._runs = False
        self._spoken: tuple[bytes, int] | None = None

    async def run(self) -> AsyncIterator[Finding]:
        """Each finding as it is made. Never raises for what is broken: that is a finding."""
        yield await self._try("port", self._port)
        yield await self._try("disk", self._disk)
        yield await self._try("records", self._records)
        yield await self._try("public url", self._public_url)
        yield await self._try("webhooks", self._webhooks)
        voicemail = VoicemailChecks(self._settings)
        for name, check in (*self._of_phone(), *voicemail.all()):
            yield await self._try(name, check)
        yield await self._try("turn taking", self._turn_taking)
        self._on_begin("engines")
        catalogue = build_catalogue(self._settings)
        try:
            await catalogue.start()
            for finding in self._engines(catalogue):
                yield finding
            yield await self._try("speech synthesis", lambda: self._speak(catalogue))
            yield await self._try("speech recognition", lambda: self._hear(catalogue))
            yield await self._try("agent", lambda: self._think(catalogue))
            for name, check in voicemail.of_agent(catalogue.describe()["agent"]["serving"] or ""):
                yield await self._try(name, check)
        finally:
            await catalogue.aclose()

    async def _try(self, name: str, check: Check) -> Finding:
        self._on_begin(name)
        return await attempt(name, check)

    def _of_phone(self) -> list[tuple[str, Check]]:
        if not self._settings.carriers:
            return [("phone", self._no_phone)]
        server = self._settings.server
        url = f"http://{_reachable(server.host)}:{server.port}"
        return PhoneChecks(self._settings, url, is_running=lambda: self._runs, fix=self._fix, call=self._call).all()

    async def _no_phone(self) -> str:
        if self._call:
            raise Fault(f"{self._call} can't be called: no carrier is configured", "run setup; see docs/phone.md")
        return "none: no carrier is configured"

    # --- around the host --------------------------------------------------------------------------

    async def _port(self) -> str:
        server = self._settings.server
        where = f"{server.host}:{server.port}"
        try:
            with socket.create_server((server.host, server.port), family=_family(server.host)):
                return f"{where} is free"
        except OSError as error:
            if await _is_host(server.host, server.port):
                self._runs = True
                return f"a host is running on {where}"
            raise Fault(f"{where} can't be had: {error}", "end the program that has it, or set server.port") from error

    async def _disk(self) -> str:
        folders = {Path(platformdirs.user_data_dir("openclaw_actors", appauthor=False)), Path(self._cache_dir())}
        if self._settings.store.url.startswith("sqlite:///"):
            folders.add(Path(self._settings.store.url.removeprefix("sqlite:///")).parent)
        free = {folder: shutil.disk_usage(_existing(folder)).free for folder in folders}
        folder, least = min(free.items(), key=lambda each: each[1])
        if least < _FREE_BYTES:
            status: Status = "bad" if least < _FEW_BYTES else "warning"
            raise Fault(f"{least >> 20} MiB are left for {folder}", "make room there, or move it", status)
        return f"{least >> 30} GiB are free for records, models and the voice's cache"

    def _cache_dir(self) -> str:
        return self._settings.tts.cache.dir or platformdirs.user_cache_dir("openclaw_actors", appauthor=False)

    async def _records(self) -> str:
        store = await Store.open(self._settings.store, self._settings.webhooks.urls)
        try:
            key = secrets.token_hex(8)
            await store.begin_command("doctor", key, "write")
            await store.forget_command("doctor", key)
        finally:
            await store.aclose()
        days = self._settings.store.retain_days
        return f"an entry was written and removed; calls are kept {f'{days} days' if days else 'for ever'}"

    async def _public_url(self) -> str:
        url = self._settings.server.public_url
        if not url:
            return "none: only this machine and its network reach the host"
        timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(f"{url}/livez") as answer:
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Fault(
                f"{url} does not answer: {str(error) or 'no answer in time'}",
                "start the host and the proxy or tunnel in front of it, or correct server.public_url",
                "warning",
            ) from error
        if status == 404 and self._settings.carriers:
            return f"{url} answers; it does not pass on /livez, which a phone does not need"
        if status != 200:
            raise Fault(f"{url}/livez answers {status}", "let the proxy pass it on to the host", "warning")
        return f"{url} answers"

    async def _webhooks(self) -> str:
        urls = self._settings.webhooks.urls
        if not urls:
            return "none are set"
        loop = asyncio.get_running_loop()
        for host in sorted({urlsplit(url).hostname or "" for url in urls}):
            try:
                await loop.getaddrinfo(host, None)
            except OSError as error:
                raise Fault(f"{host} has no address: {error}", "correct webhooks.urls", "warning") from error
        return f"{len(urls)} set, and each has an address"

    async def _turn_taking(self) -> str:
        load_silero()
        return "the voice detector is there"

    # --- engines ----------------------------------------------------------------------------------

    def _engines(self, catalogue: Catalogue) -> list[Finding]:
        """Which engine serves each stage; a better one that does not is a warning, none at all is bad."""
        described: Mapping[str, Any] = catalogue.describe()
        findings = []
        for kind in KINDS:
            stage = described[kind]
            better = []
            for engine in stage["engines"]:
                if engine["engine"] == stage["serving"]:
                    break
                better.append(f"{engine['engine']}: {engine['reason'] or engine['state']}")
            why = "; ".join(better)
            if stage["serving"] is None:
                remedy = f"repair one of them, or name one in {kind}.engines that works"
                findings.append(Finding(f"{kind} engines", "bad", f"none serves ({why})", remedy))
            elif better:
                remedy = f"repair it, or take it out of {kind}.engines"
                findings.append(Finding(f"{kind} engines", "warning", f"{stage['serving']} serves ({why})", remedy))
            else:
                findings.append(Finding(f"{kind} engines", "good", f"{stage['serving']} serves"))
        return findings

    async def _speak(self, catalogue: Catalogue) -> str:
        engine = catalogue.serving("tts")
        began = time.monotonic()
        first_ms = 0
        pcm = bytearray()
        async with asyncio.timeout(30), contextlib.aclosing(engine.speak(PHRASE)) as sound:  # type: ignore[type-var]
            async for piece in sound:
                if not isinstance(piece, bytes):
                    continue
                first_ms = first_ms or round((time.monotonic() - began) * 1000)
                pcm += piece
        seconds = len(pcm) / 2 / engine.sample_rate
        if seconds < 0.5 or not any(pcm):
            raise Fault(f"{engine.name} made {seconds:.1f} s of sound of a sentence", "choose another voice or engine")
        self._spoken = bytes(pcm), engine.sample_rate
        return f"{engine.name} spoke {seconds:.1f} s; its first sound came after {first_ms} ms"

    async def _hear(self, catalogue: Catalogue) -> str:
        if self._spoken is None:
            raise Fault("there is nothing to hear, as nothing was spoken", "repair the speech synthesis first")
        engine = catalogue.serving("stt")
        pcm, rate = self._spoken
        resampler = Resampler(rate, SAMPLE_RATE)
        heard = resampler.push(pcm) + resampler.flush() if rate != SAMPLE_RATE else pcm
        began = time.monotonic()
        async with asyncio.timeout(60):
            transcript = await engine.transcribe(heard)
        took = time.monotonic() - began
        wanted, got = _words(PHRASE), _words(transcript.text)
        if len(wanted & got) < _HEARD_ENOUGH * len(wanted):
            raise Fault(
                f"{engine.name} heard {transcript.text!r} for {PHRASE!r}", "choose a larger model or another engine"
            )
        return f"{engine.name} heard {transcript.text!r} in {took:.1f} s"

    async def _think(self, catalogue: Catalogue) -> str:
        engine = catalogue.serving("agent")
        limit = engine.first_token_s or self._settings.supervision.first_token_s
        request = AgentRequest("doctor", "", "Please say hello.", (), self._settings.agent.system_prompt, 0.0)
        began = time.monotonic()
        text = ""
        try:
            async with asyncio.timeout(limit), contextlib.aclosing(engine.reply(request)) as reply:  # type: ignore[type-var]
                async for piece in reply:
                    if isinstance(piece, str) and piece.strip():
                        text = piece.strip()
                        break
        except TimeoutError as error:
            raise Fault(f"{engine.name} said nothing for {limit:g} s", "see what holds it up") from error
        if not text:
            raise Fault(f"{engine.name} gave an empty answer", "try the model by itself")
        return f"{engine.name} answered after {round((time.monotonic() - began) * 1000)} ms"


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def _existing(folder: Path) -> Path:
    folder = folder.expanduser().absolute()
    return next(each for each in (folder, *folder.parents) if each.exists())


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _reachable(host: str) -> str:
    """A host to bind to as one to go to, within a URL."""
    return "127.0.0.1" if host == "0.0.0.0" else "[::1]" if host == "::" else f"[{host}]" if ":" in host else host


async def _is_host(host: str, port: int) -> bool:
    url = f"http://{_reachable(host)}:{port}/livez"
    timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as got:
            return got.status == 200 and (await got.json()).get("status") == "ok"
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return False
