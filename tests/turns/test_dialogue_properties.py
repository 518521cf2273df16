"""No interleaving of caller, engines, restarts and operator speaks a stale reply, speaks twice, or never answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from openclaw_actors.messages import PlayAudio, SendDtmf
from openclaw_actors.turns.dialogue import MAX_SPECULATIONS
from openclaw_actors.turns.standing import Rules
from tests.turns.conversation import AGAIN, VOICE, Conversation

MURMURS = ("", "mm-hm", "yeah")


@dataclass
class Heard:
    """An utterance as the Turns and the Stt know it."""

    began: int
    rev: int = 0
    phase: str = "speaking"
    texts: dict[int, str] = field(default_factory=dict)


class Call(RuleBasedStateMachine):
    """Everything that the Call can be told, in any order in which its stages may tell it."""

    @initialize(
        barge_in=st.booleans(),
        resume=st.booleans(),
        preemptive=st.booleans(),
        speculative=st.booleans(),
        repeatable=st.booleans(),
        greeted=st.booleans(),
    )
    def begin(self, barge_in, resume, preemptive, speculative, repeatable, greeted):
        self.call = Conversation(Rules(barge_in, resume, preemptive, speculative, repeatable))
        self.dialogue = self.call.dialogue
        self.utterances: list[Heard] = []
        self.now = 0
        self.words = 0
        self.talks_over: set[int] = set()
        if greeted:
            self.call.carry_out(self.dialogue.greet("Hello!"))

    # --- what is true of the state ----------------------------------------------------------------------------------

    @property
    def open(self) -> list[Heard]:
        return [heard for heard in self.utterances if heard.began not in self.call.closed]

    @property
    def current(self) -> Heard | None:
        """The one that the caller is in, closed or not: the Turns don't know of that."""
        last = self.utterances[-1] if self.utterances else None
        return last if last is not None and last.phase != "over" else None

    @property
    def speaking(self) -> int:
        """The turn that has still something to say; 0: none."""
        turn = self.dialogue.turn
        return turn.number if turn is not None and not self.call.work[turn.number].ended else 0

    # --- the Turns, which may be restarted and say again what they have said ------------------------------------------

    @rule(goes_on=st.booleans(), just_begun=st.booleans())
    def turns_find_the_next(self, goes_on, just_begun):
        """An onset, then a likely end, then that it was one or was none."""
        if self.current is None:
            self.call.just_begun = just_begun
            self.onset()
        elif self.current.phase == "speaking":
            self.likely_end()
        elif goes_on:
            self.resumed()
        else:
            self.ended()

    def onset(self):
        self.now += 1000
        self.utterances.append(Heard(self.now))
        turn = self.dialogue.turn
        goes_on = turn is not None and (turn.kind == "keys" or (turn.voiced and not self.dialogue.rules.barge_in))
        self.talks_over = {turn.number} if goes_on else set()
        self.call.carry_out(self.dialogue.speech_started(self.now))

    def likely_end(self):
        self.current.phase = "likely"
        self.call.carry_out(self.dialogue.likely_end(self.current.began, self.current.rev))

    def resumed(self):
        heard = self.current
        heard.phase, heard.rev = "speaking", heard.rev + 1
        self.call.carry_out(self.dialogue.resumed(heard.began, heard.rev))

    def ended(self):
        heard = self.current
        heard.phase = "over"
        self.call.carry_out(self.dialogue.turn_ended(heard.began, heard.rev))

    @rule()
    @precondition(lambda self: self.current is not None)
    def sustained(self):
        self.call.carry_out(self.dialogue.sustained(self.current.began))

    @rule(data=st.data())
    @precondition(lambda self: self.utterances)
    def turns_restarted(self, data):
        """The last thing they found is found again."""
        heard = data.draw(st.sampled_from(self.utterances[-2:]))
        dialogue, began, rev = self.dialogue, heard.began, heard.rev
        if heard.phase == "over":
            self.call.carry_out(dialogue.turn_ended(began, rev))
        elif heard.phase == "likely":
            self.call.carry_out(dialogue.likely_end(began, rev))
        elif rev:
            self.call.carry_out(dialogue.resumed(began, rev))
        else:
            self.call.carry_out(dialogue.speech_started(began))

    # --- the Stt: late, twice, or not at all --------------------------------------------------------------------------

    @rule(data=st.data(), murmur=st.sampled_from((None, None, None, *MURMURS)), late=st.booleans(), anew=st.booleans())
    @precondition(lambda self: self.utterances)
    def final_words(self, data, murmur, late, anew):
        """Of this revision or, when the engine was slow, of one that is past.

        A restarted Stt says them again, and may have understood something else (``anew``).
        """
        heard = data.draw(st.sampled_from(self.utterances[-3:]))
        rev = data.draw(st.integers(0, heard.rev)) if late else heard.rev
        if heard.phase == "speaking" and rev == heard.rev:
            return  # nobody has asked for them
        if anew:
            heard.texts.pop(rev, None)
        self.hear(heard, rev, murmur)

    def hear(self, heard: Heard, rev: int, murmur: str | None = None) -> None:
        if rev not in heard.texts:
            self.words += 1
            before = [heard.texts[r] for r in sorted(heard.texts) if r < rev and heard.texts[r] not in MURMURS]
            heard.texts[rev] = murmur if murmur is not None else " ".join([*before[-1:], f"word{self.words}"])
        self.call.carry_out(self.dialogue.heard(heard.began, rev, heard.texts[rev], final=True))

    @rule(text=st.sampled_from(("", "mm", "wait a moment")))
    @precondition(lambda self: self.current is not None)
    def partial_words(self, text):
        self.call.carry_out(self.dialogue.heard(self.current.began, self.current.rev, text, final=False))

    @rule(data=st.data(), given_up=st.booleans())
    @precondition(lambda self: any(heard.phase == "over" for heard in self.open))
    def no_words(self, data, given_up):
        """None for a while; or all engines failed on it."""
        heard = data.draw(st.sampled_from([heard for heard in self.open if heard.phase == "over"]))
        if given_up:
            self.call.carry_out(self.dialogue.unheard(heard.began, AGAIN))
        else:
            self.call.carry_out(self.dialogue.overdue(heard.began))

    # --- what mostly happens, as steps of their own: at random they would seldom come in this order ------------------

    @rule(murmur=st.sampled_from((None, None, *MURMURS)), goes_on=st.booleans())
    @precondition(lambda self: self.current is None)
    def says(self, murmur, goes_on):
        """An utterance up to its likely end, understood there; then it is over, or not."""
        self.onset()
        self.likely_end()
        self.hear(self.current, 0, murmur)
        if goes_on:
            self.resumed()
        else:
            self.ended()

    @rule(packets=st.integers(1, 3))
    @precondition(lambda self: self.speaking and self.dialogue.turn.released and not self.dialogue.turn.paused)
    def is_heard(self, packets):
        """Our voice begins."""
        self.call.say_phrase(self.speaking, ends_turn=False)
        self.time_goes_by(packets, encoded=True)

    # --- the Agent, the Tts and the Transport -------------------------------------------------------------------------

    @rule(last=st.booleans())
    @precondition(lambda self: self.speaking)
    def phrase(self, last):
        self.call.say_phrase(self.speaking, ends_turn=last)

    @rule(untouched=st.booleans(), fresh=st.booleans())
    @precondition(lambda self: self.speaking and self.dialogue.turn.kind == "reply")
    def agent_fails(self, untouched, fresh):
        """A hung, crashed or refusing agent; ``fresh``: another engine is there."""
        turn = self.dialogue.turn
        offered = " ".join("phrase" for _ in range(self.call.work[turn.number].index))
        repeat = self.dialogue.rules.repeatable or (untouched and not offered)
        self.call.carry_out(self.dialogue.reply_failed(turn.number, repeat=repeat, offered=offered, fresh=fresh))
        if turn.number in self.talks_over and self.dialogue.turn is not None:
            self.talks_over.add(self.dialogue.turn.number)

    @rule(packets=st.integers(1, 6), encoded=st.booleans())
    def time_goes_by(self, packets, encoded):
        """In it the Transport may have ended a pause."""
        if self.call.resume_owed and encoded:
            self.call.end_pause()
        if self.current is None or self.current.phase != "speaking":
            self.call.play(packets)
            return
        heard = self.call.play(packets)
        assert heard <= self.talks_over, "our voice is heard over the caller's, who may take the floor"

    # --- the operator and the caller's keyboard ---------------------------------------------------------------------

    @rule(what=st.sampled_from(("line", "keys", "sound", "typed", "typed", "silenced")), asking=st.booleans())
    def steered(self, what, asking):
        dialogue = self.dialogue
        self.call.asking = asking
        match what:
            case "line":
                self.call.carry_out(dialogue.speak("a line"))
            case "keys":
                self.call.carry_out(dialogue.play(SendDtmf("1")))
            case "sound":
                self.call.carry_out(dialogue.play(PlayAudio("chime", b"", 8000)))
            case "silenced":
                self.call.silence()
            case "typed":
                self.words += 1
                self.call.carry_out(dialogue.typed(f"word{self.words}"))
                if dialogue.turn is not None:
                    self.talks_over.add(dialogue.turn.number)  # who writes is answered, whoever is heard in the room

    # --- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def voice_and_rules_agree(self):
        turn, playout = self.dialogue.turn, self.call.playout
        if turn is None:
            assert playout.released < self.call.fence or self.call.has_finished(playout.released)
            return
        assert turn.number >= self.call.fence
        assert turn.released == (playout.released == turn.number)
        assert turn.paused == (playout.paused and not self.call.resume_owed), "somebody waits who is not waited for"

    @invariant()
    def nobody_waits_for_an_answer_that_nobody_gives(self):
        if self.dialogue.turn is None and not self.dialogue._open:
            assert self.call.unanswered == []

    @invariant()
    def early_questions_are_few(self):
        assert all(known.speculations <= MAX_SPECULATIONS for known in self.dialogue._open)

    def teardown(self):
        """The caller falls silent, all that was said is heard, all that is to be spoken is: then all is at rest."""
        if not hasattr(self, "call"):
            return
        if self.current is not None and self.current.phase == "speaking":
            self.likely_end()
        if self.current is not None:
            self.ended()
        for heard in self.open:
            self.hear(heard, heard.rev)
        for _ in range(60):
            if self.call.resume_owed:
                self.call.end_pause()
            if self.speaking:
                self.call.say_phrase(self.speaking, ends_turn=True)
            self.call.play(5)
        assert self.dialogue._open == []
        assert self.dialogue.turn is None, "a turn still waits although all is quiet"
        assert self.dialogue._waiting_lines == []
        assert self.call.unanswered == [], "never answered"
        assert self.call.playout.next_packet() != VOICE


Call.TestCase.settings = settings(
    max_examples=200, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestNoInterleaving = Call.TestCase
