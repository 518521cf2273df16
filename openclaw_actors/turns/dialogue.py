"""Who has the floor: the turn rules as a pure state machine, without clock, actors or sound.

The Call feeds it what was heard and what was spoken, and carries out the decisions that it returns. It hands out
the turn numbers; at any time at most one turn is alive, and starting one makes every earlier one stale.

- Onset over our voice pauses it. Words that are no backchannel, or sustained voice, interrupt it; quiet before
  that resumes it where it stopped.
- A likely end asks the agent early, unreleased, at most three times an utterance. When the turn has really ended
  and the words are still what was asked, the reply is released; else it is asked anew.
- Keys (DTMF) are sent whole: what is said meanwhile is answered after them.
- What the caller said and nobody answered is part of the next question, so no interleaving leaves it unanswered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from openclaw_actors.messages import Line, PlayAudio, SendDtmf, Spoken
from openclaw_actors.turns.barge_in import has_words, is_backchannel, normalise
from openclaw_actors.turns.decisions import (
    AskAgent,
    Closed,
    Cut,
    Decision,
    Excuse,
    PauseVoice,
    Play,
    Release,
    ResumeVoice,
    Said,
    Speak,
    Speculated,
)

MAX_SPECULATIONS = 3
"""Early questions an utterance; a caller who pauses at every word must not cost a request a pause."""

MAX_ATTEMPTS = 2
"""Times the same question is asked again after a failure."""


TurnKind = Literal["reply", "line", "sound", "keys"]


class Voice(Protocol):
    """The playout, as the dialogue needs it."""

    def cut(self, fence: int) -> list[Spoken]:
        """Silence everything below ``fence`` now; return what was spoken and not yet told to the dialogue.

        It is synchronous because what the caller heard of us comes before, in the history, what they said then.
        """


# --- State ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Turn:
    """One attempt of ours to speak."""

    number: int
    kind: TurnKind
    released: bool
    text: str
    """The question it answers, or the line it speaks."""
    history: tuple[Line, ...] = ()
    """What was said before the question."""
    guess: str = ""
    """The words of the utterance that an early question took to be its last."""
    paused: bool = False
    voiced: bool = False
    attempt: int = 1


@dataclass(slots=True)
class Utterance:
    """One stretch of the caller."""

    began: int
    rev: int = 0
    phase: Literal["speaking", "likely_over", "over"] = "speaking"
    heard: dict[int, str] = field(default_factory=dict)
    speculations: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """What shapes the decisions; ``speculative`` changes with the agent's engine."""

    barge_in: bool = True
    resume_false_interruption: bool = True
    preemptive: bool = True
    speculative: bool = True


