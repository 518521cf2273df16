"""``/v1/calls``: place, list, read and erase calls; what was said on them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from aiohttp import web
from pydantic import BaseModel

from openclaw_actors.actors.board import Board
from openclaw_actors.api.auth import PRINCIPAL
from openclaw_actors.api.bodies import read_json, read_query
from openclaw_actors.api.commands import Commands, Done, Keep, idempotency_key, respond
from openclaw_actors.api.models import Call, Calls, CallsQuery, PlaceCall, Transcript, TranscriptLine
from openclaw_actors.api.recordings import RecordingResources, no_such_call
from openclaw_actors.errors import RefusalError
from openclaw_actors.messages import CallProfile
from openclaw_actors.settings.sections import Limits
from openclaw_actors.store.records import CallQuery, CallRecord, Page
from openclaw_actors.store.store import Store
from openclaw_actors.telephony.outbound import Order, Outbound
from openclaw_actors.transports.peer import Peer


class CallResources:
    """Calls as resources: those that live, as they are now, and those on record.

    Args:
        limits: of bodies and of setting up.
        board: the calls that live.
        store: the calls on record.
        commands: does what is to be done once.
        new_line: makes the far end of a ``test`` call.
        outbound: places calls to phones; None where no carrier is configured.
        takes_messages: whether whoever is called can leave one.
        recordings: their sound.
    """

    def __init__(
        self,
        limits: Limits,
        board: Board,
        store: Store,
        commands: Commands,
        new_line: Callable[[], Peer],
        outbound: Outbound | None = None,
        *,
        recordings: RecordingResources,
        takes_messages: bool = False,
    ) -> None:
        self._limits = limits
        self._board = board
        self._store = store
        self._commands = commands
        self._new_line = new_line
        self._outbound = outbound
        self._takes_messages = takes_messages
        self.recordings = recordings

    async def place(self, request: web.Request) -> web.Response:
        """``POST /v1/calls``."""
        key = idempotency_key(request)
        body = await read_json(request, PlaceCall, self._limits)
        done = await self._commands.once(
            request[PRINCIPAL],
            "calls",
            key,
            body.model_dump(mode="json", by_alias=True),
            lambda keep: self._place(body, keep),
        )
        return respond(done, Location=f"/v1/calls/{json.loads(done.body)['id']}")

    async def _place(self, body: PlaceCall, keep: Keep) -> Done:
        if body.to == "test":
            call_id = await self._call_test_line(body)
        else:
            call_id = await self._call_phone(body, keep)
        return await self._placed(call_id)

    async def _placed(self, call_id: str) -> Done:
        return Done(201, _text(await self._shown(call_id)))

    async def _call_phone(self, body: PlaceCall, keep: Keep) -> str:
        if self._outbound is None:
            raise RefusalError(
                422,
                "no_carrier",
                "No carrier is configured, so no phone can be called (docs/phone.md). Until one is, `test` can be "
                "called, and browsers call in by POST /webrtc/offer.",
            )
        if body.mode == "voicemail" and not self._takes_messages:
            raise RefusalError(422, "voicemail_off", "No messages are taken here (voicemail.enabled).")
        if body.mode == "notify" and body.message is None:
            raise RefusalError(422, "message_missing", "The mode notify says a message: give one.")

        async def promise(call_id: str) -> None:
            await keep(await self._placed(call_id))

        order = Order(
            body.to,
            sender=body.from_ or "",
            mode=body.mode,
            message=body.message or "",
            agent=body.agent or "",
            metadata=body.metadata,
        )
        return await self._outbound.place(order, promise)

    async def _call_test_line(self, body: PlaceCall) -> str:
        if body.mode != "conversation":
            raise RefusalError(
                422, "not_supported_on_transport", f"The mode {body.mode} needs a phone; take conversation."
            )
        admission = self._board.admit("test", "outbound")
        line = self._new_line()
        try:
            async with asyncio.timeout(self._limits.setup_timeout_s):
                started = await self._board.start(
                    admission,
                    line,
                    caller=body.from_ or "",
                    metadata=body.metadata,
                    profile=CallProfile(agent=body.agent or "", greeting=body.message),
                )
        except BaseException as error:
            self._board.release(admission)
            await line.aclose()
            if isinstance(error, TimeoutError):
                raise RefusalError(
                    503, "setup_timeout", "The call could not be begun in time.", {"Retry-After": "1"}
                ) from error
            raise
        return started.call_id

    async def list(self, request: web.Request) -> web.Response:
        """``GET /v1/calls``: live ones as they are now, among those on record, newest first.

        Ids are ULIDs, so that their order is the calls' order.
        """
        query = read_query(request, CallsQuery)
        page = await self._on_record(query)
        found = {record.id: Call.of(record.as_dict()) for record in page.items}
        # A live call may not be on record yet, or be further on than its record.
        for call_id in self._board.live_calls():
            if query.cursor and call_id >= query.cursor:
                continue
            record = await self._board.describe_call(call_id)
            if record is None:
                continue
            call = Call.of(record)
            if _matches(call, query) and (not query.q or call_id in found or _is_with(call, query.q)):
                found[call_id] = call
            else:
                found.pop(call_id, None)
        # Behind the store's page there may be calls of which we have only the live ones.
        edge = page.items[-1].id if page.next else ""
        newest = sorted((call for call in found.values() if call.id >= edge), key=lambda call: call.id, reverse=True)
        shown = newest[: query.limit]
        following = shown[-1].id if len(newest) > query.limit else page.next
        return _answer(Calls(calls=shown, next=following or None))

    async def _on_record(self, query: CallsQuery) -> Page[CallRecord]:
        if query.live:
            return Page(())
        return await self._store.calls(
            CallQuery(
                query.status or "",
                query.transport or "",
                query.direction or "",
                query.cursor or "",
                query.limit,
                query.q or "",
            )
        )

    async def read(self, request: web.Request) -> web.Response:
        """``GET /v1/calls/{call_id}``."""
        return _answer(await self._shown(request.match_info["call_id"]))

    async def _shown(self, call_id: str) -> Call:
        live = await self._board.describe_call(call_id)
        if live is not None:
            return Call.of(live)
        record = await self._store.call(call_id)
        if record is None:
            raise no_such_call()
        return Call.of(record.as_dict())

    async def erase(self, request: web.Request) -> web.Response:
        """``DELETE /v1/calls/{call_id}``: its record, transcript, events and recordings."""
        call_id = request.match_info["call_id"]
        if await self._board.describe_call(call_id) is not None:
            raise RefusalError(409, "call_is_live", "The call is not over; hang it up first.")
        await self.recordings.erase(call_id)  # first: what can't be erased must not be forgotten
        if not await self._store.erase(call_id):
            raise no_such_call()
        await self._board.forget(call_id)
        return web.Response(status=204)

    async def transcript(self, request: web.Request) -> web.Response:
        """``GET /v1/calls/{call_id}/transcript``."""
        call_id = request.match_info["call_id"]
        lines = await self._store.transcript(call_id)
        if not lines:
            await self._shown(call_id)
        return _answer(
            Transcript(call_id=call_id, lines=[TranscriptLine.model_validate(line.as_dict()) for line in lines])
        )


def _matches(call: Call, query: CallsQuery) -> bool:
    return (
        query.status in (None, call.status)
        and query.transport in (None, call.transport)
        and query.direction in (None, call.direction)
    )


def _is_with(call: Call, text: str) -> bool:
    """A call that is not on record yet may be found by who is in it."""
    return any(text.strip().lower() in party.lower() for party in (call.from_, call.to))


def _text(model: BaseModel) -> str:
    return model.model_dump_json(by_alias=True)


def _answer(model: BaseModel) -> web.Response:
    return web.Response(body=_text(model).encode(), content_type="application/json")
