"""Who has the floor: the turn rules as promises to the caller."""

from __future__ import annotations

import pytest

from openclaw_actors.messages import Line, PlayAudio, SendDtmf, Spoken
from openclaw_actors.turns.decisions import (
    AskAgent,
    Closed,
    Cut,
    Excuse,
    Overfull,
    PauseVoice,
    Play,
    Release,
    ResumeVoice,
    Said,
    Speak,
    Speculated,
)
from openclaw_actors.turns.dialogue import Dialogue
from openclaw_actors.turns.standing import Rules


class Voice:
    """A playout that has said of a cut turn what the test put there."""

    def __init__(self):
        self.partly = {}
        self.asking = False
        self.just_begun = False

    def is_asking(self, turn):
        return self.asking

    def barely_heard(self, turn):
        return self.just_begun

    def cut(self, fence):
        return [
            Spoken(turn, 0, self.partly.pop(turn), ends_turn=True, cut=True)
            for turn in sorted(self.partly)
            if turn < fence
        ]


class Talk:
    """A dialogue with its voice, and what it decided."""

    def __init__(self, **rules):
        self.voice = Voice()
        self.dialogue = Dialogue(Rules(**rules), self.voice, "sorry")

    def utter(self, began, text, rev=0):
        """A whole utterance that is heard at its likely end."""
        d = self.dialogue
        return [
            *d.speech_started(began),
            *d.likely_end(began, rev),
            *d.heard(began, rev, text, final=True),
            *d.turn_ended(began, rev),
        ]

    def speak(self, turn, text, *, ends=True):
        self.dialogue.voice_started(turn)
        return self.dialogue.spoken(turn, text, ends_turn=ends, cut=False)


def kinds(decisions):
    return [type(decision).__name__ for decision in decisions]


@pytest.fixture
def talk():
    return Talk()


# --- asking early ---------------------------------------------------------------------------------


def test_a_likely_end_asks_early_and_the_end_releases_the_reply(talk):
    d = talk.dialogue
    d.speech_started(100)
    d.likely_end(100, 0)
    assert d.heard(100, 0, "what time is it", final=True) == [AskAgent(1, "what time is it", ())]
    assert d.turn_ended(100, 0) == [
        Closed(100),
        Said("what time is it", 100),
        Speculated("used"),
        Release(1),
    ]


def test_a_caller_who_clearly_wants_to_say_more_is_not_answered_early(talk):
    d = talk.dialogue
    d.speech_started(100)
    d.likely_end(100, 0)
    assert d.heard(100, 0, "I would like to", final=True) == []
    assert kinds(d.turn_ended(100, 0)) == ["Closed", "Said", "AskAgent", "Release"]


# --- cut off too early ----------------------------------------------------------------------------


def test_a_caller_who_goes_on_as_the_reply_begins_has_asked_one_question(talk):
    talk.utter(100, "what is the weather like")
    talk.speak(1, "It is", ends=False)
    talk.voice.just_begun = True
    decided = talk.utter(900, "in Paris today")
    assert Cut(2, barge_in=True, premature=True) in decided
    question = "what is the weather like in Paris today"
    assert AskAgent(2, question, ()) in decided
    assert [line.role for line in talk.dialogue.history.lines] == ["user", "user"]


def test_a_caller_who_goes_on_before_the_reply_can_be_heard_has_not_interrupted_it(talk):
    talk.utter(100, "what is the weather like")
    decided = talk.utter(900, "in Paris today")
    assert Cut(2, barge_in=False, premature=True) in decided
    assert AskAgent(2, "what is the weather like in Paris today", ()) in decided


def test_an_interruption_later_in_the_reply_is_a_question_of_its_own(talk):
    talk.utter(100, "what is the weather like")
    talk.speak(1, "It is sunny.", ends=False)
    decided = talk.utter(900, "and tomorrow")
    assert Cut(2, barge_in=True, premature=False) in decided
    history = (Line("user", "what is the weather like"), Line("agent", "It is sunny.", cut=True))
    assert AskAgent(2, "and tomorrow", history) in decided


