"""A caller, an agent and a voice around a Dialogue, as the rules' property tests drive them; the Playout is real.

It carries decisions out as actors/floor.py does, and checks each: nothing that was cut is asked, spoken, paused or
resumed; a reply is heard only if it answers all that the caller has said; no words are answered twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from openclaw_actors.media.codecs import OPUS
from openclaw_actors.media.playout import Playout
from openclaw_actors.messages import SendDtmf, Speech, Spoken, VoiceStarted
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
)
from openclaw_actors.turns.dialogue import Dialogue
from openclaw_actors.turns.standing import Rules

SORRY = "sorry"
AGAIN = "again?"
VOICE = b"voice"
"""A packet of ours; what it sounds like does not matter here."""

_WORD = re.compile(r"word\d+")


def words_in(text: str) -> set[str]:
    """The words that a caller of this file says: each is said once in a call, so that it is known again."""
    return set(_WORD.findall(text))


@dataclass
class Work:
    """What the agent or we ourselves have still to say in a turn."""

    asked: set[str] = field(default_factory=set)
    answers: bool = False
    """It is a reply, or an apology in the place of one."""
    text: str = "phrase"
    """What a phrase of it says; empty: it is a sound."""
    index: int = 0
    ended: bool = False
    """The last phrase is on its way."""
    keys: bool = False
    """They are sent whole, whatever is said meanwhile."""


class Conversation:
    """Implements ``standing.Voice``."""

    def __init__(self, rules: Rules) -> None:
        self.playout = Playout(OPUS, lambda: None, clock=lambda: 0.0)
        self.dialogue = Dialogue(rules, self, SORRY)
        self.work: dict[int, Work] = {}
        self.fence = 0
        self.unanswered: list[str] = []
        """The words said that nobody has answered, or dismissed."""
        self.asked: set[str] = set()
        """All that was ever sent to the agent, released or not."""
        self.answered: set[str] = set()
        self.said: set[str] = set()
        self.closed: list[int] = []
        self.resume_owed = 0
        self.asking = False
        self.just_begun = False
        self.silencing = False

    # --- standing.Voice -------------------------------------------------------------------------------------------

    def is_asking(self, turn: int) -> bool:
        return self.asking

    def barely_heard(self, turn: int) -> bool:
        return self.just_begun

    def cut(self, fence: int) -> list[Spoken]:
        assert fence > self.fence, "a fence never falls"
        turn = self.dialogue.turn
        assert self.silencing or turn is None or not self.work[turn.number].keys, "keys are not broken off"
        self.fence = fence
        self.playout.cut(fence)
        return self._take()

    # --- as the Floor ---------------------------------------------------------------------------------------------

    def carry_out(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            self._carry_out(decision)

    def _carry_out(self, decision: Decision) -> None:
        match decision:
            case AskAgent(turn, text, _, unfinished):
                self._asks(turn, words_in(text), continues=bool(unfinished))
            case Speak(turn, text):
                self._begins(turn, Work(answers=text in {SORRY, AGAIN}))
            case Excuse(turn):
                self._alive(turn)
                self.work[turn].ended = False
            case Play(turn, sound):
                self._begins(turn, Work(text="", keys=isinstance(sound, SendDtmf)))
            case Release(turn):
                self._alive(turn)
                assert turn in self.work, "what is released was asked for"
                self.playout.release(turn)
            case PauseVoice(turn):
                self._alive(turn)
                assert not self.work[turn].keys, "keys are not paused"
                self.resume_owed = 0
                self.playout.pause()
            case ResumeVoice(turn):
                self._alive(turn)
                self.resume_owed = self.playout.pause_number
            case Cut(fence, _, premature):
                assert fence <= self.fence, "the voice was cut before it was told"
                self.resume_owed = 0
                if premature and self.dialogue.rules.repeatable:
                    self._forgets(fence - 1)
            case Said(text):
                self.said |= words_in(text)
                self.unanswered += sorted(words_in(text))
            case Closed(utterance):
                assert utterance not in self.closed, "an utterance is closed once"
                self.closed.append(utterance)

    def _forgets(self, turn: int) -> None:
        """The caller had not finished: what was heard of the reply answers nothing, and their words are asked again."""
        again = self.work[turn].asked & self.answered
        self.answered -= again
        self.unanswered = sorted(again) + self.unanswered

    def _alive(self, turn: int) -> None:
        assert turn >= self.fence, "this turn is stale"

    def _begins(self, turn: int, work: Work) -> None:
        self._alive(turn)
        assert turn not in self.work, "a turn begins once"
        self.work[turn] = work

    def _asks(self, turn: int, words: set[str], *, continues: bool) -> None:
        again = words & self.answered
        if continues:
            self._alive(turn)
            self.work[turn].ended = False
        else:
            self._begins(turn, Work(words, answers=True))
            assert not again, f"answered already: {again}"
        self.asked |= words

    # --- our voice ------------------------------------------------------------------------------------------------

    def say_phrase(self, turn: int, *, ends_turn: bool) -> None:
        """A phrase of the turn has been synthesised."""
        work = self.work[turn]
        packets = (VOICE, VOICE)
        pcm = bytes(len(packets) * OPUS.pcm_rate // 50 * 2)
        self.playout.add(Speech(turn, work.index, work.text, packets, pcm, ends_phrase=True, ends_turn=ends_turn))
        work.index += 1
        work.ended = ends_turn

    def play(self, packets: int) -> set[int]:
        """So much time goes by in the caller's ear; the turns whose voice was heard."""
        turns = set()
        for _ in range(packets):
            packet = self.playout.next_packet()
            if packet == VOICE:
                turns.add(self._heard())
            for spoken in self._take():
                self.carry_out(
                    self.dialogue.spoken(spoken.turn, spoken.text, ends_turn=spoken.ends_turn, cut=spoken.cut)
                )
        return turns

    def end_pause(self) -> None:
        """The Transport has encoded the rest of the phrase anew; an incarnation that died left that to the next."""
        self.playout.resume(self.resume_owed)
        self.resume_owed = 0

    def _heard(self) -> int:
        turn = self.playout.released
        assert turn >= self.fence, "a stale voice was heard"
        assert self.dialogue.turn is not None
        assert self.dialogue.turn.number == turn
        return turn

    def _take(self) -> list[Spoken]:
        spoken: list[Spoken] = []
        for move in self.playout.take():
            if isinstance(move, VoiceStarted):
                self._voice_started(move.turn)
            else:
                spoken.append(move)
                self._told(move)
        return spoken

    def _voice_started(self, turn: int) -> None:
        work = self.work[turn]
        if work.answers and work.asked:
            left_out = set(self.unanswered) - work.asked
            known = self.asked if not self.dialogue.rules.repeatable else set()
            assert not left_out - known, f"a stale reply is heard: it does not know of {left_out}"
        self.dialogue.voice_started(turn)

    def _told(self, spoken: Spoken) -> None:
        """The caller has heard something of us: what they had said was answered by it, or apologised for."""
        if spoken.text and self.work[spoken.turn].answers:
            self.answered |= set(self.unanswered)
            self.unanswered.clear()

    def silence(self) -> None:
        """Somebody asks us to be quiet: what was said needs no answer any more, and must get none."""
        self.silencing = True
        self.carry_out(self.dialogue.silence())
        self.silencing = False
        self.answered |= set(self.unanswered)
        self.unanswered.clear()

    def has_finished(self, turn: int) -> bool:
        """Whether the turn has been said to its end, or never was."""
        return turn == 0 or self.work[turn].ended
