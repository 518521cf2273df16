"""``serve`` that kills itself (SIGKILL) at a step of the voicemail, as VOICEMAIL_KILL names it."""

from __future__ import annotations

import os
import signal
from typing import Any

from openclaw_actors.cli.main import main
from openclaw_actors.store.voicemails import Voicemails
from openclaw_actors.telephony.twilio.rest import TwilioAccount
from openclaw_actors.telephony.voicemail import book

STEP = os.environ.get("VOICEMAIL_KILL", "")
AFTER = ("recorded", "transcribed", "asking", "due", "dialling")
"""Killed as soon as that state is committed, before anything else is done."""


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at(step: str) -> None:
    advance, place, append = Voicemails.advance, TwilioAccount.place, book._append
    pieces: list[int] = []

    async def advanced(self: Voicemails, ids: Any, states: Any, events: Any = (), **values: Any) -> bool:
        if step == "spoken" and values.get("state") == "done":
            die()  # the answer was heard, and that is not on record yet
        done = await advance(self, ids, states, events, **values)
        state = values.get("state", "promised" if values.get("callback_call_id") else "")
        if done and state == step:
            die()
        return done

    async def placed(self: TwilioAccount, **asked: Any) -> str:
        call_sid = await place(self, **asked)
        if step == "placed":
            die()
        return call_sid

    def appended(path: Any, piece: bytes) -> None:
        append(path, piece)
        pieces.append(len(piece))
        if step == "recording" and len(pieces) == 4:
            die()

    Voicemails.advance, TwilioAccount.place, book._append = advanced, placed, appended  # type: ignore[method-assign]


if __name__ == "__main__":
    kill_at(STEP)
    main()
