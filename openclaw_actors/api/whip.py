"""The same offers in WHIP's shape (RFC 9725): plain SDP, trickled candidates, entity tags. Media go both ways here.

A call's data channel, if the client offers one, carries the same events as ever; a client that has none loses nothing
but them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiohttp import hdrs, web

from openclaw_actors.api.auth import Gate
from openclaw_actors.api.bodies import read_raw
from openclaw_actors.api.models import RESUME_TOKEN, Offer
from openclaw_actors.api.offers import IceLink, Offers
from openclaw_actors.errors import RefusalError
from openclaw_actors.settings.sections import Settings
from openclaw_actors.transports.webrtc.candidates import checked_candidate
from openclaw_actors.transports.webrtc.peer import ice_servers_for_client
from openclaw_actors.transports.webrtc.sdp_fragment import Fragment, read_fragment

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"

CALL_ID_HEADER = "Openclaw-Call-Id"
RESUME_HEADER = "Openclaw-Resume-Token"
"""In an answer, the token for next time; in a request, the one to come back with: an SDP body has no place for it."""


class Whip:
    """Takes offers as WHIP clients send them, and what they send afterwards.

    Args:
        settings: all settings.
        offers: begins the calls.
        gate: knows the clients.
    """

    def __init__(self, settings: Settings, offers: Offers, gate: Gate) -> None:
        self._settings = settings
        self._limits = settings.limits
        self._offers = offers
        self._gate = gate

    async def take(self, request: web.Request) -> web.Response:
        """``POST /webrtc/whip``."""
        begun = await self._offers.begin(request, self._read_offer)
        response = web.Response(status=201, body=begun.sdp.encode(), content_type=SDP)
        response.headers[hdrs.LOCATION] = begun.location
        response.headers[hdrs.ETAG] = begun.link.tag
        response.headers[hdrs.CACHE_CONTROL] = "no-store"
        response.headers[CALL_ID_HEADER] = begun.call.call_id
        response.headers[RESUME_HEADER] = begun.call.resume_token
        for link in ice_server_links(ice_servers_for_client(self._settings.webrtc)):
            response.headers.add(hdrs.LINK, link)
        return response

    async def _read_offer(self, request: web.Request) -> Offer:
        sdp = await self._read(request, SDP)
        resume = request.headers.get(RESUME_HEADER, "")
        if len(resume) > RESUME_TOKEN:
            raise RefusalError(422, "invalid_fields", f"{RESUME_HEADER} may have {RESUME_TOKEN} characters.")
        return Offer(sdp=sdp, type="offer", resume=resume)

    async def trickle(self, request: web.Request) -> web.Response:
        """``PATCH /webrtc/sessions/{secret}``. Who knows the secret is the caller; no token is asked for."""
        client = self._gate.client(request)
        self._offers.limit_patches(client)
        session = self._offers.sessions.find(request.match_info["secret"])
        if session is None:
            raise RefusalError(404, "no_such_session", "There is no such session; it may be over already.")
        link = session.link
        self._check_tag(request, link)
        fragment = read_fragment(await self._read(request, FRAGMENT))
        if fragment.ufrag != link.offer.ufrag:
            raise _no_restart()
        await self._add(link, fragment, allow_private=self._gate.takes_private_candidates(client))
        return web.Response(status=204)

    def _check_tag(self, request: web.Request, link: IceLink) -> None:
        """The tag says for which ICE session the candidates are (RFC 9725 section 4.3.1).

        Raises:
            RefusalError: 428 ``tag_required``, 412 ``tag_mismatch``, 422 ``no_ice_restart``.
        """
        wanted = request.headers.get(hdrs.IF_MATCH)
        if wanted is None:
            raise RefusalError(
                428, "tag_required", "Send If-Match with the ETag of the answer, so that no candidate goes astray."
            )
        if wanted.strip() == "*":
            raise _no_restart()
        if link.tag not in [each.strip() for each in wanted.split(",")]:
            raise RefusalError(412, "tag_mismatch", "If-Match names another ICE session than the one there is.")

    async def _add(self, link: IceLink, fragment: Fragment, *, allow_private: bool) -> None:
        """Give the candidates that may be sent packets to the connection; the others are passed over.

        The end of candidates is not told on: with none that may be reached the connection would fail at once, in place
        of waiting for the client's own checks.
        """
        link.candidates += len(fragment.candidates)
        most = self._limits.candidates * len(link.offer.mids)
        if link.candidates > most:
            raise RefusalError(
                422,
                "too_many_candidates",
                f"More than {most} candidates in all: restrict the network interfaces, or use a relay.",
            )
        checked = (
            (mid or link.offer.mids[0], checked_candidate(value, allow_private=allow_private))
            for mid, value in fragment.candidates
        )
        known = [(mid, value) for mid, value in checked if value and mid in link.offer.mids]
        if known:
            await link.peer.trickle(known)

    async def _read(self, request: web.Request, content_type: str) -> str:
        """The body as text.

        Raises:
            RefusalError: 415 ``unsupported_media_type``, 413 ``sdp_too_large``, 400 ``no_body`` or ``bad_body``, 408.
        """
        if request.content_type != content_type:
            raise RefusalError(
                415, "unsupported_media_type", f"Send Content-Type: {content_type}.", {"Accept": content_type}
            )
        raw = await read_raw(request, self._limits)
        if not raw.strip():
            raise RefusalError(400, "no_body", f"The body is empty; send {content_type}.")
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            raise RefusalError(400, "bad_body", "The body is not UTF-8.") from error
        if len(raw) > self._limits.sdp_bytes:
            raise RefusalError(413, "sdp_too_large", f"It is longer than {self._limits.sdp_bytes} bytes.")
        return text


def ice_server_links(servers: list[dict[str, Any]]) -> Iterator[str]:
    """A ``Link`` for each URL of the servers (RFC 9725 section 4.6)."""
    for server in servers:
        for url in server["urls"]:
            link = f'<{url}>; rel="ice-server"'
            if "username" in server:
                link += (
                    f"; username={_quoted(server['username'])}; credential={_quoted(server['credential'])}"
                    '; credential-type="password"'
                )
            yield link


def _quoted(text: str) -> str:
    """A quoted-string (RFC 9110 section 5.6.4)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _no_restart() -> RefusalError:
    return RefusalError(
        422,
        "no_ice_restart",
        f"ICE is not restarted here: make a new offer with {RESUME_HEADER}, and the conversation goes on.",
    )
