"""Who has the floor: the turn rules as a pure state machine, without clock, actors or sound.

The Call feeds it what was heard and what was spoken, and carries out the decisions that it returns. It hands out
the turn numbers; at any time at most one turn is alive, and starting one makes every earlier one stale.

- Onset over our voice pauses it. Words that are no backchannel, or sustained voice, interrupt it; quiet before
  that resumes it where it stopped.
- A likely end asks the agent early, unreleased, at most three times an utterance, unless its words clearly want more.
  When the turn has really ended and the words are still what was asked, the reply is released; else it is asked anew.
- Who speaks again as our reply begins had not finished: both parts are one question, and the beginning of the reply is
  forgotten.
- Keys (DTMF) are sent whole: what is said meanwhile is answered after them. So are notices, and a call's last words.
- What the caller said and nobody answered is part of the next question, so no interleaving leaves it unanswered.
"""

from __future__ import annotations

from openclaw_actors.messages import Line, Notice, PlayAudio, SendDtmf
from openclaw_actors.turns.barge_in import has_words, is_backchannel, normalise
from openclaw_actors.turns.completeness import UNFINISHED, completeness
from openclaw_actors.turns.decisions import (
    AskAgent,
    Closed,
    Cut,
    Decision,
    Excuse,
    Notify,
    Overfull,
    PauseVoice,
    Play,
    Release,
    ResumeVoice,
    Said,
    Speak,
    Speculated,
)
from openclaw_actors.turns.history import History
from openclaw_actors.turns.standing import Rules, Turn, TurnKind, Utterance, Voice

MAX_SPECULATIONS = 3
"""Early questions an utterance; a caller who pauses at every word must not cost a request a pause."""

MAX_WAITING_LINES = 16
"""Lines of our own that wait for their turn; a client that sends more is told so."""

MAX_ATTEMPTS = 2
"""Times the same question is asked again after a failure."""

_SAID_WHOLE = frozenset({"keys", "notice", "last"})


