"""A host without a mind, to hold the scripted caller's measurements against: all its delays are known.

It answers the caller's speech with a tone, ``answer_s`` after the last loud packet arrived, and falls silent
``hush_s`` after the first loud packet of a caller who speaks over it.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from functools import partial
from typing import Self

from aiohttp import web
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription

from openclaw_actors.media.codecs import OPUS, PCMU
from openclaw_actors.testkit.ear import Ear
from openclaw_actors.testkit.mouth import Mouth
from openclaw_actors.testkit.speakers import tone
from openclaw_actors.transports.webrtc.aiortc_private import tap_receiver


class Line:
    """One call: its connection, what it hears, what it says."""

    def __init__(self, answer_s: float, hush_s: float) -> None:
        self.pc = RTCPeerConnection(RTCConfiguration([]))
        self.ear = Ear()
        self.mouth = Mouth(on_tick=self.tick)
        self.answer = tone(1.0)
        self.answer_s, self.hush_s = answer_s, hush_s
        self.answered = 0
        self.speaking_until = 0.0
        self.commands: asyncio.Queue[dict[str, object]] = asyncio.Queue()
        self.channel: RTCDataChannel | None = None
        _ = self.answer.packets

    def tick(self, now: float) -> None:
        quiet_s = self.ear.quiet_blocks / 100  # the caller's time: a loop that stalls makes no pause in it
        onset = self.ear.onsets[-1] if self.ear.onsets else 0.0
        speaking = now < self.speaking_until
        if speaking and onset > self.speaking_until - self.answer.seconds and now >= onset + self.hush_s - 0.01:
            self.mouth.hush()
            self.speaking_until = now
        elif not speaking and len(self.ear.onsets) > self.answered and quiet_s >= self.answer_s - 0.01:
            self.answered = len(self.ear.onsets)
            self.speaking_until = now + self.answer.seconds
            self.mouth.say(self.answer)


class ClockworkHost:
    """The HTTP side; an async context with ``url``."""

    def __init__(self, answer_s: float = 0.4, hush_s: float = 0.1, refuse: int = 0) -> None:
        self.answer_s, self.hush_s, self.refuse = answer_s, hush_s, refuse
        self.lines: dict[str, Line] = {}
        self.bodies: deque[dict[str, object]] = deque()
        self.authorization = ""
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/webrtc/ice-servers", self._ice_servers)
        app.router.add_post("/webrtc/offer", self._offer)
        app.router.add_delete("/webrtc/sessions/{secret}", self._delete)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(line.pc.close() for line in self.lines.values()))
        await self._runner.cleanup()

    async def _ice_servers(self, _: web.Request) -> web.Response:
        return web.json_response({"ice_servers": []})

    async def _offer(self, request: web.Request) -> web.Response:
        if self.refuse:
            problem = {"title": "Service Unavailable", "code": "full", "detail": "All lines are busy."}
            return web.json_response(problem, status=self.refuse, content_type="application/problem+json")
        self.authorization = request.headers.get("Authorization", "")
        body = await request.json()
        self.bodies.append(body)
        line = Line(self.answer_s, self.hush_s)
        pc = line.pc

        @pc.on("datachannel")
        def opened(channel: RTCDataChannel) -> None:
            line.channel = channel
            channel.on("message", lambda text: line.commands.put_nowait(json.loads(text)))
            channel.send(json.dumps({"type": "call.answered", "data": {}}))

        await pc.setRemoteDescription(RTCSessionDescription(body["sdp"], "offer"))
        pc.getTransceivers()[0].direction = "sendrecv"
        pc.getTransceivers()[0].sender.replaceTrack(line.mouth)
        await pc.setLocalDescription(await pc.createAnswer())
        line.mouth.codec = OPUS if "opus/48000" in pc.localDescription.sdp else PCMU
        for receiver in pc.getReceivers():
            tap_receiver(receiver, partial(line.ear.hear, pcmu=line.mouth.codec is PCMU), stock=False)
        secret = secrets.token_urlsafe(16)
        self.lines[secret] = line
        answer = {"sdp": pc.localDescription.sdp, "type": "answer", "call_id": "c1", "resume_token": "r1"}
        return web.json_response(answer, headers={"Location": f"/webrtc/sessions/{secret}"})

    async def _delete(self, request: web.Request) -> web.Response:
        line = self.lines.pop(request.match_info["secret"], None)
        if line is None:
            return web.Response(status=404)
        await line.pc.close()
        return web.Response(status=200)
