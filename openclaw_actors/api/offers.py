"""``/webrtc``: an offer comes in, a call begins; its secret address ends it."""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from aiohttp import hdrs, web

from openclaw_actors.actors.board import Admission, Board, StartedCall
from openclaw_actors.api.auth import Gate, Principal
from openclaw_actors.api.bodies import read_json
from openclaw_actors.api.clients import Client
from openclaw_actors.api.join_tokens import JoinTokens
from openclaw_actors.api.models import Answer, IceServers, Offer
from openclaw_actors.api.rates import Places, TokenBuckets
from openclaw_actors.api.sessions import Sessions
from openclaw_actors.errors import RefusalError
from openclaw_actors.messages import NO_PROFILE, CallProfile
from openclaw_actors.names import BY_ITSELF, Names
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger, outside
from openclaw_actors.settings.sections import Settings
from openclaw_actors.telephony.voicemail.desk import Desk, admit
from openclaw_actors.transports.peer import Peer
from openclaw_actors.transports.webrtc.peer import ice_servers_for_client
from openclaw_actors.transports.webrtc.sdp_policy import CheckedOffer, check_offer

log = get_logger(__name__)


class AnsweringPeer(Peer, Protocol):
    """A peer that can answer an offer (transports/webrtc/peer.py)."""

    async def accept(self, offer: CheckedOffer) -> str:
        """The answer's SDP."""

    async def trickle(self, candidates: Sequence[tuple[str, str]]) -> None:
        """Take more candidates of the client's, which were checked."""


class IceLink:
    """A call's ICE session, as its client's further requests see it.

    Args:
        peer: the connection.
        offer: what it was offered.
    """

    def __init__(self, peer: AnsweringPeer, offer: CheckedOffer) -> None:
        self.peer = peer
        self.offer = offer
        self.candidates = offer.candidates
        """How many have come."""
        self.tag = f'"{secrets.token_hex(8)}"'
        """The strong entity tag of the ICE session (RFC 9725 section 4.3.1)."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A call that an offer has begun."""

    sdp: str
    call: StartedCall
    location: str
    """The path of its session, which is secret."""
    link: IceLink


