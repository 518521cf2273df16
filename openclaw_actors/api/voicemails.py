"""``/v1/voicemails``: list, read, hear and erase messages; call back for them."""

from __future__ import annotations

from aiohttp import web
from pydantic import BaseModel

from openclaw_actors.api.auth import PRINCIPAL
from openclaw_actors.api.bodies import read_json, read_query
from openclaw_actors.api.commands import PROBLEMS, Commands, Done, Keep, idempotency_key, respond
from openclaw_actors.api.models import CallBack, Voicemail, Voicemails, VoicemailsQuery
from openclaw_actors.api.routes import Answers, Route
from openclaw_actors.errors import RefusalError
from openclaw_actors.settings.sections import Limits
from openclaw_actors.store.records import VoicemailQuery
from openclaw_actors.store.store import Store
from openclaw_actors.telephony.voicemail.desk import Desk

SOUND = "audio/ogg"


class VoicemailResources:
    """Messages as resources.

    Args:
        limits: of bodies.
        store: where they are on record.
        commands: does what is to be done once.
        desk: the voicemail; None where it is not enabled.
    """

    def __init__(self, limits: Limits, store: Store, commands: Commands, desk: Desk | None) -> None:
        self._limits = limits
        self._store = store
        self._commands = commands
        self._desk = desk

    async def list(self, request: web.Request) -> web.Response:
        """``GET /v1/voicemails``."""
        query = read_query(request, VoicemailsQuery)
        self._reach()
        page = await self._store.voicemails.page(
            VoicemailQuery(query.state or "", query.from_ or "", query.cursor or "", query.limit)
        )
        return _answer(Voicemails(voicemails=[Voicemail.of(each) for each in page.items], next=page.next or None))

    async def read(self, request: web.Request) -> web.Response:
        """``GET /v1/voicemails/{voicemail_id}``."""
        return _answer(Voicemail.of(await self._reach().find(request.match_info["voicemail_id"])))

    async def audio(self, request: web.Request) -> web.StreamResponse:
        """``GET /v1/voicemails/{voicemail_id}/audio``: Opus in Ogg; ranges are served."""
        desk = self._reach()
        message = await desk.find(request.match_info["voicemail_id"])
        path = desk.book.sound(message.id)  # of an id that is on record: nobody else's words make a path
        if not path.is_file():
            raise RefusalError(404, "no_sound", "Its sound is not here: it is still to come, or another host has it.")
        return web.FileResponse(path, headers={"Content-Type": SOUND, "Cache-Control": "private"})

    async def erase(self, request: web.Request) -> web.Response:
        """``DELETE /v1/voicemails/{voicemail_id}``: its record, its sound, and the events that tell of it."""
        await self._reach().erase(request.match_info["voicemail_id"])
        return web.Response(status=204)

    async def call_back(self, request: web.Request) -> web.Response:
        """``POST /v1/voicemails/{voicemail_id}/callback``."""
        key, voicemail_id = idempotency_key(request), request.match_info["voicemail_id"]
        body = await read_json(request, CallBack, self._limits, optional=True)
        desk = self._reach()

        async def do(_: Keep) -> Done:
            await desk.call_back(voicemail_id, to=body.to or "", message=body.message or "", now=body.now)
            return Done(202, _text(Voicemail.of(await desk.find(voicemail_id))))

        scope, payload = f"voicemails/{voicemail_id}/callback", body.model_dump(mode="json")
        return respond(await self._commands.once(request[PRINCIPAL], scope, key, payload, do))

    def _reach(self) -> Desk:
        if self._desk is None:
            raise RefusalError(404, "voicemail_off", "No messages are taken here (voicemail.enabled).")
        return self._desk

    def routes(self) -> tuple[Route, ...]:
        """Their part of the table."""
        off = {404: ("voicemail_off",), 503: ("store_unavailable",)}
        unknown = {404: ("no_such_voicemail", *off[404]), 503: off[503]}
        path = "/v1/voicemails/{voicemail_id}"
        return (
            Route(
                "GET",
                "/v1/voicemails",
                self.list,
                "voicemail",
                "List messages, newest first.",
                (Answers(200, "A page of messages.", Voicemails),),
                scope="read",
                query=VoicemailsQuery,
                problems=off,
            ),
            Route(
                "GET",
                path,
                self.read,
                "voicemail",
                "Read a message, its answer, and how far it has come.",
                (Answers(200, "The message.", Voicemail),),
                scope="read",
                problems=unknown,
            ),
            Route(
                "GET",
                f"{path}/audio",
                self.audio,
                "voicemail",
                "Hear a message.",
                (
                    Answers(200, "Opus in Ogg, mono.", content_type=SOUND),
                    Answers(206, "A part of it, as Range asks.", content_type=SOUND),
                ),
                scope="read",
                problems={**unknown, 404: (*unknown[404], "no_sound")},
            ),
            Route(
                "DELETE",
                path,
                self.erase,
                "voicemail",
                "Erase a message: its record, its sound, and what tells of it.",
                (Answers(204, "It is erased."),),
                scope="admin",
                problems={**unknown, 409: ("voicemail_busy",)},
            ),
            Route(
                "POST",
                f"{path}/callback",
                self.call_back,
                "voicemail",
                "Call back for a message, or call back again.",
                (Answers(202, "It is due; events tell what comes of it.", Voicemail),),
                scope="call:control",
                body=(CallBack,),
                idempotent=True,
                problems={
                    **unknown,
                    400: ("bad_idempotency_key",),
                    403: ("number_not_allowed", "own_number"),
                    409: ("voicemail_busy", *PROBLEMS[409]),
                    422: ("no_carrier", "no_number", "from_not_ours", *PROBLEMS[422]),
                    429: ("hourly_cap", "daily_minutes"),
                    503: ("not_ready", *PROBLEMS[503]),
                },
            ),
        )


def _text(model: BaseModel) -> str:
    return model.model_dump_json(by_alias=True)


def _answer(model: BaseModel) -> web.Response:
    return web.Response(body=_text(model).encode(), content_type="application/json")