class Dialogue:
    """The floor of one call. ``apology``: what is said where an answer can't be had."""

    def __init__(self, rules: Rules, voice: Voice, apology: str, history: tuple[Line, ...] = ()) -> None:
        self.rules = rules
        self._apology = apology
        self._voice = voice
        self._before = history
        self.history = History(history)
        self.turn: Turn | None = None
        self._last_turn = 0
        self._open: list[Utterance] = []
        self._closed_to = -1
        self._waiting_lines: list[str | Notice | PlayAudio | SendDtmf] = []

    # --- what the caller does ---------------------------------------------------------------------

    def speech_started(self, utterance: int) -> list[Decision]:
        """Onset."""
        if utterance < self._closed_to or any(known.began == utterance for known in self._open):
            return []
        self._open.append(Utterance(utterance))
        turn = self.turn
        if turn is None or not self._may_take(turn) or turn.paused:
            return []
        turn.paused = True
        return [PauseVoice(turn.number)]

    def sustained(self, utterance: int) -> list[Decision]:
        """The utterance is too long for a cough: it takes the floor, recognised or not."""
        known = self._find(utterance)
        if known is None:
            return []
        known.sustained = True
        if self.turn is None or not self._may_take(self.turn):
            return []
        return self._take_floor()

    def likely_end(self, utterance: int, rev: int) -> list[Decision]:
        """A short silence."""
        known = self._find(utterance)
        if known is None or known.phase == "over" or rev < known.rev:
            return []
        known.rev, known.phase = rev, "likely_over"
        return self._speculate(known)

    def resumed(self, utterance: int, rev: int) -> list[Decision]:
        """The caller went on."""
        known = self._find(utterance)
        if known is None or known.phase == "over" or rev <= known.rev:
            return []
        known.rev, known.phase = rev, "speaking"
        return self._drop_speculation()

    def turn_ended(self, utterance: int, rev: int) -> list[Decision]:
        """The caller has finished; the final words may be known or not."""
        known = self._find(utterance)
        if known is None or known.phase == "over":
            return []
        known.rev, known.phase = max(rev, known.rev), "over"
        return self._conclude(known)

    def heard(self, utterance: int, rev: int, text: str, *, final: bool) -> list[Decision]:
        """Words."""
        known = self._find(utterance)
        if known is None or rev != known.rev:
            return []
        if not final:
            return self._take_floor() if self._is_interruption(text) else []
        known.heard[rev] = text
        if known.phase == "over":
            return self._conclude(known)
        return self._speculate(known)

    def overdue(self, utterance: int) -> list[Decision]:
        """No words have come for a while since the turn ended: what was short is taken for a cough meanwhile."""
        known, turn = self._find(utterance), self.turn
        if known is None or known.phase != "over" or known.sustained or turn is None or not turn.paused:
            return []
        if any(other.phase != "over" for other in self._open):
            return []
        turn.paused = False
        return [ResumeVoice(turn.number)]

    def unheard(self, utterance: int, line: str) -> list[Decision]:
        """Recognition gave the utterance up: ask the caller, in ``line``, to say it again."""
        known = self._find(utterance)
        if known is None:
            return []
        floor = [] if self._is_said_whole else self._take_floor(by_voice=False)
        return [*self._close(known), *self._drop_speculation(), *floor, *self.speak(line)]

    def typed(self, text: str) -> list[Decision]:
        """The caller wrote instead of speaking: as an utterance that is over and understood."""
        if self._is_said_whole:
            self.history.add(Line("user", text))
            return [Said(text, -1)]
        decisions = [*self._drop_speculation(), *self._take_floor(by_voice=False)]
        self.history.add(Line("user", text))
        decisions.append(Said(text, -1))
        return [*decisions, *self._ask_unanswered()]

    # --- what we do -------------------------------------------------------------------------------

    def speak(self, text: str) -> list[Decision]:
        """Speak a line of our own: now, or after what is being said."""
        return self._line(text)

    def play(self, sound: PlayAudio | SendDtmf) -> list[Decision]:
        """Play a sound or send keys, likewise."""
        return self._line(sound)

    def notify(self, notice: Notice) -> list[Decision]:
        """Speak a notice, likewise; nobody breaks it off but by `silence`."""
        return self._line(notice)

    def _line(self, line: str | Notice | PlayAudio | SendDtmf) -> list[Decision]:
        if self.turn is not None or self._open:
            if len(self._waiting_lines) >= MAX_WAITING_LINES:
                return [Overfull()]
            self._waiting_lines.append(line)
            return []
        return self._begin_line(line)

    def greet(self, text: str, *, noticed: bool = False) -> list[Decision]:
        """Speak first, unless the caller has begun; what was said before this call was not said in it.

        Args:
            text: the greeting.
            noticed: a notice was spoken before it, with which a new conversation has begun.
        """
        if self.turn is not None or self._open or not (noticed or self.history.lines == self._before):
            return []
        return self._begin_line(text)

    def announce(self, text: str) -> list[Decision]:
        """Speak ``text`` now, whoever was speaking, and take nobody's answer."""
        decisions = self.silence()
        for known in tuple(self._open):
            decisions += self._close(known)
        return [*decisions, *self._begin_line(text, "last")]

    def forget(self) -> None:
        """What was said so far on this call is no part of the conversation."""
        self.history = History(self._before)

    def silence(self) -> list[Decision]:
        """Somebody asked us to be quiet."""
        self._waiting_lines.clear()
        decisions = [*self._drop_speculation(), *self._take_floor(by_voice=False)]
        self.history.dismiss()
        return decisions

    def voice_started(self, turn: int) -> None:
        """The first sound of the turn has left."""
        if self.turn is not None and self.turn.number == turn:
            self.turn.voiced = True

    def spoken(self, turn: int, text: str, *, ends_turn: bool, cut: bool) -> list[Decision]:
        """A phrase has been played, or the part of it before a cut."""
        self._note(text, cut=cut)
        ended = self.turn
        if ended is None or ended.number != turn or not ends_turn or cut:
            return []
        self.turn = None
        if ended.kind == "reply" and not ended.lines:
            self.history.dismiss()  # silence is its answer: asked again, it would be silent again
        return [] if self._open else self._ask_unanswered()

    def reply_failed(self, turn: int, *, repeat: bool, offered: str = "", fresh: bool = False) -> list[Decision]:
        """The agent broke off: ask again where it may be (``repeat``), else apologise.

        Args:
            turn: whose reply it was.
            repeat: the engine may be asked the same again.
            offered: the words that are on their way to the caller's ear, or there: the reply goes on behind them.
            fresh: another engine answers from now on: it has its own attempts.
        """
        failed = self.turn
        if failed is None or failed.number != turn or failed.kind != "reply":
            return []
        if fresh:
            failed.attempt = 0
        again = repeat and failed.attempt <= MAX_ATTEMPTS
        failed.attempt += 1
        if offered:
            if again:
                return [AskAgent(turn, failed.text, failed.history, offered)]
            return [Excuse(turn, self._apology)]
        if not failed.released:
            return self._drop_speculation()
        decisions = self._cut(failed)
        if again:
            decisions += self._ask_again(failed)
        else:
            decisions += self._begin_line(self._apology)
        if failed.paused and self.turn is not None:
            self.turn.paused = True
            decisions.append(PauseVoice(self.turn.number))
        return decisions

    @property
    def is_idle(self) -> bool:
        """Nobody speaks, and nothing waits to be heard, answered or said."""
        return self.turn is None and not self._open and not self._waiting_lines and not self.history.is_unanswered

    # --- inside -----------------------------------------------------------------------------------

    def _find(self, utterance: int) -> Utterance | None:
        return next((known for known in self._open if known.began == utterance), None)

    def _note(self, text: str, *, cut: bool) -> None:
        if text:
            self.history.add(Line("agent", text, cut))
            if self.turn is not None:
                self.turn.lines += 1

    def _may_take(self, turn: Turn) -> bool:
        """Without barge-in the caller may still go on speaking until our voice begins; keys are never broken off."""
        return turn.kind not in _SAID_WHOLE and (self.rules.barge_in or not turn.voiced)

    @property
    def _is_said_whole(self) -> bool:
        return self.turn is not None and self.turn.kind in _SAID_WHOLE

    def _is_interruption(self, text: str) -> bool:
        turn = self.turn
        if turn is None or not turn.released or not self._may_take(turn):
            return False
        return has_words(text) and not is_backchannel(text)

    def _cut(self, turn: Turn, *, by_voice: bool = False) -> list[Decision]:
        fence = turn.number + 1
        for spoken in self._voice.cut(fence):
            self._note(spoken.text, cut=spoken.cut)
        if turn.voiced:
            self.history.mark_cut()
        self.turn = None
        premature = by_voice and turn.kind == "reply" and (not turn.voiced or self._voice.barely_heard(turn.number))
        if premature and self.rules.repeatable:
            self.history.retract(turn.lines)
        return [Cut(fence, by_voice and turn.voiced, premature)]

    def _take_floor(self, *, by_voice: bool = True) -> list[Decision]:
        turn = self.turn
        if turn is None or not turn.released:
            return []
        return self._cut(turn, by_voice=by_voice)

    def _drop_speculation(self) -> list[Decision]:
        turn = self.turn
        if turn is None or turn.released:
            return []
        return [*self._cut(turn), Speculated("wasted")]

    def _speculate(self, utterance: Utterance) -> list[Decision]:
        text = utterance.heard.get(utterance.rev)
        if utterance.phase != "likely_over" or text is None or not has_words(text):
            return []
        decisions: list[Decision] = []
        if self.turn is not None and self.turn.released:
            if not self._is_interruption(text):
                return []
            decisions += self._take_floor()
        wanted = self.rules.preemptive and self.rules.speculative and utterance is self._open[0]
        if not wanted or self.turn is not None or utterance.speculations >= MAX_SPECULATIONS:
            return decisions
        if completeness(text) < UNFINISHED:
            return decisions
        utterance.speculations += 1
        question, history = self.history.question(text)
        turn = self._new_turn("reply", released=False, text=question, history=history)
        turn.guess = text
        return [*decisions, AskAgent(turn.number, question, history)]

    def _conclude(self, utterance: Utterance) -> list[Decision]:
        text = utterance.heard.get(utterance.rev)
        if text is None:
            return []
        decisions = self._close(utterance)
        if not has_words(text):
            return [*decisions, *self._drop_speculation(), *self._after_nothing()]
        if self.turn is not None and self.turn.released and not self._is_said_whole:
            if not self._takes_floor(text, self.turn):
                return [*decisions, *self._after_nothing()]
            decisions += self._take_floor()
        decisions.append(Said(text, utterance.began))
        early = self.turn
        if early is not None and normalise(early.guess) == normalise(text) and not self._open:
            self.history.add(Line("user", text))
            early.released = True
            return [*decisions, Speculated("used"), Release(early.number)]
        decisions += self._drop_speculation()
        self.history.add(Line("user", text))
        if self._open or self._is_said_whole:
            return decisions
        return [*decisions, *self._ask_unanswered()]

    def _takes_floor(self, text: str, turn: Turn) -> bool:
        """Words over our voice: a murmur takes the floor only where we have just asked something."""
        if not self._may_take(turn):
            return False
        if not (is_backchannel(text) and self.rules.resume_false_interruption):
            return True
        return turn.voiced and self._voice.is_asking(turn.number)

    def _close(self, utterance: Utterance) -> list[Decision]:
        self._open.remove(utterance)
        self._closed_to = max(self._closed_to, utterance.began + 1)
        return [Closed(utterance.began)]

    def _after_nothing(self) -> list[Decision]:
        """The utterance was noise or a murmur: go on as before it."""
        if self._open:
            return []
        turn = self.turn
        if turn is None:
            return self._ask_unanswered()
        if not turn.paused:
            return []
        turn.paused = False
        return [ResumeVoice(turn.number)]

    def _ask_unanswered(self) -> list[Decision]:
        if not self.history.is_unanswered or self.turn is not None:
            return self._next_line()
        question, history = self.history.question(unsent=not self.rules.repeatable)
        if not question:
            return self._begin_line(self._apology)
        self.history.mark_sent()
        turn = self._new_turn("reply", released=True, text=question, history=history)
        return [AskAgent(turn.number, question, history), Release(turn.number)]

    def _ask_again(self, failed: Turn) -> list[Decision]:
        turn = self._new_turn("reply", released=True, text=failed.text, history=failed.history)
        turn.attempt = failed.attempt
        return [AskAgent(turn.number, turn.text, turn.history), Release(turn.number)]

    def _begin_line(self, line: str | Notice | PlayAudio | SendDtmf, kind: TurnKind = "line") -> list[Decision]:
        if isinstance(line, str):
            turn = self._new_turn(kind, released=True, text=line)
            return [Speak(turn.number, line), Release(turn.number)]
        if isinstance(line, Notice):
            turn = self._new_turn("notice", released=True, text=line.text)
            return [Notify(turn.number, line.text), Release(turn.number)]
        turn = self._new_turn("keys" if isinstance(line, SendDtmf) else "sound", released=True, text="")
        return [Play(turn.number, line), Release(turn.number)]

    def _next_line(self) -> list[Decision]:
        if self.turn is None and not self._open and self._waiting_lines:
            return self._begin_line(self._waiting_lines.pop(0))
        return []

    def _new_turn(self, kind: TurnKind, *, released: bool, text: str, history: tuple[Line, ...] = ()) -> Turn:
        self._last_turn += 1
        self.turn = Turn(self._last_turn, kind, released, text, history)
        return self.turn