def test_an_engine_that_keeps_the_conversation_itself_is_told_where_its_answer_was_cut():
    talk = Talk(repeatable=False, speculative=False)
    talk.utter(100, "what is the weather like")
    talk.speak(1, "It is", ends=False)
    talk.voice.just_begun = True
    decided = talk.utter(900, "in Paris today")
    assert Line("agent", "It is", cut=True) in talk.dialogue.history.lines
    assert [d.text for d in decided if isinstance(d, AskAgent)] == ["in Paris today"]


def test_what_we_said_of_our_own_accord_is_not_forgotten_with_the_reply(talk):
    talk.dialogue.typed("hello")
    talk.speak(1, "Hi.")
    talk.dialogue.speak("One moment.")
    talk.speak(2, "One moment.")
    talk.utter(100, "what is the weather like")
    talk.voice.just_begun = True
    talk.utter(900, "in Paris today")
    assert [line.text for line in talk.dialogue.history.lines][:3] == ["hello", "Hi.", "One moment."]


def test_words_that_come_after_the_end_are_asked_and_released_at_once(talk):
    d = talk.dialogue
    d.speech_started(100)
    d.likely_end(100, 0)
    assert d.turn_ended(100, 0) == []
    assert d.heard(100, 0, "hello", final=True) == [
        Closed(100),
        Said("hello", 100),
        AskAgent(1, "hello", ()),
        Release(1),
    ]


def test_a_caller_who_goes_on_makes_the_early_question_void(talk):
    d = talk.dialogue
    d.speech_started(100)
    d.likely_end(100, 0)
    d.heard(100, 0, "book a table", final=True)
    assert d.resumed(100, 1) == [Cut(2, barge_in=False), Speculated("wasted")]
    d.likely_end(100, 1)
    assert d.heard(100, 1, "book a table for four", final=True) == [AskAgent(2, "book a table for four", ())]
    assert d.turn_ended(100, 1)[-1] == Release(2)


def test_a_transcript_of_an_earlier_revision_is_not_asked(talk):
    d = talk.dialogue
    d.speech_started(100)
    d.likely_end(100, 0)
    d.resumed(100, 1)
    assert d.heard(100, 0, "book a table", final=True) == []


def test_at_most_three_early_questions_an_utterance(talk):
    d = talk.dialogue
    d.speech_started(100)
    asked = 0
    for rev in range(6):
        d.likely_end(100, rev)
        asked += "AskAgent" in kinds(d.heard(100, rev, f"word {rev}", final=True))
        d.resumed(100, rev + 1)
    assert asked == 3
    d.likely_end(100, 6)
    d.heard(100, 6, "all of it", final=True)
    assert kinds(d.turn_ended(100, 6)) == ["Closed", "Said", "AskAgent", "Release"]


def test_an_engine_that_is_not_speculative_is_asked_after_the_end_only():
    talk = Talk(speculative=False)
    assert kinds(talk.utter(100, "hello")) == ["Closed", "Said", "AskAgent", "Release"]


def test_noise_without_words_is_nothing(talk):
    assert talk.utter(100, "") == [Closed(100)]
    assert talk.dialogue.history.is_empty


# --- speaking over us -----------------------------------------------------------------------------


def speaking(talk, text="A long answer."):
    talk.utter(100, "tell me")
    talk.dialogue.voice_started(1)
    talk.voice.partly[1] = text
    return talk.dialogue


def test_an_onset_over_our_voice_pauses_it(talk):
    d = speaking(talk)
    assert d.speech_started(900) == [PauseVoice(1)]


def test_a_cough_resumes_the_voice(talk):
    d = speaking(talk)
    d.speech_started(900)
    d.likely_end(900, 0)
    d.heard(900, 0, "", final=True)
    assert d.turn_ended(900, 0) == [Closed(900), ResumeVoice(1)]


@pytest.mark.parametrize("murmur", ["mm-hm", "yeah", "Okay."])
def test_a_murmur_resumes_the_voice_and_is_not_answered(talk, murmur):
    d = speaking(talk)
    d.speech_started(900)
    d.likely_end(900, 0)
    d.heard(900, 0, murmur, final=True)
    assert d.turn_ended(900, 0) == [Closed(900), ResumeVoice(1)]