class Dialogue:
    """The floor of one call."""

    def __init__(self, rules: Rules, voice: Voice, history: tuple[Line, ...] = ()) -> None:
        self.rules = rules
        self._voice = voice
        self.history: list[Line] = list(history)
        self.turn: Turn | None = None
        self._last_turn = 0
        self._open: list[Utterance] = []
        self._closed_to = -1
        self._waiting_lines: list[str | PlayAudio | SendDtmf] = []
        self._dismissed = 0

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
        if self._find(utterance) is None or self.turn is None or not self._may_take(self.turn):
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

    def unheard(self, utterance: int, line: str) -> list[Decision]:
        """Recognition gave the utterance up: ask the caller, in ``line``, to say it again."""
        known = self._find(utterance)
        if known is None:
            return []
        floor = [] if self._sending_keys else self._take_floor()
        return [*self._close(known), *self._drop_speculation(), *floor, *self.speak(line)]

    def typed(self, text: str) -> list[Decision]:
        """The caller wrote instead of speaking: as an utterance that is over and understood."""
        if self._sending_keys:
            self.history.append(Line("user", text))
            return [Said(text, -1)]
        decisions = [*self._drop_speculation(), *self._take_floor()]
        self.history.append(Line("user", text))
        decisions.append(Said(text, -1))
        return [*decisions, *self._ask_unanswered()]

    # --- what we do -------------------------------------------------------------------------------

    def speak(self, text: str) -> list[Decision]:
        """Speak a line of our own: now, or after what is being said."""
        return self._line(text)

    def play(self, sound: PlayAudio | SendDtmf) -> list[Decision]:
        """Play a sound or send keys, likewise."""
        return self._line(sound)

    def _line(self, line: str | PlayAudio | SendDtmf) -> list[Decision]:
        if self.turn is not None or self._open:
            self._waiting_lines.append(line)
            return []
        return self._begin_line(line)

    def silence(self) -> list[Decision]:
        """Somebody asked us to be quiet."""
        self._waiting_lines.clear()
        decisions = [*self._drop_speculation(), *self._take_floor()]
        self._dismissed = len(self.history)
        return decisions

    def voice_started(self, turn: int) -> None:
        """The first sound of the turn has left."""
        if self.turn is not None and self.turn.number == turn:
            self.turn.voiced = True

    def spoken(self, turn: int, text: str, *, ends_turn: bool, cut: bool) -> list[Decision]:
        """A phrase has been played, or the part of it before a cut."""
        self._note(text, cut=cut)
        if self.turn is None or self.turn.number != turn or not ends_turn or cut:
            return []
        self.turn = None
        return [] if self._open else self._ask_unanswered()

    def reply_failed(self, turn: int, apology: str, *, repeat: bool, offered: str = "") -> list[Decision]:
        """The agent broke off: ask again where it may be (``repeat``), else apologise.

        Args:
            turn: whose reply it was.
            apology: what to say when it can't be asked again.
            repeat: the engine may be asked the same again.
            offered: the words that are on their way to the caller's ear, or there: the reply goes on behind them.
        """
        failed = self.turn
        if failed is None or failed.number != turn or failed.kind != "reply":
            return []
        again = repeat and failed.attempt <= MAX_ATTEMPTS
        failed.attempt += 1
        if offered:
            if again:
                return [AskAgent(turn, failed.text, failed.history, offered)]
            return [Excuse(turn, apology)]
        if not failed.released:
            return self._drop_speculation()
        decisions = self._cut(failed, barge_in=False)
        if again:
            decisions += self._ask_again(failed)
        else:
            decisions += self._begin_line(apology)
        if failed.paused and self.turn is not None:
            self.turn.paused = True
            decisions.append(PauseVoice(self.turn.number))
        return decisions

    # --- inside -----------------------------------------------------------------------------------

    def _find(self, utterance: int) -> Utterance | None:
        return next((known for known in self._open if known.began == utterance), None)

    def _note(self, text: str, *, cut: bool) -> None:
        if text:
            self.history.append(Line("agent", text, cut))

    def _may_take(self, turn: Turn) -> bool:
        """Without barge-in the caller may still go on speaking until our voice begins; keys are never broken off."""
        return turn.kind != "keys" and (self.rules.barge_in or not turn.voiced)

    @property
    def _sending_keys(self) -> bool:
        return self.turn is not None and self.turn.kind == "keys"

    def _is_interruption(self, text: str) -> bool:
        turn = self.turn
        if turn is None or not turn.released or not self._may_take(turn):
            return False
        return has_words(text) and not is_backchannel(text)

    def _cut(self, turn: Turn, *, barge_in: bool) -> list[Decision]:
        fence = turn.number + 1
        for spoken in self._voice.cut(fence):
            self._note(spoken.text, cut=spoken.cut)
        self.turn = None
        return [Cut(fence, barge_in)]

    def _take_floor(self) -> list[Decision]:
        turn = self.turn
        if turn is None or not turn.released:
            return []
        return self._cut(turn, barge_in=True)

    def _drop_speculation(self) -> list[Decision]:
        turn = self.turn
        if turn is None or turn.released:
            return []
        return [*self._cut(turn, barge_in=False), Speculated("wasted")]

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
        utterance.speculations += 1
        question, history = self._question(text)
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
        if self.turn is not None and self.turn.released and not self._sending_keys:
            murmur = is_backchannel(text) and self.rules.resume_false_interruption
            if murmur or not self._may_take(self.turn):
                return [*decisions, *self._after_nothing()]
        if not self._sending_keys:
            decisions += self._take_floor()
        decisions.append(Said(text, utterance.began))
        early = self.turn
        if early is not None and normalise(early.guess) == normalise(text) and not self._open:
            self.history.append(Line("user", text))
            early.released = True
            return [*decisions, Speculated("used"), Release(early.number)]
        decisions += self._drop_speculation()
        self.history.append(Line("user", text))
        if self._open or self._sending_keys:
            return decisions
        return [*decisions, *self._ask_unanswered()]

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

    def _question(self, text: str = "") -> tuple[str, tuple[Line, ...]]:
        """All that is unanswered, with ``text``, and the history before it."""
        end = len(self.history)
        while end > self._dismissed and self.history[end - 1].role == "user":
            end -= 1
        lines = [line.text for line in self.history[end:]]
        if text:
            lines.append(text)
        return " ".join(lines), tuple(self.history[:end])

    def _ask_unanswered(self) -> list[Decision]:
        question, history = self._question()
        if not question or self.turn is not None:
            return self._next_line()
        turn = self._new_turn("reply", released=True, text=question, history=history)
        return [AskAgent(turn.number, question, history), Release(turn.number)]

    def _ask_again(self, failed: Turn) -> list[Decision]:
        turn = self._new_turn("reply", released=True, text=failed.text, history=failed.history)
        turn.attempt = failed.attempt
        return [AskAgent(turn.number, turn.text, turn.history), Release(turn.number)]

    def _begin_line(self, line: str | PlayAudio | SendDtmf) -> list[Decision]:
        if isinstance(line, str):
            turn = self._new_turn("line", released=True, text=line)
            return [Speak(turn.number, line), Release(turn.number)]
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
