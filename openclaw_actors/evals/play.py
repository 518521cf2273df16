"""The caller: plays a script to a host over WebRTC and notes what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress

import aiohttp

from openclaw_actors.evals.record import CallRecord, SeenEvent, StepRecord
from openclaw_actors.evals.scripts import WORDS_A_SECOND, Script, Step, words_of
from openclaw_actors.testkit.caller import Caller, ReceivedEvent
from openclaw_actors.testkit.signalling import CallRefusedError
from openclaw_actors.testkit.speakers import Speech
from openclaw_actors.testkit.waiting import CallEndedError

ANSWER_S = 60.0
"""An answer that goes on longer is given up."""
_TOLD_S = 3.0
"""What is told of an answer comes at most so long after its sound: records are told of when they are committed."""
_SPEAKING_S = 0.3
"""Who has been silent for so long does not speak at this moment."""


async def play(script: Script, speeches: Mapping[int, Speech], caller: Caller) -> CallRecord:
    """Call, do what the script says, hang up.

    Args:
        script: what to do.
        speeches: what is said, by the step's place in the script.
        caller: who has not called yet.
    """
    record = CallRecord([StepRecord() for _ in script.steps])
    player = _Player(script, speeches, caller, record)
    caller.on_event = player.saw
    try:
        async with asyncio.timeout(script.timeout_s):
            await player.play()
    except TimeoutError:
        record.fault = record.fault or f"it took longer than timeout_s = {script.timeout_s:g}"
    except CallEndedError:
        record.fault = record.fault or "the call ended before the script did"
    except CallRefusedError as error:
        record.fault = f"the host took no call: {error}"
    except (aiohttp.ClientError, OSError) as error:
        record.fault = f"the host can't be reached: {str(error) or type(error).__name__}"
    finally:
        caller.on_event = None  # the end that follows is ours, and no part of the script
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            await caller.hang_up()
    record.call_id, record.setup_s = caller.call_id, caller.setup_s
    record.sounds = [(frame.arrived_at, frame.pcm) for frame in caller.heard.frames]
    return record


class _Player:
    def __init__(self, script: Script, speeches: Mapping[int, Speech], caller: Caller, record: CallRecord) -> None:
        self._script = script
        self._speeches = speeches
        self._caller = caller
        self._record = record
        self._quiet_s = script.listen.quiet_s

    def saw(self, event: ReceivedEvent) -> None:
        """An event has come."""
        self._record.events.append(SeenEvent(event.arrived_at, event.type, event.data))
        if event.type == "call.ended":
            self._record.ended = str(event.data.get("reason", ""))

    async def play(self) -> None:
        """All of it."""
        await self._caller.dial()
        if self._script.steps[0].action != "listen":
            await self._greeting()
        for number, (step, record) in enumerate(zip(self._script.steps, self._record.steps, strict=True)):
            follows = self._script.steps[number + 1] if number + 1 < len(self._script.steps) else None
            try:
                await self._step(
                    number, step, record, interrupted=follows is not None and follows.action == "interrupt"
                )
            except CallEndedError:
                if follows is not None or not (step.expect.ended or self._script.expect.ended):
                    raise
        await self._settle()

    async def _greeting(self) -> None:
        with suppress(TimeoutError):
            if self._script.listen.greeting_s:
                await self._caller.wait_voice(self._script.listen.greeting_s)
                await self._caller.wait_silence(ANSWER_S, quiet_s=self._quiet_s)

    async def _step(self, number: int, step: Step, record: StepRecord, *, interrupted: bool) -> None:
        if step.action in {"say", "wav", "text", "dtmf"}:
            with suppress(TimeoutError):
                await self._caller.wait_silence(ANSWER_S, quiet_s=self._quiet_s)
        match step.action:
            case "say" | "wav":
                await self._say(self._speeches[number], record)
            case "interrupt":
                await self._interrupt(step, self._speeches[number], record, self._record.steps[number - 1])
            case "text":
                record.began_at = record.spoken_at = time.monotonic()
                self._caller.send("text", text=step.text)
            case "dtmf":
                record.began_at = record.spoken_at = time.monotonic()
                self._caller.send("dtmf", digits=step.dtmf)
            case "silence":
                record.began_at = time.monotonic()
                await self._wait(step.silence or 0)
            case "listen":
                record.began_at = time.monotonic()
            case "hang_up":
                record.began_at = time.monotonic()
                self._caller.send("hangup")
                await self._end(record)
        await self._answer(step, record, interrupted=interrupted)
        if step.expect.ended and step.action != "hang_up":
            await self._end(record)

    async def _say(self, speech: Speech, record: StepRecord) -> None:
        record.began_at = time.monotonic()
        utterance = await self._caller.say(speech)
        record.began_at, record.spoken_at = utterance.began_at, utterance.ended_at

    async def _interrupt(self, step: Step, speech: Speech, record: StepRecord, before: StepRecord) -> None:
        if before.voice_at is None:
            record.fault = "there was no answer to interrupt"
            return await self._say(speech, record)
        await self._until_its_moment(step, before.voice_at)
        if not self._is_speaking():
            record.fault = "the answer was over before it could be interrupted; ask for a longer one, or come in sooner"
            return await self._say(speech, record)
        record.began_at = time.monotonic()
        try:
            interruption = await self._caller.talk_over(speech)
        except TimeoutError:
            record.fault = "the agent did not fall silent within 10 s"
            return None
        utterance = interruption.utterance
        record.began_at, record.spoken_at = utterance.began_at, utterance.ended_at
        record.silent_at = max(interruption.silent_at, utterance.began_at)
        return None

    async def _until_its_moment(self, step: Step, voice_at: float) -> None:
        """Wait for the words as transcripts tell them, but no longer than a voice takes to speak them."""
        words = step.after_words or 0
        seconds = words / WORDS_A_SECOND if words else (step.after_ms if step.after_ms is not None else 1000) / 1000
        due = voice_at + seconds
        while (left := due - time.monotonic()) > 0:
            if words and self._words_since(voice_at) >= words:
                return
            await self._wait(min(left, 0.1))

    def _words_since(self, at: float) -> int:
        told = (e for e in self._record.events if e.type == "call.transcript" and e.at > at)
        return sum(len(words_of(str(e.data.get("text", "")))) for e in told if e.data.get("role") == "agent")

    async def _answer(self, step: Step, record: StepRecord, *, interrupted: bool) -> None:
        if step.expect.quiet_s:
            await self._wait(step.expect.quiet_s)
            record.voice_at = self._caller.heard.onset_after(record.spoken_at or record.began_at or 0)
            return
        if not step.wants_answer:
            return
        first = step is self._script.steps[0] and step.action == "listen"  # a greeting may be there already
        after = 0.0 if first else record.spoken_at if record.spoken_at is not None else record.began_at or 0.0
        within = step.listen or self._script.listen.reply_s
        try:
            speaking = step.action == "listen" and self._is_speaking()
            record.voice_at = time.monotonic() if speaking else await self._caller.wait_voice(within, after=after)
            if not interrupted:
                await self._caller.wait_silence(ANSWER_S, quiet_s=self._quiet_s)
        except TimeoutError:
            if record.voice_at is not None:
                record.fault = f"the answer went on for more than {ANSWER_S:g} s"

    async def _end(self, record: StepRecord) -> None:
        with suppress(TimeoutError, CallEndedError):
            await self._caller.wait_event(
                "call.ended", timeout_s=self._script.listen.reply_s, after=record.began_at or 0
            )

    async def _settle(self) -> None:
        """Wait for what is still to be told of the last answer, as long as the call is up."""
        expects = [step.expect for step in self._script.steps] + [self._script.expect]
        if self._script.expect.ended and self._script.steps[-1].action != "hang_up":
            await self._end(self._record.steps[-1])
        wanted = {event if isinstance(event, str) else event.type for e in expects for event in e.events}
        for kind in sorted(wanted - {"call.ended"}):
            with suppress(TimeoutError, CallEndedError):
                await self._caller.wait_event(kind, timeout_s=_TOLD_S)

    def _is_speaking(self) -> bool:
        return self._caller.heard.quiet_s(time.monotonic()) < _SPEAKING_S

    async def _wait(self, seconds: float) -> None:
        """Be silent; a call that ends meanwhile ends the wait.

        Raises:
            CallEndedError: it did.
        """
        with suppress(TimeoutError):
            await self._caller.wait_over(seconds)
            raise CallEndedError("the call ended")
