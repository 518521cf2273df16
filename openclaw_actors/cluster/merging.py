"""Answers of several hosts as one: streams of events, lists of live calls, hosts in numbers."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import aiohttp
from aiohttp import hdrs, web

from openclaw_actors.cluster.forwarding import Forwarder, HostLostError
from openclaw_actors.cluster.report import Report
from openclaw_actors.observability.logs import get_logger

_log = get_logger(__name__)

_LOOK_S = 0.5
"""Between two looks whether there are hosts of which nothing is heard yet."""
_WAITING = 512
"""Frames that wait for the reader, from all hosts; when they do not fit, their hosts are read no more, and end them."""
_REMEMBERED = 8192
"""Ids of events that were sent, so that what comes twice is sent once: from the records and as it happens."""
_END = b": overflow"
_LAST = "Last-Event-ID"

Frame = bytes


class _Ids:
    """The last ids that were seen."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self.last = b""

    def is_new(self, frame: Frame) -> bool:
        """Whether an event was not sent before; one without an id, which is on no record, never was."""
        event_id = next((line[3:].strip() for line in frame.split(b"\n") if line.startswith(b"id:")), b"")
        if not event_id:
            return True
        if event_id in self._seen:
            return False
        self._seen[event_id] = None
        self.last = event_id
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return True


class MergedEvents:
    """``GET /v1/events`` of a whole cluster, for one reader.

    Of several hosts' events the order is that in which they come; each call's own are in order.

    Args:
        forwarder: asks hosts.
        hosts: those that live.
        beat_s: between two comments in a quiet stream.
    """

    def __init__(self, forwarder: Forwarder, hosts: Callable[[], Sequence[Report]], beat_s: float) -> None:
        self._forwarder = forwarder
        self._hosts = hosts
        self._beat_s = beat_s
        self._frames: asyncio.Queue[Frame] = asyncio.Queue(_WAITING)
        self._ids = _Ids()
        self._readers: dict[str, asyncio.Task[None]] = {}
        self._over = False

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer the request until its reader leaves, or falls behind.

        Raises:
            HostLostError: no host answers.
        """
        hosts = list(self._hosts())
        if not hosts:
            raise HostLostError("any", sent=False)
        # All but one from now on, and then that one, which also reads the past: so nothing falls between.
        first = {} if len(hosts) == 1 else {_LAST: ""}
        others = await asyncio.gather(*(self._open(host, request, first) for host in hosts[1:]), return_exceptions=True)
        try:
            main = await self._forwarder.ask(hosts[0], request)
            if main.status != 200:
                return await self._forwarder.pass_back(main, request)
            for host, opened in zip(hosts, [main, *others], strict=True):
                if isinstance(opened, aiohttp.ClientResponse) and opened.status == 200:
                    self._read(host, opened)
            return await self._stream(request, main.headers)
        finally:
            for task in self._readers.values():
                task.cancel()
            await asyncio.gather(*self._readers.values(), return_exceptions=True)
            for other in others:
                if isinstance(other, aiohttp.ClientResponse):
                    other.close()

    async def _open(self, host: Report, request: web.Request, more: Mapping[str, str]) -> aiohttp.ClientResponse:
        return await self._forwarder.ask(host, request, more=more)

    def _read(self, host: Report, answer: aiohttp.ClientResponse) -> None:
        self._readers[host.record_name] = asyncio.create_task(self._pump(answer), name="events of a host")

    async def _pump(self, answer: aiohttp.ClientResponse) -> None:
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            async with answer:
                async for frame in frames_of(answer.content):
                    if frame.startswith(_END):
                        self._over = True
                    if self._over or not frame.startswith((b":", b"retry:")):
                        await self._frames.put(frame)

    async def _stream(self, request: web.Request, head: Mapping[str, str]) -> web.StreamResponse:
        kept = (hdrs.CONTENT_TYPE, hdrs.CACHE_CONTROL, "X-Accel-Buffering", hdrs.ACCESS_CONTROL_ALLOW_ORIGIN, hdrs.VARY)
        response = web.StreamResponse(headers={name: head[name] for name in kept if name in head})
        await response.prepare(request)
        quiet_s = 0.0
        with contextlib.suppress(ConnectionError):
            await response.write(b"retry: 2000\n\n")
            while not self._over:
                frames = await self._taken()
                quiet_s = 0.0 if frames else quiet_s + _LOOK_S
                if quiet_s >= self._beat_s:
                    frames, quiet_s = [b": heartbeat"], 0.0
                if frames:
                    await response.write(b"".join(frame + b"\n\n" for frame in frames))
                await self._follow_new(request)
        return response

    async def _taken(self) -> list[Frame]:
        try:
            frames = [await asyncio.wait_for(self._frames.get(), _LOOK_S)]
        except TimeoutError:
            return []
        while not self._frames.empty():
            frames.append(self._frames.get_nowait())
        return [frame for frame in frames if self._ids.is_new(frame)]

    async def _follow_new(self, request: web.Request) -> None:
        """Hear those hosts that have come up since, from behind the last event that was sent."""
        for host in self._hosts():
            task = self._readers.get(host.record_name)
            if host.record_name and (task is None or task.done()):
                last = {_LAST: self._ids.last.decode()} if self._ids.last else {}
                try:
                    opened = await self._open(host, request, last)
                except HostLostError:
                    continue
                if opened.status == 200:
                    self._read(host, opened)
                else:
                    opened.close()


async def frames_of(content: aiohttp.StreamReader) -> AsyncIterator[Frame]:
    """The frames of a stream of server-sent events, as hosts write them: with an empty line behind each."""
    rest = b""
    async for chunk in content.iter_any():
        *frames, rest = (rest + chunk).split(b"\n\n")
        for frame in frames:
            yield frame


def merged_calls(pages: Sequence[Mapping[str, Any]], limit: int) -> dict[str, Any]:
    """Pages of several hosts as one: the newest first; ids sort by time."""
    calls = sorted((call for page in pages for call in page["calls"]), key=lambda call: str(call["id"]), reverse=True)
    more = len(calls) > limit or any(page["next"] for page in pages)
    shown = calls[:limit]
    return {"calls": shown, "next": shown[-1]["id"] if shown and more else None}


def summed_nodes(nodes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The hosts of a machine as one: their calls and places added up; it drains when all do."""
    return {
        **nodes[0],
        "name": "",
        "ready": any(node["ready"] for node in nodes),
        "started_at": min(node["started_at"] for node in nodes),
        "calls": sum(node["calls"] for node in nodes),
        "limit": sum(node["limit"] for node in nodes),
        "draining": all(node["draining"] for node in nodes),
    }


async def all_answers(
    forwarder: Forwarder, hosts: Sequence[Report], request: web.Request
) -> tuple[list[Any], aiohttp.ClientResponse | None]:
    """What each host answers, as JSON; and the first answer that is no success, which is to be passed back.

    Who does not answer is left out.
    """
    answers = await asyncio.gather(*(forwarder.ask(host, request) for host in hosts), return_exceptions=True)
    found: list[Any] = []
    refused: aiohttp.ClientResponse | None = None
    for answer in answers:
        if not isinstance(answer, aiohttp.ClientResponse):
            continue
        if answer.status >= 400 and refused is None:
            refused = answer
            continue
        async with answer:
            with contextlib.suppress(aiohttp.ClientError, ValueError):
                found.append(json.loads(await answer.read()))
    return found, refused
