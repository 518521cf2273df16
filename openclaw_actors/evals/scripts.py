"""A script of a caller: what it may say, and that it makes sense. docs/evals.md is its description for people.

TOML, because the settings are written in it and Python reads it by itself; in YAML a caller who says ``no`` says false.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from openclaw_actors.actors.event_types import EVENT_TYPES
from openclaw_actors.actors.peer_ear import KEYS, KEYS_LIMIT, TEXT_LIMIT

Action = Literal["say", "wav", "text", "dtmf", "interrupt", "silence", "listen", "hang_up"]
ACTIONS: tuple[Action, ...] = get_args(Action)

WORDS_A_SECOND = 2.5
"""Of a voice: an ``interrupt`` that comes ``after_words`` reckons with it, as transcripts come phrase by phrase."""

SHIPPED = Path(__file__).parent / "scenarios"


@dataclass(frozen=True, slots=True)
class ScriptFault:
    """One thing that is wrong with a script."""

    source: str
    where: str
    """``step 3 (say)``, or empty for what belongs to no step."""
    key: str
    remedy: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.source, self.where, self.key, self.remedy) if part)


class ScriptError(Exception):
    """Scripts that can't be played. ``faults`` are all that were found; the text has one line for each."""

    def __init__(self, faults: Sequence[ScriptFault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class EventWanted(_Table):
    """An event by its type, and by such of its data as is named."""

    model_config = ConfigDict(extra="allow", frozen=True)
    type: str

    @property
    def wanted(self) -> dict[str, Any]:
        """The data that it must have."""
        return dict(self.__pydantic_extra__ or {})

    def __str__(self) -> str:
        details = " ".join(f"{name}={value}" for name, value in self.wanted.items())
        return f"{self.type} {details}".strip()


class Expect(_Table):
    """What must hold of one step, or of the whole call."""

    words: tuple[str, ...] = ()
    """All of these are in what the agent says; each is a word or a run of words, in any case."""
    any: tuple[str, ...] = ()
    """At least one of these is."""
    never: tuple[str, ...] = Field(default=(), alias="not")
    """None of these is."""
    matches: str = ""
    """A regular expression that is found in what the agent says, in any case."""
    understood: tuple[str, ...] = ()
    """All of these are in what the host understood of the caller."""
    within_ms: int = Field(default=0, ge=0)
    """The agent's voice comes at most so long after the caller's last sound."""
    silent_within_ms: int = Field(default=0, ge=0)
    """Spoken over, the agent is silent at most so long after the caller's first sound."""
    quiet_s: float = Field(default=0, ge=0, le=600)
    """The agent says nothing for so long."""
    events: tuple[str | EventWanted, ...] = ()
    no_events: tuple[str | EventWanted, ...] = ()
    ended: str = ""
    """The call is over, for this reason."""
    judge: str = ""
    """A model, if one is configured, finds that this is so."""
    ear: float = Field(default=0, ge=0, le=1)
    """A recogniser, if one is chosen, hears at least this share of the words that the agent is said to have spoken."""

    @model_validator(mode="after")
    def _is_usable(self) -> Self:
        try:
            re.compile(self.matches)
        except re.error as error:
            raise ValueError(f"matches is no regular expression: {error}") from None
        for name in ("words", "any", "never", "understood"):
            if any(not words_of(text) for text in getattr(self, name)):
                raise ValueError(f"{'not' if name == 'never' else name} has a text without a word in it; take it out")
        for event in (*self.events, *self.no_events):
            _check_event(event if isinstance(event, str) else event.type)
        if self.quiet_s and (self.words or self.any or self.matches or self.within_ms):
            raise ValueError("quiet_s wants no answer, the others want one: take either out")
        return self

    @property
    def is_of_an_answer(self) -> bool:
        """Whether there must be one."""
        return bool(self.words or self.any or self.matches or self.within_ms or self.judge or self.ear)


def _check_event(kind: str) -> None:
    if kind not in EVENT_TYPES:
        near = difflib.get_close_matches(kind, EVENT_TYPES, 1)
        raise ValueError(
            f"there is no event {kind!r}" + (f"; is {near[0]!r} meant?" if near else "; see docs/events.md")
        )


class Step(_Table):
    """One thing that the caller does, and what must come of it."""

    say: str | tuple[str | float, ...] | None = None
    """A text, or texts with pauses of so many seconds between them."""
    wav: str | None = None
    """A sound file, beside the script."""
    text: str | None = Field(default=None, min_length=1, max_length=TEXT_LIMIT)
    """Typed, not spoken."""
    dtmf: str | None = None
    interrupt: str | None = Field(default=None, min_length=1)
    """Said over the agent's answer to the step before."""
    silence: float | None = Field(default=None, gt=0, le=600)
    """Seconds in which the caller says nothing."""
    listen: float | None = Field(default=None, gt=0, le=600)
    """Seconds within which the agent begins to speak; it is heard to the end."""
    hang_up: bool | None = None
    after_ms: int | None = Field(default=None, ge=0, le=60_000)
    """Of ``interrupt``: into the agent's voice."""
    after_words: int | None = Field(default=None, ge=1, le=500)
    voice: str = ""
    """Another one than the caller's."""
    answer: bool = True
    """Whether the caller waits for one."""
    expect: Expect = Expect()

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        done = [name for name in ACTIONS if getattr(self, name) is not None]
        if len(done) != 1:
            what = f"has {' and '.join(done)}" if done else "does nothing"
            raise ValueError(f"a step is one of {', '.join(ACTIONS)}; this {what}: split it up" if done else
                             f"a step is one of {', '.join(ACTIONS)}; this {what}: give it one")  # fmt: skip
        if self.hang_up is False:
            raise ValueError("hang_up can only be true; leave the step out")
        if isinstance(self.say, tuple):
            _check_pauses(self.say)
        elif self.say is not None and not self.say.strip():
            raise ValueError("say is empty: give it a text, or use silence")
        if self.dtmf is not None and not (0 < len(self.dtmf) <= KEYS_LIMIT and set(self.dtmf.upper()) <= KEYS):
            raise ValueError(f"dtmf is 1 to {KEYS_LIMIT} of 0-9, A-D, * and #")
        self._check_interrupt()
        return self

    def _check_interrupt(self) -> None:
        if self.interrupt is None:
            for name in ("after_ms", "after_words"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} belongs to interrupt: take it out")
            if self.expect.silent_within_ms:
                raise ValueError("expect.silent_within_ms belongs to interrupt: take it out")
        elif self.after_ms is not None and self.after_words is not None:
            raise ValueError("after_ms and after_words are two ways to say when: take one out")

    @property
    def action(self) -> Action:
        """What it does."""
        return next(name for name in ACTIONS if getattr(self, name) is not None)

    @property
    def speaks(self) -> bool:
        """Whether the caller's voice is heard in it."""
        return self.action in {"say", "wav", "interrupt"}

    @property
    def wants_answer(self) -> bool:
        """Whether the agent's voice is waited for."""
        return self.answer and self.action not in {"silence", "hang_up"} and not self.expect.quiet_s

    def shown(self) -> str:
        """The step in words, for a report."""
        value = getattr(self, self.action)
        if self.action == "say" and isinstance(value, tuple):
            return " ".join(f"[{part:g} s]" if isinstance(part, float) else str(part) for part in value)
        return {
            "silence": f"(says nothing for {value} s)",
            "listen": "(listens)",
            "hang_up": "(hangs up)",
            "dtmf": f"(presses {value})",
            "text": f"(types) {value}",
            "wav": f"(plays {value})",
        }.get(self.action, str(value))


def _check_pauses(parts: tuple[str | float, ...]) -> None:
    texts = [part for part in parts if isinstance(part, str)]
    if not texts or not all(text.strip() for text in texts):
        raise ValueError('say as a list is texts with pauses between, such as ["My number is", 0.7, "five five"]')
    if any(isinstance(part, float) and not 0 < part <= 30 for part in parts):
        raise ValueError("a pause in say is above 0 and at most 30 seconds; use silence for longer ones")


class CallerTable(_Table):
    """Who calls."""

    voice: str = "auto"
    """``auto``, ``flite:slt``, or a voice of an engine: ``espeak-ng:en-us``, ``piper:…``, ``edge-tts:…``."""
    name: str = "eval"


class ListenTable(_Table):
    """How the caller listens."""

    greeting_s: float = Field(default=4, ge=0, le=60)
    """An agent that greets has begun by then; 0: nobody waits for a greeting."""
    reply_s: float = Field(default=20, gt=0, le=600)
    """An answer has begun by then."""
    quiet_s: float = Field(default=1.2, ge=0.2, le=30)
    """So much silence ends an answer: a voice pauses for 0.9 s between sentences at most (edge-tts pads 0.875 s)."""


class Script(_Table):
    """A whole scenario."""

    name: str = Field(min_length=1, max_length=120)
    description: str = ""
    needs: str = ""
    """What a host must have or be made to do. With it, a script in a folder is played only when it is asked for."""
    timeout_s: float = Field(default=120, gt=0, le=3600)
    caller: CallerTable = CallerTable()
    listen: ListenTable = ListenTable()
    steps: tuple[Step, ...] = Field(min_length=1, max_length=200)
    expect: Expect = Expect()
    path: Path = Path()

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.expect.silent_within_ms or self.expect.quiet_s:
            raise ValueError("expect of the whole call has no silent_within_ms and no quiet_s: give them to a step")
        return self


def load(paths: Iterable[Path]) -> list[Script]:
    """The scripts in these files and folders (``*.toml``, those in folders by name).

    Raises:
        ScriptError: a file can't be read, or says what can't be played; all faults of all files at once.
    """
    faults: list[ScriptFault] = []
    scripts: list[Script] = []
    for path in paths:
        files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
        if not files:
            faults.append(ScriptFault(str(path), "", "", "there is no *.toml in this folder"))
        for file in files:
            try:
                scripts.append(_load(file))
            except ScriptError as error:
                faults += error.faults
    if faults:
        raise ScriptError(faults)
    return scripts


def _load(path: Path) -> Script:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ScriptError([ScriptFault(str(path), "", "", f"can't be read: {error}")]) from error
    except tomllib.TOMLDecodeError as error:
        raise ScriptError([ScriptFault(str(path), "", "", f"is no TOML: {error}")]) from error
    if "path" in raw:
        raise ScriptError([ScriptFault(str(path), "", "path", "there is no such key; take it out")])
    try:
        script = Script.model_validate(_with_tuples({**raw}) | {"path": path})
    except ValidationError as error:
        errors = error.errors()
        inner = any(len(each["loc"]) > 1 and each["loc"][0] == "steps" for each in errors)
        # A step that is no good counts for none, so the list of them seems empty as well.
        told = [each for each in errors if not (inner and each["loc"] == ("steps",))]
        raise ScriptError([_fault(str(path), raw, each) for each in told]) from None
    faults = list(_across(script))
    if faults:
        raise ScriptError(faults)
    return script


def _with_tuples(value: Any) -> Any:
    """Lists as the models have them: strict checks take no list for a tuple."""
    if isinstance(value, dict):
        return {name: _with_tuples(each) for name, each in value.items()}
    return tuple(_with_tuples(each) for each in value) if isinstance(value, list) else value


def _across(script: Script) -> Iterable[ScriptFault]:
    """Faults that a step has only by where it stands."""
    source = str(script.path)
    for number, step in enumerate(script.steps, 1):
        where = f"step {number} ({step.action})"
        before = script.steps[number - 2] if number > 1 else None
        if step.action == "interrupt" and (before is None or not before.wants_answer):
            remedy = (
                "there is no answer before it that could be interrupted; let a say, wav, text or listen stand there"
            )
            yield ScriptFault(source, where, "interrupt", remedy)
        if step.wav is not None and not (script.path.parent / step.wav).is_file():
            remedy = f"there is no file {step.wav!r} beside the script"
            yield ScriptFault(source, where, "wav", remedy)
        if before is not None and before.action == "hang_up":
            yield ScriptFault(source, where, step.action, "the caller has hung up before it; let hang_up be the last")


def _fault(source: str, raw: dict[str, Any], error: Any) -> ScriptFault:
    """A fault of pydantic's in words, with the step that has it."""
    place = list(error["loc"])
    where = ""
    if len(place) > 1 and place[0] == "steps" and isinstance(place[1], int):
        step = raw["steps"][place[1]]
        action = next((name for name in ACTIONS if isinstance(step, dict) and name in step), "")
        where = f"step {place[1] + 1}" + (f" ({action})" if action else "")
        place = place[2:]
    names = [str(part) for part in place if not isinstance(part, int) and not _is_of_pydantic(str(part))]
    return ScriptFault(source, where, ".".join(names), _remedy(error, names))


def _is_of_pydantic(part: str) -> bool:
    return part in {"str", "float", "EventWanted"} or part.startswith(("tuple[", "function-"))


def _remedy(error: Any, names: list[str]) -> str:
    kind = error["type"]
    if kind == "extra_forbidden":
        known = _keys_at(names[:-1])
        near = difflib.get_close_matches(names[-1], known, 1) if names else []
        return (
            f"there is no such key; is {near[0]!r} meant?"
            if near
            else f"there is no such key; known are {', '.join(known)}"
        )
    if kind == "missing" or (kind == "too_short" and names == ["steps"]):
        return "is missing; a script has a name, and at least one [[steps]]"
    message = str(error["msg"]).removeprefix("Value error, ")
    return message if kind == "value_error" else f"{message[0].lower()}{message[1:]}, not {error['input']!r:.60}"


def _keys_at(names: Sequence[str]) -> list[str]:
    tables: dict[str, type[_Table]] = {"caller": CallerTable, "listen": ListenTable, "expect": Expect}
    table = tables.get(names[-1]) if names else None
    models: tuple[type[_Table], ...] = (table,) if table else (Step, Script)
    return sorted({field.alias or name for model in models for name, field in model.model_fields.items()} - {"path"})


def words_of(text: str) -> list[str]:
    """Its words in lower case, without marks: ``What's`` is ``whats``."""
    return re.findall(r"[^\W_]+", text.lower().replace("'", "").replace("\u2019", ""))
