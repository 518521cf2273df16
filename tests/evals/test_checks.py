"""What came of a script is judged by what was said in which step, and when."""

from __future__ import annotations

import pytest

from openclaw_actors.evals.checks import check, has
from openclaw_actors.evals.ear import share_heard
from openclaw_actors.evals.judge import transcript
from openclaw_actors.evals.record import SeenEvent, StepRecord
from tests.evals.samples import agent, call, script, sounded, user


def verdicts(of_script, record) -> dict[str, str]:
    return {check.what: check.verdict for check in check(of_script, record)}


def one_answer(text: str, **expect) -> dict[str, str]:
    step = {"say": "What time is it?", "expect": expect}
    record = call(
        StepRecord(began_at=1, spoken_at=2, voice_at=2.5),
        events=(user(2.1, "what time is it"), sounded(2.4, 1), agent(3, text)),
    )
    return verdicts(script(step), record)


@pytest.mark.parametrize(
    ("text", "words", "is_in"),
    [
        ("It's half past two.", "its half", True),
        ("It is two o'clock.", "TWO", True),
        ("twofold", "two", False),
        ("two, and four", "two and four", True),
        ("", "two", False),
    ],
)
def test_words_are_whole_words_in_any_case_whatever_stands_between(text, words, is_in):
    assert has(text, words) is is_in


def test_each_thing_that_is_wanted_has_its_own_verdict():
    found = one_answer(
        "It is two.",
        words=["two", "three"],
        any=["two", "2"],
        matches=r"\bTWO\b",
        understood=["what time"],
        within_ms=600,
        **{"not": ["it is"]},
    )
    assert found == {
        "says 'two'": "held",
        "says 'three'": "failed",
        "says one of 'two', '2'": "held",
        "does not say 'it is'": "failed",
        r"says what matches \bTWO\b": "held",
        "understands 'what time'": "held",
        "answers within 600 ms": "held",
    }


def test_an_answer_that_came_late_says_how_late():
    (late,) = check(script({"say": "a", "expect": {"within_ms": 400}}), call(StepRecord(1, 2, 2.5)))
    assert (late.verdict, late.detail) == ("failed", "it took 500 ms")


def test_no_answer_fails_a_step_that_waits_for_one_and_no_other():
    assert verdicts(script({"say": "a"}), call(StepRecord(1, 2))) == {"the agent answers": "failed"}
    assert verdicts(script({"say": "a", "answer": False}), call(StepRecord(1, 2))) == {}


def test_the_line_that_an_interruption_cut_belongs_to_the_step_that_it_answered():
    steps = ({"say": "count"}, {"interrupt": "stop", "expect": {"silent_within_ms": 300}})
    record = call(
        StepRecord(1, 2, 2.5),
        StepRecord(4, 5, 6, silent_at=4.2),
        events=(
            sounded(2.4, 1),
            agent(3, "One, two,"),
            agent(4.3, "three", cut=True),
            sounded(5.9, 2),
            agent(7, "Yes.", 2),
        ),
    )
    said = [[line.text for line in lines] for lines in record.said_by_agent()]
    assert said == [["One, two,", "three"], ["Yes."], []]
    assert verdicts(script(*steps), record) == {"falls silent within 300 ms": "held"}
    assert (
        transcript(script(*steps), record)
        == "Caller: count\nAssistant: One, two, three -\nCaller: stop\nAssistant: Yes."
    )


def test_a_cut_line_of_a_turn_that_nobody_told_of_belongs_to_the_step_before():
    record = call(StepRecord(1, 1, 1.5), StepRecord(4, 5, 6), events=(agent(4.3, "One", cut=True), agent(7, "Yes.", 2)))
    assert [[line.text for line in lines] for lines in record.said_by_agent()] == [["One"], ["Yes."], []]


def test_a_greeting_belongs_to_no_step_and_to_the_whole_call():
    record = call(StepRecord(4, 5, 6), events=(agent(2, "Hello."), agent(7, "Yes.", 2)))
    greeting = {"expect": {"not": ["hello"]}}
    found = verdicts(script({"say": "a", **greeting}, expect={"words": ["hello"]}), record)
    assert found == {"does not say 'hello'": "held", "says 'hello'": "held"}
    assert transcript(script({"say": "a"}), record) == "Assistant: Hello.\nCaller: a\nAssistant: Yes."


def test_partials_of_the_caller_are_not_what_was_understood():
    record = call(StepRecord(1, 2), events=(user(1.5, "what", final=False), user(2.2, "what time")))
    assert [line.text for line in record.understood()[0]] == ["what time"]


@pytest.mark.parametrize(
    ("wanted", "verdict"),
    [
        ("call.engine.switched", "held"),
        ({"type": "call.engine.switched", "stage": "agent"}, "held"),
        ({"type": "call.engine.switched", "stage": "tts"}, "failed"),
        ("call.barge_in", "failed"),
    ],
)
def test_an_event_is_wanted_by_its_type_and_by_what_is_named_of_its_data(wanted, verdict):
    switched = SeenEvent(2.2, "call.engine.switched", {"stage": "agent", "from": "a", "to": "b"})
    (found,) = check(
        script({"say": "a", "answer": False, "expect": {"events": [wanted]}}),
        call(StepRecord(1, 2), events=(switched,)),
    )
    assert found.verdict == verdict


def test_an_event_counts_for_the_step_in_which_it_came():
    steps = [{"silence": 1, "expect": {"no_events": ["call.barge_in"]}}] * 2
    record = call(StepRecord(1), StepRecord(4), events=(SeenEvent(5, "call.barge_in", {"turn": 1}),))
    assert [each.verdict for each in check(script(*steps), record)] == ["held", "failed"]


def test_a_call_that_ended_too_soon_leaves_no_step_unmentioned():
    record = call(StepRecord(1, 2, 3), StepRecord(), fault="the call ended before the script did")
    found = check(script({"say": "a"}, {"say": "b"}), record)
    assert [(each.step, each.verdict) for each in found] == [(0, "failed"), (2, "failed")]


def test_the_whole_call_is_looked_at_too():
    record = call(StepRecord(1, 2, 2.5), StepRecord(4, 5, 6.5), events=(agent(3, "Hello."),), ended="agent_hangup")
    whole = {"words": ["hello"], "within_ms": 1000, "ended": "caller_hangup"}
    assert verdicts(script({"say": "a"}, {"say": "b"}, expect=whole), record) == {
        "says 'hello'": "held",
        "answers within 1000 ms": "failed",
        "ends with caller_hangup": "failed",
    }


def test_the_share_that_was_heard_counts_each_word_as_often_as_it_was_said():
    assert share_heard("one two two three", "two one") == 0.5
    assert share_heard("", "two") == 0
