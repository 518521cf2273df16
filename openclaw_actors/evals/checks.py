"""Whether what came of a script is what it wants: pure, one Check for each thing that was wanted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from openclaw_actors.evals.record import CallRecord, SeenEvent, StepRecord, text_of
from openclaw_actors.evals.scripts import EventWanted, Expect, Script, words_of

Verdict = Literal["held", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation and how it stands. ``step``: its number from 1; 0 for the whole call."""

    step: int
    what: str
    verdict: Verdict
    detail: str = ""
    """What came in its place; empty where it held as wanted."""


def check(script: Script, record: CallRecord) -> list[Check]:
    """All but what a judge or an ear must tell (judge.py, ear.py)."""
    checks = [Check(0, "the call is played to its end", "failed", record.fault)] if record.fault else []
    said, understood = record.said_by_agent(), record.understood()
    for number, (step, played) in enumerate(zip(script.steps, record.steps, strict=True)):
        if played.began_at is None:
            checks.append(Check(number + 1, "it is played", "failed", "the call was over before it"))
            continue
        if played.fault:
            checks.append(Check(number + 1, "it is played", "failed", played.fault))
        if step.wants_answer and played.voice_at is None and not step.expect.ended and not played.fault:
            checks.append(Check(number + 1, "the agent answers", "failed", "nothing was heard"))
        texts = text_of(said[number]), text_of(understood[number])
        found = (
            *_of_texts(step.expect, *texts),
            *_of_times(step.expect, [played]),
            *_of_events(step.expect, record.events_of(number), record.ended),
        )
        checks += [Check(number + 1, *each) for each in found]
    texts = " ".join(map(text_of, said)), " ".join(map(text_of, understood))
    found = (
        *_of_texts(script.expect, *texts),
        *_of_times(script.expect, [p for p in record.steps if p.spoken_at and p.voice_at]),
        *_of_events(script.expect, record.events, record.ended),
    )
    checks += [Check(0, *each) for each in found]
    return checks


_Found = tuple[str, Verdict, str]


def _found(what: str, ok: object, detail: str) -> _Found:
    return (what, "held", "") if ok else (what, "failed", detail)


def _of_texts(expect: Expect, said: str, understood: str) -> Iterator[_Found]:
    instead = f"it said: {said or 'nothing'}"
    for text in expect.words:
        yield _found(f"says {text!r}", has(said, text), instead)
    if expect.any:
        yield _found(f"says one of {', '.join(map(repr, expect.any))}", any(has(said, t) for t in expect.any), instead)
    for text in expect.never:
        yield _found(f"does not say {text!r}", not has(said, text), instead)
    if expect.matches:
        yield _found(f"says what matches {expect.matches}", re.search(expect.matches, said, re.IGNORECASE), instead)
    for text in expect.understood:
        yield _found(f"understands {text!r}", has(understood, text), f"it understood: {understood or 'nothing'}")


def _of_times(expect: Expect, steps: Sequence[StepRecord]) -> Iterator[_Found]:
    if expect.within_ms:
        waits = [answer_ms(step) for step in steps]
        late = [wait for wait in waits if wait is not None and wait > expect.within_ms]
        missing = not waits or any(wait is None for wait in waits)
        detail = "nothing was heard" if missing else f"it took {max(late, default=0):.0f} ms"
        yield _found(f"answers within {expect.within_ms} ms", not late and not missing, detail)
    for step in steps:
        if expect.silent_within_ms:
            took = silence_ms(step)
            detail = "it was not interrupted" if took is None else f"it took {took:.0f} ms"
            what = f"falls silent within {expect.silent_within_ms} ms"
            yield _found(what, took is not None and took <= expect.silent_within_ms, detail)
        if expect.quiet_s:
            yield _found(f"says nothing for {expect.quiet_s:g} s", step.voice_at is None, "it spoke")


def _of_events(expect: Expect, events: Sequence[SeenEvent], ended: str) -> Iterator[_Found]:
    came = ", ".join(dict.fromkeys(event.type for event in events)) or "none"
    for wanted in expect.events:
        detail = next((f"{e.type} came with {_details(e)}" for e in reversed(events) if e.type == _kind(wanted)), "")
        yield _found(f"event {wanted}", any(_is(e, wanted) for e in events), detail or f"events were: {came}")
    for unwanted in expect.no_events:
        found = [event for event in events if _is(event, unwanted)]
        yield _found(f"no event {unwanted}", not found, f"it came: {_details(found[0])}" if found else "")
    if expect.ended:
        ok = ended == expect.ended
        yield _found(f"ends with {expect.ended}", ok, f"it ended with {ended}" if ended else "it did not end")


def _kind(wanted: str | EventWanted) -> str:
    return wanted if isinstance(wanted, str) else wanted.type


def _is(event: SeenEvent, wanted: str | EventWanted) -> bool:
    data: dict[str, Any] = {} if isinstance(wanted, str) else wanted.wanted
    return event.type == _kind(wanted) and all(event.data.get(name) == value for name, value in data.items())


def _details(event: SeenEvent) -> str:
    return " ".join(f"{name}={value}" for name, value in event.data.items())[:200] or "no data"


def has(text: str, words: str) -> bool:
    """Whether the run of ``words`` is in ``text``, by whole words, in any case."""
    return f" {' '.join(words_of(words))} " in f" {' '.join(words_of(text))} "


def answer_ms(step: StepRecord) -> float | None:
    """From the caller's last sound to the agent's first, in milliseconds."""
    return None if step.voice_at is None or step.spoken_at is None else (step.voice_at - step.spoken_at) * 1000


def silence_ms(step: StepRecord) -> float | None:
    """From the caller's first sound to the agent's last, in milliseconds."""
    return None if step.silent_at is None or step.began_at is None else (step.silent_at - step.began_at) * 1000
