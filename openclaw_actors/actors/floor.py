"""Floor: carries out what the dialogue decides, with the call's ports, playout and memory.

The rules are pure (turns/dialogue.py); this is their hand in the world, and it belongs to the Call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any

from openclaw_actors.actors import pin as pin_door
from openclaw_actors.actors import sounds
from openclaw_actors.actors.errands import Errands
from openclaw_actors.actors.events import EventLog
from openclaw_actors.actors.latency import TurnClock
from openclaw_actors.actors.memory import OpenUtterance
from openclaw_actors.actors.own_voice import NO_ANSWER, SAY_AGAIN, OwnVoice
from openclaw_actors.actors.pin import PinDoor
from openclaw_actors.actors.stage import CallContext
from openclaw_actors.actors.turn_traces import TurnTraces
from openclaw_actors.messages import (
    Announce,
    Ask,
    Completeness,
    Credit,
    CutOff,
    Errand,
    HangUp,
    Heard,
    Interrupt,
    LikelyEnd,
    Line,
    Notice,
    Noticed,
    Opened,
    Overdue,
    PlayAudio,
    Resumed,
    ResumePlayout,
    SendDtmf,
    SpeechStarted,
    SpeechSustained,
    Spoken,
    TurnEnded,
)
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.turns import decisions
from openclaw_actors.turns.completeness import completeness
from openclaw_actors.turns.dialogue import Dialogue
from openclaw_actors.turns.standing import Rules, Turn

_log = get_logger(__name__)

GOES_ON_S = 0.8
"""Who speaks sooner after our voice has begun goes on with their own sentence. To object to an answer takes longer:
its first words (0.5 s), and 0.2-0.3 s to react. After a pause of 1 s the caller has heard us for 0.65 s."""

OVERDUE_S = 1.0
"""So long after a short utterance over our voice whose words do not come we speak on. A final takes 0.05-0.7 s."""


class Floor:
    """Who speaks in one call."""

    def __init__(
        self,
        context: CallContext,
        events: EventLog,
        history: tuple[Line, ...],
        later: Callable[[float, Any], None],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._later = later
        self._errands = Errands(lambda message: later(0, message))
        self._context = context
        self._events = events
        self._spawn = spawn
        self._sounds: dict[int, PlayAudio | SendDtmf] = {}
        self._memory = context.memory
        self._playout = context.playout
        pin = context.settings.numbers.pin.get_secret_value()
        self._door = PinDoor(pin) if pin and context.profile.asks_pin else None
        self._own_voice = OwnVoice(context)
        self._onset_at = 0.0
        self._begun = -1
        self._voice_began = (0, 0.0)
        self._unfinished = 0
        """The turn of which some words have been told, and not yet that it has ended or was cut; 0: none."""
        self._last_words: Errand | None = None
        self.clock = TurnClock()
        self._traces = TurnTraces(context)
        self.active_at = time.monotonic()
        """When somebody last spoke, or was found to."""
        self.understood = 0
        """Lines of the caller's so far."""
        self._dialogue = Dialogue(self._rules(), self, NO_ANSWER, history)

    @property
    def history(self) -> tuple[Line, ...]:
        """The conversation so far."""
        return self._dialogue.history.lines

    def refresh_rules(self) -> None:
        """Another agent may allow more, or less."""
        self._dialogue.rules = self._rules()

    def _rules(self) -> Rules:
        turns, agent = self._context.settings.turns, self._context.engines.agent
        return Rules(
            barge_in=turns.barge_in,
            resume_false_interruption=turns.resume_false_interruption,
            preemptive=turns.preemptive,
            speculative=agent.speculative and not self.is_closed,
            repeatable=agent.repeatable or self.is_closed,
        )

    # --- the caller -------------------------------------------------------------------------------

    def turn_event(self, event: Any) -> None:
        """What the Turns found."""
        rules = self._dialogue
        match event:
            case SpeechStarted(utterance, at):
                self._onset_at = at
                self._begun = utterance
                self.active_at = time.monotonic()
                self._memory.unheard.setdefault(utterance, OpenUtterance(utterance))
                self._keep_ring()
                self._events.publish("call.speech.started", utterance=utterance)
                self._carry_out(rules.speech_started(utterance))
            case SpeechSustained(utterance):
                self._carry_out(rules.sustained(utterance))
            case LikelyEnd(utterance, rev, end):
                self._owe(utterance, rev, end)
                self.clock.likely_end(utterance)
                self._carry_out(rules.likely_end(utterance, rev))
            case Resumed(utterance, rev):
                self._owe(utterance, rev, None)
                self._carry_out(rules.resumed(utterance, rev))
            case TurnEnded(utterance, rev, end, voiced_at, wanted_ms):
                self._owe(utterance, rev, end)
                self.clock.ended(utterance, voiced_at, wanted_ms / 1000)
                self._carry_out(rules.turn_ended(utterance, rev))
                if utterance in self._memory.unheard:
                    self._later(max(0.0, voiced_at + OVERDUE_S - time.monotonic()), Overdue(utterance))

    def heard(self, heard: Heard) -> None:
        """What the Stt recognised."""
        self.active_at = time.monotonic()
        if heard.final:
            self.clock.heard(heard.utterance)
            score = completeness(heard.text, self._context.language)
            self._context.ports["turns"].tell(Completeness(heard.utterance, heard.rev, score))
        elif heard.text and not self.is_closed:
            self._events.publish(
                "call.transcript",
                role="user",
                text=heard.text,
                final=False,
                agreed=heard.agreed,
                utterance=heard.utterance,
            )
        self._carry_out(self._dialogue.heard(heard.utterance, heard.rev, heard.text, final=heard.final))

    def typed(self, text: str) -> None:
        """The caller wrote it."""
        self._carry_out(self._dialogue.typed(text))

    def pressed(self, digits: str) -> None:
        """The caller has pressed these keys: a line of theirs, marked as what it is."""
        self.active_at = time.monotonic()
        self.typed(f"[keys pressed] {' '.join(digits)}")

    @property
    def is_closed(self) -> bool:
        """The caller has still to give a PIN: nothing of theirs reaches the agent, or any record."""
        return self._door is not None

    def _at_the_door(self, door: PinDoor, turn: int, text: str) -> None:
        """Answer in the agent's place."""
        verdict = door.judge(text)
        if verdict != "more":
            self._dialogue.forget()
        if verdict in {"right", "wrong", "refused"}:
            self._events.publish("call.pin", accepted=verdict == "right", tries_left=door.tries_left)
        match verdict:
            case "right":
                self._door = None
                self.refresh_rules()
                self._own_voice.say(turn, self._context.greeting or pin_door.WELCOME)
                self._tell_opened(turn)
            case "wrong":
                self._own_voice.say(turn, pin_door.WRONG)
            case "refused":
                self._own_voice.say(turn, "")
                self._later(0, Announce(pin_door.REFUSED, "pin_refused"))
            case "more":
                self._own_voice.say(turn, "")
            case "nothing":
                self._own_voice.say(turn, pin_door.ASK)

    def _owe(self, utterance: int, rev: int, end: int | None) -> None:
        owed = self._memory.unheard.get(utterance)
        if owed is not None:
            owed.rev, owed.end = rev, end

    def _keep_ring(self) -> None:
        self._memory.ring.keep_from = min(self._memory.unheard, default=None)

    # --- our voice --------------------------------------------------------------------------------

    def speak(self, text: str) -> None:
        """A line of our own."""
        self._carry_out(self._dialogue.speak(text))

    def play(self, sound: PlayAudio | SendDtmf) -> None:
        """A sound of our own, or keys."""
        self._carry_out(self._dialogue.play(sound))

    def greet(self, text: str, *, noticed: bool = False) -> None:
        """Speak first, unless the caller already has; an empty ``text`` is nothing, but for the door.

        ``noticed``: as of Dialogue.greet.
        """
        text = pin_door.ASK if self.is_closed else text
        if not text:
            return
        decided = self._dialogue.greet(text, noticed=noticed)
        self._carry_out(decided)
        for decision in decided:
            if isinstance(decision, decisions.Speak):
                self._tell_opened(decision.turn)

    def _tell_opened(self, turn: int) -> None:
        """The turn begins a call that answers a message: somebody wants to know when it has been spoken."""
        if self._context.profile.history:
            self._errands.want(Errand(turn, Opened()))

    def overdue(self, utterance: int) -> None:
        """The words of this utterance have been awaited for a while."""
        self._carry_out(self._dialogue.overdue(utterance))

    def notify(self, text: str) -> None:
        """Speak what the caller must hear to its end; the Call is told with Noticed when it is over."""
        self._carry_out(self._dialogue.notify(Notice(text)))

    @property
    def is_sending_keys(self) -> bool:
        """Whether tones of keys are in our voice, or about to be."""
        return isinstance(self._sounds.get(self._playout.released), SendDtmf)

    def silence(self) -> None:
        """Stop speaking."""
        self._carry_out(self._dialogue.silence())

    def hold(self, loop: tuple[bytes, ...]) -> None:
        """The caller hears ``loop`` and nobody hears them; the conversation stands still as soon as it can."""
        self._memory.held = True
        self._playout.hold(loop)
        self.clock.forget()

    def unhold(self) -> None:
        """Go on; a phrase that was broken off goes on where it was."""
        self._memory.held = False
        self.active_at = time.monotonic()
        self.clock.forget()
        turn = self._playout.unhold()
        if turn:
            self._end_pause(turn)

    def announce(self, text: str, reason: str) -> None:
        """Say this to one who is not listened to any more, and then end the call."""
        if self._memory.held:
            self.unhold()
        self._memory.muted = True
        self._carry_out(self._dialogue.announce(text))
        turn = self._dialogue.turn
        if turn is not None:
            self._last_words = Errand(turn.number, HangUp(reason))
            self._errands.want(self._last_words)

    def say_goodbye(self, text: str, reason: str) -> None:
        """Speak a last line; the call ends when it has been spoken, unless the caller speaks into it."""
        decided = self._dialogue.speak(text)
        self._carry_out(decided)
        for decision in decided:
            if isinstance(decision, decisions.Speak):
                self._errands.want(Errand(decision.turn, HangUp(reason)))

    @property
    def is_idle(self) -> bool:
        """Nobody speaks, and nothing is on its way to being said or understood."""
        return self._dialogue.is_idle

    def errand(self, errand: Errand) -> None:
        """The agent wants something done to the call."""
        if not self._memory.fence.stale(errand.turn):
            self._errands.want(errand)

    def is_asking(self, turn: int) -> bool:
        """Whether the turn's words end in a question (dialogue.Voice)."""
        delivery = self._memory.delivery
        return delivery.complete and delivery.words(turn).rstrip().endswith(("?", "\uff1f"))

    def barely_heard(self, turn: int) -> bool:
        """Whether the caller began to speak when the turn's voice had just begun (dialogue.Voice)."""
        begun, at = self._voice_began
        return begun == turn and self._onset_at - at < GOES_ON_S

    def cut(self, fence: int) -> list[Spoken]:
        """Silence what is below ``fence``, now; what was spoken of it (dialogue.Voice)."""
        self._memory.fence.turn = max(self._memory.fence.turn, fence)
        self._playout.cut(fence)
        spoken = self._take_playout()
        for part in spoken:
            self._publish(part)
        if self._unfinished == fence - 1 > 0:  # between two phrases
            nothing_more = Spoken(self._unfinished, 0, "", ends_turn=True, cut=True)
            self._publish(nothing_more)
        return spoken

    def playout_moved(self) -> None:
        """The playout has played on."""
        for spoken in self._take_playout():
            self.active_at = time.monotonic()
            self._publish(spoken)
            self._context.ports["tts"].tell(Credit(spoken.turn, spoken.index))
            ended = spoken.ends_turn and not spoken.cut
            self._carry_out(self._dialogue.spoken(spoken.turn, spoken.text, ends_turn=spoken.ends_turn, cut=spoken.cut))
            if ended:
                self._errands.spoken(spoken.turn)

    def _take_playout(self) -> list[Spoken]:
        spoken: list[Spoken] = []
        for move in self._playout.take():
            if isinstance(move, Spoken):
                spoken.append(move)
                continue
            self._dialogue.voice_started(move.turn)
            self._voice_began = (move.turn, move.at)
            times = self.clock.voice(move.turn, move.at)
            if times is not None:
                self._events.publish("call.turn.completed", turn=move.turn, latency=times.latency, marks=times.marks)
                self._traces.heard(move.turn, times)
        return spoken

    def _publish(self, spoken: Spoken) -> None:
        if spoken.turn in self._sounds and spoken.ends_turn:
            self._sound_over(spoken.turn, cut=spoken.cut)
        goes_on = spoken.turn == self._unfinished
        if spoken.text or (spoken.cut and goes_on):
            self._events.publish(
                "call.transcript", role="agent", text=spoken.text, final=True, turn=spoken.turn, cut=spoken.cut
            )
        if spoken.text or goes_on:
            self._unfinished = 0 if spoken.ends_turn else spoken.turn

    def _sound_over(self, turn: int, *, cut: bool) -> None:
        match self._sounds.pop(turn):
            case SendDtmf(digits):
                self._events.publish("call.dtmf", digits=digits, direction="out", cut=cut)
            case PlayAudio(name):
                self._events.publish("call.played", name=name, cut=cut)

    # --- lost stages (actors/rescue.py) ------------------------------------------------------------

    @property
    def turn(self) -> Turn | None:
        """What we say, or are about to."""
        return self._dialogue.turn

    def reply_failed(self, turn: int, *, repeat: bool, offered: str, fresh: bool) -> None:
        """As Dialogue.reply_failed."""
        self._carry_out(self._dialogue.reply_failed(turn, repeat=repeat, offered=offered, fresh=fresh))

    def ask_again(self, utterance: int) -> None:
        """No engine could hear the utterance: the caller is asked to say it again."""
        metrics.escalations_total.labels(step="repeat_please").inc()
        self._carry_out(self._dialogue.unheard(utterance, SAY_AGAIN))

    # --- decisions --------------------------------------------------------------------------------

    def _carry_out(self, decided: list[decisions.Decision]) -> None:
        for decision in decided:
            self._decide(decision)

    def _decide(self, decision: decisions.Decision) -> None:
        match decision:
            case decisions.AskAgent():
                self._ask(decision)
            case decisions.Speak() | decisions.Excuse() | decisions.Notify():
                self._speak(decision)
            case decisions.Play(turn, sound):
                self._sounds[turn] = sound
                self._spawn(sounds.play(self._context, turn, sound))
            case decisions.Overfull():
                self._events.refuse("too_many_lines", "Too many lines wait to be spoken: send it again later.")
            case decisions.Release(turn):
                self._playout.release(turn)
                self._errands.released(turn)
            case decisions.PauseVoice(turn):
                self._pause(turn)
            case decisions.ResumeVoice(turn):
                self._resume(turn)
            case decisions.Cut(fence, barge_in, premature):
                self._tell_cut(fence, barge_in=barge_in, premature=premature)
            case decisions.Said(text, utterance):
                self._said(text, utterance)
            case decisions.Closed(utterance):
                self._close(utterance)
            case decisions.Speculated(result):
                metrics.speculations_total.labels(result=result).inc()

    def _ask(self, ask: decisions.AskAgent) -> None:
        if self._door is not None:
            self._at_the_door(self._door, ask.turn, ask.text)
            return
        self.clock.asked(ask.turn)
        traceparent = self._traces.asked(ask.turn)
        self._context.ports["agent"].tell(Ask(ask.turn, ask.text, ask.history, ask.unfinished, traceparent))

    def _said(self, text: str, utterance: int) -> None:
        self.understood += 1
        if self.is_closed:
            return  # it may be the PIN
        self.clock.answering(utterance)
        self._events.publish("call.transcript", role="user", text=text, final=True, utterance=utterance)
        if self._context.settings.logs.transcripts:
            _log.info("the caller said", text=text)

    def _speak(self, line: decisions.Speak | decisions.Excuse | decisions.Notify) -> None:
        if isinstance(line, decisions.Notify):
            self._errands.want(Errand(line.turn, Noticed(line.turn)))
        self._own_voice.say(line.turn, line.text)

    def _pause(self, turn: int) -> None:
        if self._playout.speaking(turn) and not self._playout.paused:
            metrics.barge_in_silence_seconds.observe(max(0.0, time.monotonic() - self._onset_at))
        self._memory.resume_owed = None
        self._playout.pause()

    def _resume(self, turn: int) -> None:
        if self._playout.speaking(turn):
            self._tell_barge_in(turn, "resumed")
        self._end_pause(turn)

    def _end_pause(self, turn: int) -> None:
        owed = self._memory.resume_owed = ResumePlayout(turn, self._playout.pause_number)
        self._context.ports["transport"].tell(owed)

    def _tell_cut(self, fence: int, *, barge_in: bool, premature: bool) -> None:
        for port in self._context.ports.values():
            port.tell(Interrupt(fence))
        if premature:
            metrics.false_cut_offs_total.inc()
            self._context.ports["turns"].tell(CutOff(self._begun))
        for turn in [turn for turn in self._sounds if turn < fence]:
            self._sound_over(turn, cut=True)
        self._errands.cut(fence)
        if self._last_words is not None and self._last_words.turn < fence:
            self._later(0, self._last_words.what)  # they were broken off, and nothing comes after them
        if barge_in:
            self._tell_barge_in(fence - 1, "interrupted")

    def _tell_barge_in(self, turn: int, outcome: str) -> None:
        metrics.barge_ins_total.labels(outcome=outcome).inc()
        self._events.publish("call.barge_in", turn=turn, outcome=outcome)

    def _close(self, utterance: int) -> None:
        owed = self._memory.unheard.pop(utterance, None)
        if owed is not None and owed.end is not None:
            self._memory.heard_to = max(self._memory.heard_to, owed.end)
        self._keep_ring()