class Offers:
    """Takes offers, and hang-ups by the session's secret.

    Args:
        settings: all settings.
        board: the host's calls.
        gate: who may.
        join_tokens: sees that each is used once.
        new_peer: makes the connection of one call.
        clock: monotonic seconds.
        desk: the voicemail; None where it is not enabled.
        names: makes the secrets of sessions.
    """

    def __init__(
        self,
        settings: Settings,
        board: Board,
        gate: Gate,
        join_tokens: JoinTokens,
        new_peer: Callable[[], AnsweringPeer],
        clock: Callable[[], float],
        *,
        desk: Desk | None = None,
        names: Names = BY_ITSELF,
    ) -> None:
        self._settings = settings
        self._limits = settings.limits
        self._board = board
        self._gate = gate
        self._join_tokens = join_tokens
        self._new_peer = new_peer
        self._clock = clock
        self._desk = desk
        self._rates = TokenBuckets(settings.limits.offers_per_second, settings.limits.offers_burst)
        self._patches = TokenBuckets(settings.limits.requests_per_second, settings.limits.requests_burst)
        self._pending = Places(settings.limits.pending_offers)
        self.sessions: Sessions[IceLink] = Sessions(board.knows, names)
        self._closing: set[asyncio.Task[None]] = set()

    async def take(self, request: web.Request) -> web.Response:
        """``POST /webrtc/offer``."""

        async def read(request: web.Request) -> Offer:
            return await read_json(request, Offer, self._limits)

        begun = await self.begin(request, read)
        body = Answer(sdp=begun.sdp, call_id=begun.call.call_id, resume_token=begun.call.resume_token)
        headers = {hdrs.LOCATION: begun.location, hdrs.ETAG: begun.link.tag}
        return web.Response(body=body.model_dump_json().encode(), content_type="application/json", headers=headers)

    async def begin(self, request: web.Request, read: Callable[[web.Request], Awaitable[Offer]]) -> Begun:
        """Let a client in, answer its offer, begin its call.

        Args:
            request: what it sent.
            read: reads the offer from it, once it has been let in.

        Raises:
            RefusalError: what ``POST /webrtc/offer`` is refused with.
        """
        client = self._gate.client(request)
        with _counted_as("auth"):
            principal = self._gate.authorise(request, "call:join", offer=True)
        with _counted_as("rate"):
            self._limit(client)
        with _counted_as("offer"):
            offer = await read(request)
            checked = self._check(offer, client)
        with _counted_as("rate"):
            self._refuse_when_busy(client)
        async with self._joined(principal, offer):
            with self._pending.one():
                answer, started, peer = await self._set_up(offer, checked, principal, client)
        log.info("offer answered", call_id=started.call_id)
        link = IceLink(peer, checked)
        secret = self.sessions.open(started.call_id, link)
        return Begun(answer, started, f"/webrtc/sessions/{secret}", link)

    async def end(self, request: web.Request) -> web.Response:
        """``DELETE /webrtc/sessions/{secret}``. Who knows the secret is the caller; no token is asked for."""
        call_id = self.sessions.close(request.match_info["secret"])
        if call_id is None or not await self._board.hang_up(call_id, "caller_hangup"):
            raise RefusalError(404, "no_such_session", "There is no such session; it may be over already.")
        return web.Response()

    async def ice_servers(self, request: web.Request) -> web.Response:
        """``GET /webrtc/ice-servers``: free where the offer is, as a browser needs it before it can offer."""
        principal = self._gate.authorise(request, "call:join", offer=True)
        if principal.grant is not None:
            self._join_tokens.check_time(principal.grant)
        servers = IceServers(ice_servers=ice_servers_for_client(self._settings.webrtc))
        return web.Response(body=servers.model_dump_json().encode(), content_type="application/json")

    async def settle(self, _: web.Application) -> None:
        """Wait until every abandoned connection is closed. A hook for ``on_cleanup``."""
        await asyncio.gather(*self._closing, return_exceptions=True)

    @asynccontextmanager
    async def _joined(self, principal: Principal, offer: Offer) -> AsyncIterator[None]:
        """Use up the join token, if it is by one that the client comes, for the call that begins within.

        Who comes back to a conversation has proved by ``resume`` that they were let in; the token that was good for
        one call need not be good for a second.

        Raises:
            RefusalError: 401 ``token_expired`` or ``token_used``.
        """
        if principal.grant is None or offer.resume:
            yield
            return
        async with AsyncExitStack() as using:
            with _counted_as("auth"):
                await using.enter_async_context(self._join_tokens.use(principal.grant))
            yield

    def limit_patches(self, client: Client) -> None:
        """Bound how often one client sends candidates.

        Raises:
            RefusalError: 429.
        """
        wait = 0.0 if client.is_local else self._patches.take(client.key, self._clock())
        if wait:
            raise RefusalError(
                429,
                "too_many_requests",
                f"At most {self._limits.requests_burst} at once and {self._limits.requests_per_second:g} a second: "
                "send several candidates together.",
                {"Retry-After": str(math.ceil(wait))},
            )

    def _limit(self, client: Client) -> None:
        """Bound how often one client offers, before its body costs anything.

        Raises:
            RefusalError: 429.
        """
        if client.is_local:
            return
        wait = self._rates.take(client.key, self._clock())
        if wait:
            raise RefusalError(
                429,
                "too_many_offers",
                f"At most {self._limits.offers_burst} offers at once and {self._limits.offers_per_second:g} a second.",
                {"Retry-After": str(math.ceil(wait))},
            )

    def _refuse_when_busy(self, client: Client) -> None:
        """Bound how many connections are set up at once: each costs a DTLS key and sockets.

        Raises:
            RefusalError: 503.
        """
        if self._pending.are_taken and not client.is_local:
            raise RefusalError(
                503, "too_many_pending", "Too many calls are being set up at this moment.", {"Retry-After": "1"}
            )

    def _check(self, offer: Offer, client: Client) -> CheckedOffer:
        if offer.type != "offer":
            raise RefusalError(422, "not_an_offer", f'The type must be "offer", not {offer.type[:20]!r}.')
        return check_offer(offer.sdp, limits=self._limits, allow_private=self._gate.takes_private_candidates(client))

    async def _set_up(
        self, offer: Offer, checked: CheckedOffer, principal: Principal, client: Client
    ) -> tuple[str, StartedCall, AnsweringPeer]:
        """Keep a place, answer, begin the call; whatever goes wrong, neither place nor connection is left behind."""
        caller, metadata = str(client.address or ""), offer.metadata
        if principal.grant is not None:
            # What our side has signed is not for the browser to change.
            caller, metadata = principal.grant.identity or caller, {**metadata, **principal.grant.metadata}
        admission, profile = self._admit(offer, caller)
        peer: AnsweringPeer | None = None
        try:
            peer = self._new_peer()
            # Its tasks live as long as the call: what is bound for this request's log must not stand in theirs.
            answer = await asyncio.create_task(peer.accept(checked), name="answer an offer", context=outside())
            # The peer bounds its own part; a Switchboard that does not answer must not keep the place for ever.
            async with asyncio.timeout(self._limits.setup_timeout_s):
                started = await self._board.start(
                    admission, peer, caller=caller, metadata=metadata, resume=offer.resume, profile=profile
                )
        except BaseException as error:
            self._board.release(admission)
            if peer is not None:
                await self._close(peer)
            if isinstance(error, TimeoutError):
                raise RefusalError(
                    503, "setup_timeout", "The call could not be begun in time.", {"Retry-After": "1"}
                ) from error
            raise
        return answer, started, peer

    def _admit(self, offer: Offer, caller: str) -> tuple[Admission, CallProfile]:
        """A place, and what the call has of its own.

        Raises:
            RefusalError: 422 ``voicemail_off``, 503.
        """
        if offer.resume or (self._desk is None and offer.mode == "conversation"):
            return self._board.admit("webrtc", "inbound", resume=offer.resume), NO_PROFILE
        if self._desk is None:
            raise RefusalError(422, "voicemail_off", "No messages are taken here (voicemail.enabled).")
        if offer.mode == "voicemail":
            return self._board.admit("webrtc", "inbound", message=True), CallProfile(takes_message=True)
        return admit(self._board, self._desk, "webrtc", caller, "", NO_PROFILE)

    async def _close(self, peer: Peer) -> None:
        """Close to the end even when the request, its client gone, is cancelled meanwhile."""
        closing = asyncio.create_task(_close_quietly(peer), name="close abandoned peer")
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        await asyncio.shield(closing)


async def _close_quietly(peer: Peer) -> None:
    try:
        await peer.aclose()
    except Exception:
        # The refusal that made us close it is what the client must hear of.
        log.exception("an abandoned peer did not close")


@contextmanager
def _counted_as(reason: str) -> Iterator[None]:
    """Count a refusal within as a rejected call; the board counts its own."""
    try:
        yield
    except RefusalError as refusal:
        metrics.calls_rejected_total.labels(reason=reason).inc()
        log.info("offer refused", code=refusal.code)
        raise