def test_yes_is_an_answer_when_nobody_speaks(talk):
    assert AskAgent(1, "yes", ()) in talk.utter(100, "yes")


def test_words_take_the_floor_and_are_answered(talk):
    d = speaking(talk)
    d.speech_started(900)
    d.likely_end(900, 0)
    decisions = d.heard(900, 0, "stop that", final=True)
    assert decisions[0] == Cut(2, barge_in=True)
    assert decisions[1] == AskAgent(
        2, "stop that", (Line("user", "tell me"), Line("agent", "A long answer.", cut=True))
    )
    assert d.turn_ended(900, 0)[-1] == Release(2)


def test_a_partial_with_a_real_word_takes_the_floor(talk):
    d = speaking(talk)
    d.speech_started(900)
    assert d.heard(900, 0, "mm", final=False) == []
    assert d.heard(900, 0, "wait", final=False) == [Cut(2, barge_in=True)]


def test_sustained_voice_takes_the_floor_when_nothing_is_recognised(talk):
    d = speaking(talk)
    d.speech_started(900)
    assert d.sustained(900) == [Cut(2, barge_in=True)]


def test_what_we_said_before_the_cut_comes_before_what_they_said(talk):
    speaking(talk)
    talk.utter(900, "stop that")
    assert list(talk.dialogue.history.lines) == [
        Line("user", "tell me"),
        Line("agent", "A long answer.", cut=True),
        Line("user", "stop that"),
    ]


def test_without_barge_in_our_voice_is_not_touched():
    talk = Talk(barge_in=False)
    d = speaking(talk)
    assert d.speech_started(900) == []
    assert d.sustained(900) == []
    d.likely_end(900, 0)
    d.heard(900, 0, "stop that", final=True)
    assert d.turn_ended(900, 0) == [Closed(900)]


# --- nothing is left unanswered -------------------------------------------------------------------


def test_a_caller_who_goes_on_before_we_speak_gets_one_answer_to_all(talk):
    talk.utter(100, "book a table")
    decisions = talk.utter(900, "for four people")
    assert AskAgent(2, "book a table for four people", ()) in decisions
    assert decisions[-1] == Release(2)


def test_noise_that_silenced_us_before_the_first_word_brings_the_question_back(talk):
    talk.utter(100, "what time is it")
    d = talk.dialogue
    d.speech_started(900)
    d.sustained(900)
    d.likely_end(900, 0)
    d.heard(900, 0, "", final=True)
    assert d.turn_ended(900, 0) == [Closed(900), AskAgent(2, "what time is it", ()), Release(2)]


def test_words_that_come_while_the_next_utterance_has_begun_wait_for_it(talk):
    d = talk.dialogue
    d.speech_started(100)
    d.turn_ended(100, 0)
    d.speech_started(900)
    assert d.heard(100, 0, "one", final=True) == [Closed(100), Said("one", 100)]
    d.likely_end(900, 0)
    d.heard(900, 0, "two", final=True)
    assert d.turn_ended(900, 0)[-1] == Release(d.turn.number)
    assert d.history.question()[0] == "one two"


def test_a_failed_reply_is_asked_again_and_then_excused(talk):
    talk.utter(100, "hello")
    d = talk.dialogue
    for turn in (1, 2):
        assert d.reply_failed(turn, repeat=True) == [
            Cut(turn + 1, barge_in=False),
            AskAgent(turn + 1, "hello", ()),
            Release(turn + 1),
        ]
    assert d.reply_failed(3, repeat=True) == [Cut(4, barge_in=False), Speak(4, "sorry"), Release(4)]


def test_an_engine_that_may_not_be_asked_again_is_excused_at_once(talk):
    talk.utter(100, "hello")
    assert Speak(2, "sorry") in talk.dialogue.reply_failed(1, repeat=False)


def test_a_reply_that_broke_off_is_continued_after_its_spoken_words(talk):
    talk.utter(100, "tell me")
    talk.speak(1, "Once upon a time.", ends=False)
    decisions = talk.dialogue.reply_failed(1, repeat=True, offered="Once upon a time. There")
    assert decisions == [AskAgent(1, "tell me", (), "Once upon a time. There")]


