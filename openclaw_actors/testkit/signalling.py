"""The HTTP half of a scripted caller: offer, answer, goodbye."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiortc import RTCIceServer


class CallRefusedError(Exception):
    """The host answered with a problem (RFC 9457). ``problem`` is its body."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"HTTP {status}: {problem.get('detail') or problem.get('title') or dict(problem)}")
        self.status = status
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the host answered to an offer."""

    sdp: str
    call_id: str
    resume_token: str
    location: str


class Signalling:
    """One caller's HTTP session with a host; made inside a running loop, closed with ``aclose``."""

    def __init__(self, url: str, token: str = "", *, verify_tls: bool = True) -> None:
        self._url = url
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {token}"} if token else None,
            connector=aiohttp.TCPConnector(ssl=verify_tls),
        )

    async def ice_servers(self) -> list[RTCIceServer]:
        """``GET /webrtc/ice-servers``.

        Raises:
            CallRefusedError: any status but 200.
        """
        async with self._session.get(f"{self._url}/webrtc/ice-servers") as response:
            await _expect(response, 200)
            body = await response.json()
        return [RTCIceServer(**server) for server in body["ice_servers"]]

    async def offer(self, sdp: str, name: str = "", resume: str = "", mode: str = "") -> Accepted:
        """``POST /webrtc/offer``.

        Raises:
            CallRefusedError: any status but 200.
        """
        body: dict[str, Any] = {"sdp": sdp, "type": "offer"}
        if name:
            body["metadata"] = {"name": name}
        if resume:
            body["resume"] = resume
        if mode:
            body["mode"] = mode
        async with self._session.post(f"{self._url}/webrtc/offer", json=body) as response:
            await _expect(response, 200)
            answer = await response.json()
            location = response.headers["Location"]
        return Accepted(answer["sdp"], answer["call_id"], answer["resume_token"], location)

    async def goodbye(self, location: str) -> int:
        """``DELETE`` the session; the HTTP status."""
        async with self._session.delete(f"{self._url}{location}") as response:
            return response.status

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._session.close()


async def _expect(response: aiohttp.ClientResponse, status: int) -> None:
    if response.status != status:
        raise await refusal(response)


async def refusal(response: aiohttp.ClientResponse) -> CallRefusedError:
    """What the host has to say against a request."""
    text = await response.text()
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    return CallRefusedError(response.status, body if isinstance(body, dict) else {"detail": text[:200]})
