"""Stt: hears. It reads the Call's ring, so nothing that the caller says is lost with an incarnation."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any, ClassVar

from openclaw_actors.actors.stage import StageActor
from openclaw_actors.actors.stt_streaming import Listening
from openclaw_actors.engines.protocols import StreamingSttEngine
from openclaw_actors.engines.stt.agreement import Agreement
from openclaw_actors.errors import SlowEngineError, TransientEngineError
from openclaw_actors.messages import (
    SAMPLE_RATE,
    Heard,
    Interrupt,
    LikelyEnd,
    Resumed,
    SpeechStarted,
    Stage,
    TurnEnded,
    Useful,
)

PRE_ROLL = round(0.3 * SAMPLE_RATE)
"""Samples before the onset: a VAD finds /s/ and /f/ up to 140 ms late, measured on espeak-ng's "stop"."""

TAIL = round(0.2 * SAMPLE_RATE)
"""Samples after the last voiced one, as far as they have come: a word's last consonant is often unvoiced."""


@dataclass(slots=True)
class _Job:
    rev: int
    task: asyncio.Task[None]


class Stt(StageActor):
    """Transcribes utterances: partials while the caller speaks where the engine offers them, a final at each end."""

    stage: ClassVar[Stage] = "stt"

    def take_up(self) -> None:
        """What memory holds unheard is transcribed now, or watched until it ends."""
        self._finals: dict[int, _Job] = {}
        self._partials: _Job | None = None
        self._agreements: dict[int, Agreement] = {}
        self._listening = self._listen()
        for owed in self.context.memory.unheard.values():
            if owed.end is None:
                self._watch(owed.utterance, owed.rev)
            else:
                self._transcribe(owed.utterance, owed.rev, owed.end)

    def receive(self, message: Any) -> None:
        """What the Turns found. Said twice, after a restart, it is done once."""
        match message:
            case SpeechStarted():
                self._forget_heard()
                if message.utterance not in self._finals:
                    self._watch(message.utterance, 0)
            case LikelyEnd() | TurnEnded():
                self._transcribe(message.utterance, message.rev, message.end)
            case Resumed():
                self._cancel(message.utterance, message.rev)
                self._watch(message.utterance, message.rev)
            case Interrupt():
                pass  # what the caller says is never stale
            case _:
                super().receive(message)

    # --- finals -----------------------------------------------------------------------------------

    def _transcribe(self, utterance: int, rev: int, end: int) -> None:
        self._stop_partials()
        job = self._finals.get(utterance)
        if job is not None and job.rev >= rev:
            return
        if job is not None:
            job.task.cancel()
        self._finals[utterance] = _Job(rev, self.spawn(self._final(utterance, rev, end)))

    async def _final(self, utterance: int, rev: int, end: int) -> None:
        pcm = self._audio(utterance, end + TAIL)
        seconds = len(pcm) / 2 / SAMPLE_RATE
        deadline = self.context.settings.supervision.stt_final_s + seconds / 2
        agreement = self._agreement(utterance)
        asked_at = time.monotonic()
        try:
            async with asyncio.timeout(deadline):
                if self._listening is not None:
                    text = await self._listening.finish(utterance, end + TAIL)
                else:
                    text = await self._recognise(pcm)
        except TimeoutError as error:
            engine = self.context.engines.stt.name
            raise SlowEngineError(f"{engine} gave no transcript of {seconds:.1f} s within {deadline:.1f} s") from error
        self.meter.latency.observe(time.monotonic() - asked_at)
        agreement.hear(text)
        self.report(Heard(utterance, rev, text, final=True, upto=end))
        self.report(Useful())

    async def _recognise(self, pcm: bytes) -> str:
        if not pcm:
            return ""
        try:
            return await self._ask(pcm, final=True)
        except TransientEngineError as error:
            self.retrying(error)
            return await self._ask(pcm, final=True)

    async def _ask(self, pcm: bytes, *, final: bool) -> str:
        memory, language = self.context.memory, self.context.language
        self.meter.audio.inc(len(pcm) / 2 / SAMPLE_RATE)
        transcript = await self.context.engines.stt.transcribe(pcm, language=language, final=final)
        memory.language = memory.language or transcript.language
        return transcript.text.strip()

    def _cancel(self, utterance: int, rev: int) -> None:
        job = self._finals.get(utterance)
        if job is not None and job.rev < rev:
            job.task.cancel()

    def _forget_heard(self) -> None:
        unheard = self.context.memory.unheard
        for utterance in [known for known in self._finals if known not in unheard]:
            del self._finals[utterance]
        for utterance in [known for known in self._agreements if known not in unheard]:
            del self._agreements[utterance]
        if self._listening is not None:
            self._listening.forget_all_but(set(unheard))

    # --- partials ---------------------------------------------------------------------------------

    def _watch(self, utterance: int, rev: int) -> None:
        self._stop_partials()
        if self._listening is not None:
            self._partials = _Job(rev, self.spawn(self._listening.follow(utterance)))
        elif self.context.engines.stt.partial_every_s > 0:
            self._partials = _Job(rev, self.spawn(self._follow(utterance, rev)))

    def _stop_partials(self) -> None:
        if self._partials is not None:
            self._partials.task.cancel()
            self._partials = None

    async def _follow(self, utterance: int, rev: int) -> None:
        engine, ring = self.context.engines.stt, self.context.memory.ring
        agreement, said = self._agreement(utterance), ""
        while engine.partial_every_s > 0:
            await asyncio.sleep(engine.partial_every_s)
            upto = ring.end
            try:
                agreement.hear(await self._ask(self._audio(utterance, upto), final=False))
            except TransientEngineError as error:
                self.meter.failed(error.kind)
                continue  # a partial is a courtesy; the final has its own retry
            if agreement.text != said:
                said = agreement.text
                self.report(Heard(utterance, rev, said, final=False, upto=upto, agreed=agreement.agreed))

    def _agreement(self, utterance: int) -> Agreement:
        return self._agreements.setdefault(utterance, Agreement())

    def _audio(self, utterance: int, end: int) -> bytes:
        return self.context.memory.ring.read(self._start_of(utterance), end)

    def _start_of(self, utterance: int) -> int:
        return max(utterance - PRE_ROLL, self.context.memory.heard_to)

    # --- a recogniser that hears while the caller speaks --------------------------------------------

    def _listen(self) -> Listening | None:
        """Its session opens as the call is being set up, and closes with this incarnation."""
        engine, memory = self.context.engines.stt, self.context.memory
        if not isinstance(engine, StreamingSttEngine):
            return None

        def tell(utterance: int, words: str, upto: int) -> None:
            owed = memory.unheard.get(utterance)
            if owed is not None and words:
                self.report(Heard(utterance, owed.rev, words, final=False, upto=upto))

        language = self.context.profile.language or memory.language
        listening = Listening(engine, language, memory, self._start_of, tell)
        self.spawn(listening.hold())
        return listening