def test_a_reply_that_broke_off_and_may_not_be_asked_again_is_excused_behind_its_words(talk):
    talk.utter(100, "tell me")
    talk.speak(1, "Once upon a time.", ends=False)
    assert talk.dialogue.reply_failed(1, repeat=False, offered="Once") == [Excuse(1, "sorry")]


def test_a_failed_early_question_costs_nothing(talk):
    d = talk.dialogue
    d.speech_started(100)
    d.likely_end(100, 0)
    d.heard(100, 0, "hello", final=True)
    d.reply_failed(1, repeat=True)
    assert d.turn_ended(100, 0)[-2:] == [AskAgent(2, "hello", ()), Release(2)]


def test_an_utterance_that_no_engine_could_hear_is_asked_for_again(talk):
    d = talk.dialogue
    d.speech_started(100)
    d.turn_ended(100, 0)
    assert d.unheard(100, "again?") == [Closed(100), Speak(1, "again?"), Release(1)]


# --- lines of our own -----------------------------------------------------------------------------


def test_a_line_waits_until_we_have_finished(talk):
    d = talk.dialogue
    d.speak("first")
    assert d.speak("second") == []
    assert talk.speak(1, "first") == [Speak(2, "second"), Release(2)]


def test_a_line_waits_until_the_caller_has_finished(talk):
    d = talk.dialogue
    d.speech_started(100)
    assert d.speak("line") == []
    d.likely_end(100, 0)
    d.heard(100, 0, "", final=True)
    assert d.turn_ended(100, 0) == [Closed(100), Speak(1, "line"), Release(1)]


@pytest.mark.parametrize("repeatable", [True, False])
def test_an_agent_that_answers_with_silence_is_not_asked_again_and_hears_the_next_question(repeatable):
    talk = Talk(speculative=False, repeatable=repeatable)
    talk.utter(1000, "thank you")
    assert talk.dialogue.spoken(1, "", ends_turn=True, cut=False) == []
    assert talk.dialogue.is_idle

    asked = next(decision for decision in talk.utter(9000, "and now") if isinstance(decision, AskAgent))
    assert asked.text == "and now"


def test_nothing_is_idle_that_speaks_or_waits(talk):
    dialogue = talk.dialogue
    assert dialogue.is_idle
    dialogue.speech_started(1000)
    assert not dialogue.is_idle
    dialogue.likely_end(1000, 0)
    dialogue.turn_ended(1000, 0)
    assert not dialogue.is_idle
    dialogue.heard(1000, 0, "hello", final=True)
    assert not dialogue.is_idle
    talk.speak(1, "Hello!")
    assert dialogue.is_idle
    dialogue.speak("One more thing.")
    assert not dialogue.is_idle


def test_a_typed_line_is_answered_like_a_spoken_one(talk):
    assert talk.dialogue.typed("hi") == [Said("hi", -1), AskAgent(1, "hi", ()), Release(1)]


def test_an_interrupt_from_outside_cuts_and_forgets_the_question(talk):
    talk.utter(100, "tell me")
    assert talk.dialogue.silence() == [Cut(2, barge_in=False)]
    assert talk.utter(900, "") == [Closed(900)]


def test_an_utterance_before_the_last_answered_one_is_ignored(talk):
    talk.utter(1000, "hello")
    assert talk.dialogue.speech_started(900) == []


# --- engines that may not be asked twice --------------------------------------------------------


def test_what_such_an_engine_was_given_it_is_not_given_again():
    talk = Talk(speculative=False, repeatable=False)
    talk.utter(100, "book the table for tonight")
    asked = [d for d in talk.utter(900, "hello are you there") if isinstance(d, AskAgent)]
    assert asked == [AskAgent(2, "hello are you there", (Line("user", "book the table for tonight"),))]


def test_noise_that_cut_off_such_an_engine_is_excused():
    talk = Talk(speculative=False, repeatable=False)
    talk.utter(100, "book the table")
    d = talk.dialogue
    d.speech_started(900)
    d.sustained(900)
    d.likely_end(900, 0)
    d.heard(900, 0, "", final=True)
    assert Speak(2, "sorry") in d.turn_ended(900, 0)


# --- small courtesies ---------------------------------------------------------------------------


