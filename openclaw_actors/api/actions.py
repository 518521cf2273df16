"""``/v1/calls/{call_id}/actions``: one route for each thing that can be done to a live call."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from openclaw_actors.actors.board import Board
from openclaw_actors.api.action_models import (
    Accepted,
    Command,
    DtmfCommand,
    HoldCommand,
    PlayClip,
    PlayCommand,
    PlayFile,
    SayCommand,
    TextCommand,
    TransferCommand,
)
from openclaw_actors.api.auth import PRINCIPAL
from openclaw_actors.api.bodies import read_json
from openclaw_actors.api.commands import PROBLEMS, Commands, Done, respond
from openclaw_actors.api.problems import Handler
from openclaw_actors.api.recordings import no_such_call
from openclaw_actors.api.routes import Answers, Route
from openclaw_actors.errors import RefusalError
from openclaw_actors.media.clips import known_clip, read_clip
from openclaw_actors.messages import (
    HangUp,
    Hold,
    Mute,
    PlayAudio,
    Record,
    SayText,
    SendDtmf,
    SendText,
    Silence,
    Transfer,
    Unhold,
)
from openclaw_actors.settings.sections import Limits
from openclaw_actors.stamps import ulid
from openclaw_actors.store.store import Store
from openclaw_actors.telephony.carriers import CARRIERS
from openclaw_actors.telephony.outbound import Outbound

NOT_TO_BE_CALLED: dict[int, tuple[str, ...]] = {
    403: ("number_not_allowed", "own_number"),
    429: ("hourly_cap", "daily_minutes"),
}
"""What is answered when a number may not be called, or not now."""


@dataclass(frozen=True, slots=True)
class Action:
    """What can be done to a call.

    Args:
        name: as in the path.
        summary: what it does.
        body: the model that reads its body.
        message: what the call is told.
        choices: the models of its body, where that is one of several.
        by_phone: only a phone's carrier can do it.
    """

    name: str
    summary: str
    body: type[Command | PlayCommand]
    message: Callable[[Any], Any]
    choices: tuple[type[BaseModel], ...] = ()
    by_phone: bool = False


def _sound(command: PlayCommand) -> PlayAudio:
    body = command.root
    if isinstance(body, PlayClip):
        clip, name = known_clip(body.clip), body.clip
    else:
        try:
            data = base64.b64decode(body.audio, validate=True)
        except binascii.Error as error:
            raise ValueError(f"audio is not base64: {error}") from error
        clip, name = read_clip(data), body.name
    return PlayAudio(name, clip.pcm, clip.sample_rate)


ACTIONS = (
    Action("hangup", "End the call.", Command, lambda _: HangUp("api_hangup")),
    Action("say", "Speak a line, after what is being said.", SayCommand, lambda body: SayText(body.text.strip())),
    Action("interrupt", "Stop what is being said.", Command, lambda _: Silence()),
    Action("mute", "Do not listen to the caller.", Command, lambda _: Mute(True)),
    Action("unmute", "Listen to the caller again.", Command, lambda _: Mute(False)),
    Action("hold", "Let the caller hear music; the agent is away.", HoldCommand, lambda body: Hold(body.sound)),
    Action("resume", "Go on where hold stopped.", Command, lambda _: Unhold()),
    Action("send_dtmf", "Send keys as tones.", DtmfCommand, lambda body: SendDtmf(body.digits)),
    Action("play", "Play a sound, after what is being said.", PlayCommand, _sound, (PlayClip, PlayFile)),
    Action("send_text", "Take this as said by the caller.", TextCommand, lambda body: SendText(body.text.strip())),
    Action(
        "transfer", "Give the call to another number.", TransferCommand, lambda body: Transfer(body.to), by_phone=True
    ),
    Action("record_start", "Begin to record, behind the notice if there is one.", Command, lambda _: Record(True)),
    Action("record_stop", "Stop recording.", Command, lambda _: Record(False)),
)


class Actions:
    """Steers live calls.

    Args:
        limits: of bodies.
        board: the live calls.
        store: tells calls that are over from those that never were.
        commands: does each once.
        pool: reads sounds, 5-30 ms each.
        outbound: says whom a call may be given to; None where no carrier is configured.
    """

    def __init__(
        self,
        limits: Limits,
        board: Board,
        store: Store,
        commands: Commands,
        pool: Executor,
        outbound: Outbound | None = None,
    ) -> None:
        self._limits = limits
        self._board = board
        self._store = store
        self._commands = commands
        self._pool = pool
        self._outbound = outbound

    def routes(self) -> Iterator[Route]:
        """One for each action."""
        for action in ACTIONS:
            more: tuple[str, ...] = ("not_supported_on_transport",) if action.by_phone else ()
            more += ("bad_sound",) if action.body is PlayCommand else ()
            yield Route(
                "POST",
                f"/v1/calls/{{call_id}}/actions/{action.name}",
                self._handler(action),
                "actions",
                action.summary,
                (Answers(202, "The call was told; what comes of it is an event.", Accepted),),
                scope="call:control",
                body=action.choices or (action.body,),
                problems={
                    **PROBLEMS,
                    404: ("no_such_call",),
                    409: ("call_ended", *PROBLEMS[409]),
                    422: (*more, *PROBLEMS[422]),
                    **(NOT_TO_BE_CALLED if action.by_phone else {}),
                },
                detail="Only calls by phone; the number must be one that may be called." if action.by_phone else "",
            )

    def _handler(self, action: Action) -> Handler:
        async def act(request: web.Request) -> web.Response:
            sound = action.body is PlayCommand
            body = await read_json(
                request,
                action.body,
                self._limits,
                optional=action.body in (Command, HoldCommand),
                body_bytes=self._limits.play_bytes if sound else 0,
            )
            call_id = request.match_info["call_id"]
            done = await self._commands.once(
                request[PRINCIPAL],
                f"calls/{call_id}/actions",
                body.command_id,
                [action.name, body.model_dump(mode="json")],
                lambda _: self._act(action, call_id, body),
            )
            return respond(done)

        return act

    async def _act(self, action: Action, call_id: str, body: Any) -> Done:
        if call_id not in self._board.live_calls():
            await self._refuse_past(call_id)
        if isinstance(body, TransferCommand):
            await self._allow_transfer(call_id, body.to)
        message = await self._sound(body) if isinstance(body, PlayCommand) else action.message(body)
        if not await self._board.tell(call_id, message):
            await self._refuse_past(call_id)
        accepted = Accepted(command_id=body.command_id or f"cmd_{ulid()}", call_id=call_id, action=action.name)
        return Done(202, accepted.model_dump_json())

    async def _allow_transfer(self, call_id: str, to: str) -> None:
        call = await self._board.describe_call(call_id)
        if self._outbound is None or call is None or call["transport"] not in CARRIERS:
            raise RefusalError(
                422, "not_supported_on_transport", "Only a call by phone can be transferred: its carrier does it."
            )
        self._outbound.admit_transfer(to)

    async def _sound(self, body: PlayCommand) -> PlayAudio:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, _sound, body)
        except ValueError as error:
            raise RefusalError(422, "bad_sound", f"The sound can't be played: {error}.") from error

    async def _refuse_past(self, call_id: str) -> None:
        if await self._store.call(call_id) is None and not self._board.knows(call_id):
            raise no_such_call()
        raise RefusalError(409, "call_ended", "The call is over; nothing can be done to it any more.")
