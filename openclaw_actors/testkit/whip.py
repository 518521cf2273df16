"""A WHIP client (RFC 9725): posts an offer as SDP, trickles what it finds later, hangs up by DELETE."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urljoin

import aiohttp
from aiortc import RTCIceServer

from openclaw_actors.testkit.signalling import CallRefusedError, refusal

_LINK = re.compile(r'<([^>]+)>; rel="ice-server"(?:; username="([^"]*)"; credential="([^"]*)")?')


@dataclass(frozen=True, slots=True)
class WhipAnswer:
    """What the host answered to an offer."""

    sdp: str
    session: str
    """The URL of the session."""
    tag: str
    call_id: str
    resume_token: str
    ice_servers: tuple[RTCIceServer, ...]


class WhipClient:
    """One caller's HTTP session with an endpoint; made inside a running loop, closed with ``aclose``.

    Args:
        endpoint: the URL that offers are posted to.
        token: a bearer token, where one is asked for.
    """

    def __init__(self, endpoint: str, token: str = "") -> None:
        self._endpoint = endpoint
        self._session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"} if token else None)

    async def offer(self, sdp: str, resume: str = "") -> WhipAnswer:
        """Post an offer.

        Raises:
            CallRefusedError: any status but 201.
        """
        headers = {"Content-Type": "application/sdp", **({"Openclaw-Resume-Token": resume} if resume else {})}
        async with self._session.post(self._endpoint, data=sdp.encode(), headers=headers) as response:
            if response.status != 201:
                raise await refusal(response)
            found = response.headers
            servers = tuple(
                RTCIceServer(urls=[match[1]], username=match[2] or None, credential=match[3] or None)
                for link in found.getall("Link", [])
                if (match := _LINK.match(link))
            )
            return WhipAnswer(
                await response.text(),
                urljoin(self._endpoint, found["Location"]),
                found["ETag"],
                found["Openclaw-Call-Id"],
                found["Openclaw-Resume-Token"],
                servers,
            )

    async def trickle(self, answer: WhipAnswer, offer: str, candidates: Sequence[str], *, mid: str = "0") -> int:
        """Send candidate attributes (what stands behind ``a=candidate:``) of the offer's ICE session; the status."""
        credentials = [line for line in offer.splitlines() if line.startswith(("a=ice-ufrag:", "a=ice-pwd:"))][:2]
        lines = [*credentials, "m=audio 9 UDP/TLS/RTP/SAVPF 0", f"a=mid:{mid}"]
        body = "\r\n".join([*lines, *(f"a=candidate:{each}" for each in candidates)]) + "\r\n"
        headers = {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": answer.tag}
        async with self._session.patch(answer.session, data=body.encode(), headers=headers) as response:
            if response.status >= 400:
                raise await refusal(response)
            return response.status

    async def hang_up(self, answer: WhipAnswer) -> int:
        """``DELETE`` the session; the status."""
        async with self._session.delete(answer.session) as response:
            return response.status

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._session.close()


__all__ = ["CallRefusedError", "WhipAnswer", "WhipClient"]