def test_a_caller_who_speaks_first_is_not_greeted_afterwards(talk):
    talk.dialogue.speech_started(100)
    assert talk.dialogue.greet("Hello!") == []


def test_a_yes_over_the_end_of_our_question_is_its_answer(talk):
    d = speaking(talk, "Shall I book it?")
    talk.voice.asking = True
    d.speech_started(900)
    d.likely_end(900, 0)
    d.heard(900, 0, "yes", final=True)
    assert any(isinstance(decision, AskAgent) and decision.text == "yes" for decision in d.turn_ended(900, 0))


def test_words_that_do_not_come_do_not_hold_our_voice(talk):
    d = speaking(talk)
    d.speech_started(900)
    d.likely_end(900, 0)
    d.turn_ended(900, 0)
    assert d.overdue(900) == [ResumeVoice(1)]
    assert Cut(2, barge_in=True) in d.heard(900, 0, "stop that", final=True)


def test_sustained_voice_whose_words_do_not_come_has_the_floor(talk):
    d = speaking(talk)
    d.speech_started(900)
    d.sustained(900)
    d.turn_ended(900, 0)
    assert d.overdue(900) == []


def test_an_answer_that_was_cut_between_two_phrases_is_marked_as_cut(talk):
    talk.utter(100, "tell me")
    talk.speak(1, "First phrase.", ends=False)
    talk.utter(900, "stop that")
    assert Line("agent", "First phrase.", cut=True) in talk.dialogue.history.lines


def test_lines_of_our_own_do_not_queue_without_end(talk):
    talk.dialogue.speak("now")
    refused = [talk.dialogue.speak(f"line {number}") for number in range(20)]
    assert refused.count([Overfull()]) == 4


def test_the_history_and_a_question_are_bounded(talk):
    for number in range(3000):
        talk.dialogue.typed(f"question {number} " + "x" * 100)
    assert len(talk.dialogue.history.lines) <= 1100
    question, _ = talk.dialogue.history.question()
    assert len(question) <= 8000
    assert "question 2999" in question


# --- keys and sounds ------------------------------------------------------------------------------

KEYS = SendDtmf("123#")
SOUND = PlayAudio("chime", b"\0\0", 24_000)


def test_keys_and_sounds_come_after_what_is_being_said_in_the_order_in_which_they_were_asked_for(talk):
    d = talk.dialogue
    d.speak("Hello.")
    assert d.play(KEYS) == []
    assert d.play(SOUND) == []
    assert talk.speak(1, "Hello.") == [Play(2, KEYS), Release(2)]
    assert talk.speak(2, "") == [Play(3, SOUND), Release(3)]
    assert talk.speak(3, "") == []
    assert d.history.lines == (Line("agent", "Hello."),)


def test_a_sound_is_interrupted_like_speech(talk):
    d = talk.dialogue
    d.play(SOUND)
    d.voice_started(1)
    assert d.speech_started(100) == [PauseVoice(1)]
    assert d.sustained(100) == [Cut(2, barge_in=True)]


def test_keys_are_sent_whole_and_what_is_said_meanwhile_is_answered_after_them(talk):
    d = talk.dialogue
    d.play(KEYS)
    d.voice_started(1)
    assert talk.utter(100, "please hold the line") == [Closed(100), Said("please hold the line", 100)]
    assert d.sustained(100) == []
    assert d.typed("and now") == [Said("and now", -1)]
    assert talk.speak(1, "") == [AskAgent(2, "please hold the line and now", ()), Release(2)]


def test_what_nobody_could_hear_over_keys_is_asked_for_after_them(talk):
    d = talk.dialogue
    d.play(KEYS)
    d.voice_started(1)
    d.speech_started(100)
    d.turn_ended(100, 0)
    assert d.unheard(100, "Again?") == [Closed(100)]
    assert talk.speak(1, "") == [Speak(2, "Again?"), Release(2)]


def test_an_interrupt_from_outside_ends_keys_too(talk):
    d = talk.dialogue
    d.play(KEYS)
    d.play(SOUND)
    assert kinds(d.silence()) == ["Cut"]
    assert d.speak("Next.") == [Speak(2, "Next."), Release(2)]
