"""The embedded agent: repeats what it heard, answers a few spoken questions, hangs up on a goodbye.

Needs nothing and answers at once, so that a call works on the first day, and a test knows what will be said. Words
are matched, not sentences: pocketsphinx gets every second word of real people wrong.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from openclaw_actors.engines.agent.spoken_numbers import numbers_in, say_number
from openclaw_actors.engines.protocols import AgentRequest, CallControl, EndCall

ABOUT = (
    "I can tell you the time, the date, and how long we have been talking. I can count, and do simple sums. "
    "Anything else I repeat. Say goodbye and I hang up."
)
GOODBYE = "Goodbye! It was nice talking to you."
NOT_HEARD = "I did not catch that. Please say it again."
ALL_SAID = "That was all."
COUNT_MAX = 30
"""Half a minute of counting is enough to interrupt."""

_LONG = 6
"""Words: a bye in a longer sentence is talked about, not said."""


@dataclass(frozen=True, slots=True)
class _Heard:
    """What was said, as words to match."""

    text: str
    words: list[str]

    def has(self, *words: str) -> bool:
        """Whether one of these words, or runs of words, is in it."""
        spoken = f" {' '.join(self.words)} "
        return any(f" {word} " in spoken for word in words)


def _local_now() -> datetime:
    return datetime.now(UTC).astimezone()


class ParrotEngine:
    """An AgentEngine.

    Args:
        now: the wall clock, in the time zone in which times are told.
    """

    name = "parrot"
    speculative = True
    repeatable = True
    first_token_s = 0.0

    def __init__(self, now: Callable[[], datetime] = _local_now) -> None:
        self._now = now

    async def open(self) -> None:
        """It is always ready."""

    async def aclose(self) -> None:
        """It holds nothing."""

    async def reply(self, request: AgentRequest) -> AsyncGenerator[str | CallControl, None]:
        """As AgentEngine.reply: word by word."""
        heard = _Heard(request.text, _words(request.text))
        leaving = _is_goodbye(heard)
        answer = GOODBYE if leaving else self._answer(heard, request)
        for word in _after(answer, request.unfinished):
            yield f"{word} "
        if leaving:
            yield EndCall()

    def _answer(self, heard: _Heard, request: AgentRequest) -> str:
        for road in (_no_words, _how_long, self._clock, _sum, _count, _about, _again, _manners):
            if (answer := road(heard, request)) is not None:
                return answer
        return f"You said: {heard.text.strip()}"

    def _clock(self, heard: _Heard, _request: AgentRequest) -> str | None:
        now = self._now()
        if heard.has("what time", "the time", "time is it", "oclock", "o clock"):
            return f"It is {_clock_words(now)}."
        if heard.has("the date", "what date", "todays date", "what day", "which day"):
            return f"Today is {now:%A}, {now:%B} {now.day}."
        return None


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower().replace("'", "").replace("\u2019", ""))


def _after(answer: str, spoken: str) -> list[str]:
    """The words of ``answer`` that come after ``spoken``; all of them if it began otherwise."""
    words = answer.split()
    done = _words(spoken)
    if not done:
        return words
    for count in range(len(words) + 1):
        if _words(" ".join(words[:count])) == done:
            return words[count:] or ALL_SAID.split()
    return words


def _is_goodbye(heard: _Heard) -> bool:
    if heard.has("hang up", "end the call"):
        return True
    return len(heard.words) <= _LONG and heard.has("bye", "goodbye", "good bye", "bye bye", "good night", "see you")


def _no_words(heard: _Heard, _request: AgentRequest) -> str | None:
    return None if heard.words else NOT_HEARD


def _how_long(heard: _Heard, request: AgentRequest) -> str | None:
    if not heard.has("how long") or not heard.has("talking", "talked", "speaking", "call", "been", "we"):
        return None
    minutes, seconds = divmod(int(request.call_seconds), 60)
    length = [_plural(seconds, "second")] if seconds or not minutes else []
    if minutes:
        length.insert(0, _plural(minutes, "minute"))
    return f"We have been talking for {' and '.join(length)}."


def _sum(heard: _Heard, _request: AgentRequest) -> str | None:
    signs = {"plus": "plus", "minus": "minus", "times": "times", "multiplied": "times", "divided": "divided by"}
    for at, word in enumerate(heard.words):
        if word not in signs:
            continue
        left, right = numbers_in(heard.words[:at]), numbers_in(heard.words[at + 1 :])
        if left and right:
            return _work_out(left[-1], signs[word], right[0])
    return None


def _work_out(left: int, sign: str, right: int) -> str:
    asked = f"{left} {sign} {right}"
    if sign == "divided by":
        if right == 0:
            return "Nobody can divide by zero."
        result, rest = divmod(left, right)
        return f"{asked} is {result}" + (f", remainder {rest}." if rest else ".")
    result = {"plus": left + right, "minus": left - right, "times": left * right}[sign]
    return f"{asked} is {'minus ' if result < 0 else ''}{abs(result)}."


def _count(heard: _Heard, _request: AgentRequest) -> str | None:
    if not heard.has("count", "counting"):
        return None
    at = next(at for at, word in enumerate(heard.words) if word in {"count", "counting"})
    numbers = numbers_in(heard.words[at + 1 :])
    if not numbers or numbers[0] < 1:
        return None
    upto = min(numbers[-1], COUNT_MAX)  # the last one: "count from one to five"
    return ", ".join(say_number(number) for number in range(1, upto + 1)) + "."


def _about(heard: _Heard, _request: AgentRequest) -> str | None:
    if heard.has("help", "what can you", "what do you do", "can you do"):
        return ABOUT
    if heard.has("your name", "who are you", "who is this", "whos this"):
        return "I am the parrot, the voice that answers until a better one is set up."
    return None


def _again(heard: _Heard, request: AgentRequest) -> str | None:
    if not heard.has("say that again", "repeat that", "say it again", "what did you say"):
        return None
    return next((line.text for line in reversed(request.history) if line.role == "agent" and line.text), NOT_HEARD)


def _manners(heard: _Heard, _request: AgentRequest) -> str | None:
    if heard.has("how are you"):
        return "I am fine, thank you."
    if len(heard.words) > 3:
        return None
    if heard.has("thanks", "thank you"):
        return "You are welcome."
    if heard.has("hello", "hi", "hey"):
        return "Hello! Say something and I repeat it, or ask me for help."
    return None


def _clock_words(now: datetime) -> str:
    """In words: a voice reads ``3:05`` as it pleases."""
    hour, half = say_number(now.hour % 12 or 12), "AM" if now.hour < 12 else "PM"
    if now.minute == 0:
        return f"{hour} o'clock {half}"
    return f"{hour} {'oh ' if now.minute < 10 else ''}{say_number(now.minute)} {half}"


def _plural(count: int, unit: str) -> str:
    return f"{count} {unit}{'' if count == 1 else 's'}"
