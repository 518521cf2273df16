"""Secretary: understands messages and has the agent prepare answers. What an agent is asked is on record before."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

from openclaw_actors.engines.catalogue import Catalogue
from openclaw_actors.engines.protocols import AgentEngine, AgentRequest, StayQuiet, SttEngine
from openclaw_actors.errors import EngineError, RefusedEngineError, UnavailableEngineError, UnsentEngineError
from openclaw_actors.media.message_file import in_pieces
from openclaw_actors.messages import CallProfile, Line
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.sections import Settings
from openclaw_actors.store.records import VoicemailRecord
from openclaw_actors.telephony.voicemail.book import Book, event
from openclaw_actors.telephony.voicemail.states import STEP_TRIES, age_s, step_after_s
from openclaw_actors.turns.speech_text import SpeechText

_log = get_logger(__name__)

NOTE = (
    "The message below was left on your voicemail; nobody is on the line now. Write what you will say to the caller "
    "when they are called back: it is spoken to them first, or left on their machine, so it must stand by itself."
)
ANSWER_S = 300.0
"""An agent that runs tools may take minutes over a message: nobody waits on the line."""
AGENT_DOWN_S = 30.0
"""Until an agent that is down is looked at again; the catalogue probes it as often."""
_HEARING_S = 60.0
"""For a piece of 25 s, on a machine that is busy with calls."""
STAND_IN = "parrot"
"""The embedded agent repeats what it hears: no answer to a message where a real agent is configured."""


class Secretary:
    """One host's.

    Args:
        settings: all settings.
        catalogue: the engines.
        book: the messages.
        profiled: completes what is known of how an agent's calls are answered.
        now: seconds of the epoch.
    """

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        book: Book,
        profiled: Callable[[CallProfile], CallProfile],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._book = book
        self._profiled = profiled
        self._now = now
        self._one_at_a_time = asyncio.Semaphore(1)

    @property
    def agent_is_down(self) -> bool:
        """No agent serves, or only the parrot in the place of another."""
        try:
            engine = self._catalogue.serving("agent")
        except UnavailableEngineError:
            return True
        return engine.name == STAND_IN and set(self._settings.agent.engines) != {STAND_IN}

    # --- recorded → transcribed -------------------------------------------------------------------

    async def transcribe(self, message: VoicemailRecord) -> None:
        """Write down what was said. One message at a time: callers on the line need the recogniser more."""
        async with self._one_at_a_time:
            try:
                pcm = await self._book.pcm(message.id)
            except (ValueError, OSError) as error:
                _log.error("a message can't be read", voicemail_id=message.id, reason=str(error))
                await self._leave(message, "recorded", "sound_lost")
                return
            try:
                text, language = await self._hear(pcm, message.language)
            except EngineError as error:
                await self._again(message, "recorded", "not_understood", error)
                return
        if not text:
            await self._leave(message, "recorded", "not_understood")
            return
        told = event("voicemail.transcribed", voicemail_id=message.id, text=text, language=language)
        values = {"transcript": text, "language": language or message.language}
        await self._book.advance([message.id], ["recorded"], told, state="transcribed", tries=0, next_at=0.0, **values)

    async def _hear(self, pcm: bytes, language: str) -> tuple[str, str]:
        """The words and their language.

        Raises:
            EngineError: no recogniser understands it now.
        """
        engine: SttEngine | None = self._catalogue.serving("stt")
        failure: EngineError | None = None
        while engine is not None:
            try:
                words: list[str] = []
                for piece in in_pieces(pcm):
                    async with asyncio.timeout(_HEARING_S):
                        heard = await engine.transcribe(piece, language=language)
                    words.append(heard.text.strip())
                    language = language or heard.language
                return " ".join(filter(None, words)), language
            except TimeoutError:
                failure = EngineError(f"{engine.name} did not answer within {_HEARING_S:g} s")
            except EngineError as error:
                failure = error
            engine = self._catalogue.after("stt", engine.name)
        raise failure or EngineError("no recogniser serves")

    # --- transcribed → asking → due ---------------------------------------------------------------

    async def answer(self, message: VoicemailRecord, before: Sequence[VoicemailRecord]) -> None:
        """Have the agent answer it; ``before``: the caller's messages that are not called back yet."""
        if self._settings.numbers.pin.get_secret_value() and message.transport != "webrtc":
            # Without the PIN the agent hears nothing of a caller, and nobody is asked for it at the tone.
            await self._leave(message, "transcribed", "pin")
            return
        if age_s(message, self._now()) > self._settings.voicemail.give_up_h * 3600:
            await self._leave(message, "transcribed", "too_old")
            return
        if self.agent_is_down:
            await self._book.advance(
                [message.id], ["transcribed"], state="transcribed", next_at=self._now() + AGENT_DOWN_S
            )
            return
        engine = self._catalogue.serving("agent")
        reason = "repeatable" if engine.repeatable else "once"
        if not await self._book.advance([message.id], ["transcribed"], state="asking", reason=reason):
            return
        try:
            async with asyncio.timeout(ANSWER_S):
                text = await self._ask(engine, message, before)
        except (UnsentEngineError, RefusedEngineError, UnavailableEngineError) as error:
            await self._again(message, "asking", "no_answer", error, back_to="transcribed")
        except (EngineError, TimeoutError) as error:
            if engine.repeatable:
                await self._again(message, "asking", "no_answer", error, back_to="transcribed")
                return
            # It has the question and may be at work on it: asked again, it would do that twice.
            _log.warning("the agent's answer to a message is lost", voicemail_id=message.id, reason=repr(error))
            await self.answered(message, self._settings.voicemail.no_answer)
        else:
            if text is None:
                await self._leave(message, "asking", "no_reply")
            else:
                await self.answered(message, text or self._settings.voicemail.no_answer)

    async def resume(self, message: VoicemailRecord) -> None:
        """The host that asked the agent is gone, and its answer with it."""
        if message.reason == "repeatable":
            await self._book.advance([message.id], ["asking"], state="transcribed", reason="")
        else:
            await self.answered(message, self._settings.voicemail.no_answer)

    async def _ask(
        self, engine: AgentEngine, message: VoicemailRecord, before: Sequence[VoicemailRecord]
    ) -> str | None:
        """The answer, cleaned for the voice; None: the agent has nothing to say, and means it."""
        profile = self._profiled(CallProfile(agent=message.agent))
        history: list[Line] = []
        for each in before:
            history += [Line("user", each.transcript), Line("agent", each.answer)]
        request = AgentRequest(
            call_id=message.call_id,
            caller=message.callback_to,
            text=message.transcript,
            history=tuple(history),
            system_prompt=f"{profile.system_prompt or self._settings.agent.system_prompt}\n\n{NOTE}",
            call_seconds=0.0,
            agent=message.agent,
        )
        clean, words, is_quiet = SpeechText(), "", False
        reply: Any = engine.reply(request)
        async with contextlib.aclosing(reply):
            async for piece in reply:
                if isinstance(piece, str):
                    words += clean.push(piece)
                else:
                    is_quiet = is_quiet or isinstance(piece, StayQuiet)
        words = (words + clean.flush()).strip()
        return None if is_quiet and not words else words

    async def answered(self, message: VoicemailRecord, text: str) -> None:
        """There is an answer: somebody is to be called, or not."""
        settings, number = self._settings.voicemail, message.callback_to
        told = event("voicemail.answered", voicemail_id=message.id, text=text)
        if settings.call_back and number:
            due_at = self._now() + settings.call_back_after_s
            values: dict[str, Any] = {"state": "due", "reason": "", "next_at": due_at}
        else:
            values = {"state": "kept", "reason": "no_number" if settings.call_back else "call_back_off"}
        if await self._book.advance([message.id], ["asking"], told, answer=text, tries=0, **values) and (
            values["state"] == "kept"
        ):
            metrics.voicemails_total.labels(result="kept").inc()

    # --- what goes wrong --------------------------------------------------------------------------

    async def _again(
        self, message: VoicemailRecord, state: str, reason: str, error: BaseException, *, back_to: str = ""
    ) -> None:
        """The step has failed: once more later, or never."""
        tries = message.tries + 1
        if tries >= STEP_TRIES:
            await self._leave(message, state, reason)
            return
        pause_s = step_after_s(tries)
        _log.warning(
            "a message waits", voicemail_id=message.id, state=state, reason=repr(error), again_in_s=round(pause_s)
        )
        await self._book.advance(
            [message.id], [state], state=back_to or state, reason="", tries=tries, next_at=self._now() + pause_s
        )

    async def _leave(self, message: VoicemailRecord, state: str, reason: str) -> None:
        """Nobody is called back: the message is there to be heard."""
        told = event("callback.failed", voicemail_ids=[message.id], to=message.callback_to, reason=reason)
        if await self._book.advance([message.id], [state], told, state="kept", reason=reason):
            metrics.voicemails_total.labels(result="kept").inc()
