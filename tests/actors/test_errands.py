"""What an agent wants done is done once, in order, and never for an answer that nobody hears."""

from __future__ import annotations

import pytest

from openclaw_actors.actors.errands import MESSAGES, MOST, Errands
from openclaw_actors.messages import Errand, HangUp, Hold, KeepMessage, SendDtmf

KEYS, HOLD, BYE, NOTE = SendDtmf("1"), Hold(seconds=30), HangUp("agent_hangup"), KeepMessage("Ring Ann.")


@pytest.fixture
def errands():
    done: list = []
    made = Errands(done.append)
    made.done = done
    return made


def want(errands: Errands, turn: int, *wanted) -> None:
    for what in wanted:
        errands.want(Errand(turn, what))


def test_they_wait_for_the_end_of_what_announces_them_and_keep_their_order(errands):
    errands.released(3)
    want(errands, 3, KEYS, HOLD, BYE)
    assert errands.done == []

    errands.spoken(3)
    assert errands.done == [KEYS, HOLD, BYE]
    errands.spoken(3)
    assert len(errands.done) == 3


def test_an_early_answer_that_is_thrown_away_does_nothing_at_all(errands):
    want(errands, 3, BYE, NOTE)
    errands.cut(4)
    errands.released(4)
    errands.spoken(4)

    assert errands.done == []


def test_a_goodbye_that_was_spoken_into_ends_nothing(errands):
    errands.released(3)
    want(errands, 3, BYE)
    errands.cut(4)
    errands.spoken(3)

    assert errands.done == []


@pytest.mark.parametrize("released_first", [True, False])
def test_a_message_is_kept_as_soon_as_the_turn_is_certain_and_survives_its_end(errands, released_first):
    if released_first:
        errands.released(3)
        want(errands, 3, NOTE)
    else:
        want(errands, 3, NOTE)
        assert errands.done == []
        errands.released(3)
    assert errands.done == [NOTE]

    errands.cut(4)
    errands.spoken(3)
    assert errands.done == [NOTE]


def test_a_question_that_is_asked_again_has_everything_done_once(errands):
    errands.released(3)
    want(errands, 3, NOTE, BYE)
    want(errands, 3, NOTE, BYE)
    errands.spoken(3)
    errands.released(4)
    want(errands, 4, NOTE)

    assert errands.done == [NOTE, BYE]


def test_there_is_an_end_to_them(errands):
    errands.released(1)
    want(errands, 1, *(SendDtmf(f"{n}") for n in range(MOST + 5)))
    errands.spoken(1)
    assert len(errands.done) == MOST

    for turn in range(2, MESSAGES + 10):
        errands.released(turn)
        want(errands, turn, KeepMessage(f"Number {turn}."))
    assert len(errands.done) == MOST + MESSAGES
