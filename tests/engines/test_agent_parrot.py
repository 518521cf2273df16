from __future__ import annotations

from datetime import UTC, datetime

import pytest

from openclaw_actors.engines.agent import parrot
from openclaw_actors.engines.agent.parrot import ParrotEngine
from openclaw_actors.engines.agent.spoken_numbers import numbers_in, say_number
from openclaw_actors.engines.protocols import AgentRequest, EndCall
from openclaw_actors.messages import Line


def request(text: str, *, unfinished: str = "", call_seconds: float = 65.4, history: tuple[Line, ...] = ()):
    return AgentRequest(
        call_id="c1",
        caller="",
        text=text,
        history=history,
        system_prompt="",
        call_seconds=call_seconds,
        unfinished=unfinished,
    )


async def answer(text: str, now: datetime | None = None, **rest) -> tuple[str, bool]:
    engine = ParrotEngine(now=lambda: now or datetime(2026, 11, 20, 15, 5, tzinfo=UTC))
    pieces = [piece async for piece in engine.reply(request(text, **rest))]
    words = [piece for piece in pieces if isinstance(piece, str)]
    return "".join(words).strip(), any(isinstance(piece, EndCall) for piece in pieces)


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        ("The cat sat on the mat", "You said: The cat sat on the mat"),
        ("What is the weather like in Paris today?", "You said: What is the weather like in Paris today?"),
        ("What time is it?", "It is three oh five PM."),
        ("tell me the time please", "It is three oh five PM."),
        ("what's the date today", "Today is Friday, November 20."),
        ("WHAT DAY IS IT", "Today is Friday, November 20."),
        ("how long have we been talking", "We have been talking for 1 minute and 5 seconds."),
        ("how long is this call", "We have been talking for 1 minute and 5 seconds."),
        ("how long is a piece of string", "You said: how long is a piece of string"),
        ("what can you do", parrot.ABOUT),
        ("help", parrot.ABOUT),
        ("count to five", "one, two, three, four, five."),
        ("please count from one to 3", "one, two, three."),
        ("you can count on me", "You said: you can count on me"),
        ("what is two plus two", "2 plus 2 is 4."),
        ("how much is 12 divided by five", "12 divided by 5 is 2, remainder 2."),
        ("three minus twenty one", "3 minus 21 is minus 18."),
        ("two hundred and three times 2", "203 times 2 is 406."),
        ("seven divided by zero", "Nobody can divide by zero."),
        ("these are good times", "You said: these are good times"),
        ("thank you", "You are welcome."),
        ("how are you", "I am fine, thank you."),
        ("", parrot.NOT_HEARD),
        (" ?! ", parrot.NOT_HEARD),
    ],
)
async def test_the_caller_gets_an_answer(heard: str, said: str):
    assert await answer(heard) == (said, False)


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        (datetime(2026, 1, 1, 0, 0, tzinfo=UTC), "It is twelve o'clock AM."),
        (datetime(2026, 1, 1, 12, 30, tzinfo=UTC), "It is twelve thirty PM."),
        (datetime(2026, 1, 1, 23, 59, tzinfo=UTC), "It is eleven fifty nine PM."),
    ],
)
async def test_the_time_is_told_in_words(moment: datetime, said: str):
    assert await answer("what time is it", moment) == (said, False)


@pytest.mark.parametrize(
    "heard", ["Goodbye!", "okay bye bye", "good bye then", "could you please hang up now, thank you very much"]
)
async def test_a_goodbye_is_answered_and_ends_the_call(heard: str):
    assert await answer(heard) == (parrot.GOODBYE, True)


async def test_talking_about_a_goodbye_does_not_end_the_call():
    said, ends = await answer("my mother never says goodbye when she leaves the house")

    assert said.startswith("You said: my mother")
    assert not ends


async def test_the_answer_comes_word_by_word():
    pieces = [piece async for piece in ParrotEngine().reply(request("red green blue"))]

    assert pieces == ["You ", "said: ", "red ", "green ", "blue "]


async def test_a_broken_off_answer_goes_on_after_the_words_already_spoken():
    assert await answer("count to five", unfinished="one, two") == ("three, four, five.", False)


async def test_an_answer_that_was_wholly_spoken_is_not_repeated_and_not_empty():
    assert await answer("thank you", unfinished="You are welcome.") == (parrot.ALL_SAID, False)


async def test_an_answer_that_has_changed_meanwhile_begins_anew():
    assert await answer("what time is it", unfinished="It is three oh four") == ("It is three oh five PM.", False)


async def test_it_says_its_last_words_again():
    history = (Line("user", "hello"), Line("agent", "Blue is a colour."), Line("user", "what"))

    assert await answer("say that again", history=history) == ("Blue is a colour.", False)


async def test_it_is_instant_and_may_be_asked_early_and_again():
    engine = ParrotEngine()
    await engine.open()

    assert engine.speculative
    assert engine.repeatable
    await engine.aclose()
    await engine.aclose()


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("nine hundred and ninety nine to a hundred", [999, 100]),
        ("call 15551234567 at 8", [8]),
        ("a dog", []),
        ("three twenty", [3, 20]),
    ],
)
def test_numbers_are_read(text: str, numbers: list[int]):
    assert numbers_in(text.split()) == numbers


def test_a_number_that_is_said_is_read_back():
    assert [numbers_in(say_number(number).split()) for number in range(100)] == [[number] for number in range(100)]
