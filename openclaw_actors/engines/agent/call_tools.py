"""The tools by which a language model steers its call: what it is told of each, and what its calls of them mean."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openclaw_actors.engines.protocols import (
    CallControl,
    EndCall,
    HoldCall,
    PressKeys,
    TakeMessage,
    TransferCall,
)
from openclaw_actors.media.tones import check_digits
from openclaw_actors.settings.sections import CallTool, Destination

HOLD_S = (5, 600)
"""Seconds: shorter is but a pause, and nobody waits longer."""

MESSAGE_CHARS = 2_000
"""Two minutes of talk."""

LATER = "It will be done as soon as what you say in this answer has been spoken. Say in one short sentence what comes."


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's call of a tool; ``arguments`` as it wrote them, which should be JSON."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Used:
    """What came of a call: what is to be done, if anything, and what the model is told."""

    control: CallControl | None
    result: str


class CallTools:
    """The tools of one call.

    Args:
        names: those that are offered.
        destinations: whom the caller may be transferred to; without any there is no transfer.
    """

    def __init__(self, names: Sequence[CallTool], destinations: Sequence[Destination]) -> None:
        self._numbers = {to.name.casefold(): to.number for to in destinations}
        self._destinations = [to.name for to in destinations]
        self._names = [name for name in names if name != "transfer" or destinations]

    def __bool__(self) -> bool:
        return bool(self._names)

    def specifications(self) -> list[dict[str, Any]]:
        """The ``tools`` of a chat completion."""
        return [{"type": "function", "function": {"name": name, **self._describe(name)}} for name in self._names]

    def _describe(self, name: CallTool) -> dict[str, Any]:
        says, properties = _TOOLS[name].says, dict(_TOOLS[name].arguments)
        if name == "transfer":
            properties["to"] = {**properties["to"], "enum": self._destinations}
        schema = {"type": "object", "properties": properties, "required": list(properties)}
        return {"description": says, "parameters": schema}

    def lines(self) -> str:
        """The tools as a line of a system prompt, for models that get at tools by a detour."""
        return "; ".join(f"{name} ({', '.join(_TOOLS[name].arguments) or 'no arguments'})" for name in self._names)

    def use(self, call: ToolCall) -> Used:
        """What a model's call means. A wrong one is told to the model, which may call again."""
        if call.name not in self._names:
            return Used(None, f"Error: there is no tool {call.name!r}. There are: {', '.join(self._names)}.")
        try:
            arguments = json.loads(call.arguments or "{}")
        except ValueError as error:
            return Used(None, f"Error: the arguments are not JSON ({error}). Nothing was done.")
        if not isinstance(arguments, dict):
            return Used(None, "Error: the arguments must be a JSON object. Nothing was done.")
        try:
            return self._mean(call.name, arguments)
        except (KeyError, ValueError, TypeError) as error:
            why = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
            return Used(None, f"Error: {why}. Nothing was done.")

    def _mean(self, name: str, arguments: Mapping[str, Any]) -> Used:
        match name:
            case "transfer":
                return Used(TransferCall(self._number(str(arguments["to"]))), LATER)
            case "send_dtmf":
                return Used(PressKeys(check_digits(str(arguments["digits"]))), LATER)
            case "hold":
                return Used(HoldCall(_hold_s(float(arguments["seconds"]))), LATER)
            case "take_message":
                return Used(TakeMessage(_message(str(arguments["text"]))), "Noted.")
            case _:
                return Used(EndCall(), LATER)

    def _number(self, name: str) -> str:
        number = self._numbers.get(name.strip().casefold())
        if number is None:
            raise ValueError(f"nobody is called {name!r}; there are: {', '.join(self._destinations)}")
        return number


def _hold_s(seconds: float) -> float:
    if math.isnan(seconds):
        raise ValueError("seconds is no number")
    shortest, longest = HOLD_S
    return min(max(seconds, shortest), longest)


def _message(text: str) -> str:
    if not text.strip():
        raise ValueError("text is empty")
    if len(text) > MESSAGE_CHARS:
        raise ValueError(f"text may have {MESSAGE_CHARS} characters; this has {len(text)}")
    return text.strip()


@dataclass(frozen=True, slots=True)
class _Tool:
    """What a model is told of a tool; ``arguments`` as JSON Schema properties, all of them required."""

    says: str
    arguments: Mapping[str, Mapping[str, Any]]


_TOOLS: Mapping[str, _Tool] = {
    "hangup": _Tool(
        "End the phone call once what you say in this answer has been spoken. Say goodbye before you call it.",
        {},
    ),
    "transfer": _Tool(
        "Hand the caller over to somebody else, and leave the call. Say so before you call it.",
        {"to": {"type": "string", "description": "Whom to."}},
    ),
    "send_dtmf": _Tool(
        "Press keys of the telephone, as an automatic menu asks for them.",
        {"digits": {"type": "string", "description": "0-9, A-D, * and #; w is half a second's pause."}},
    ),
    "hold": _Tool(
        "Let the caller hear music for a while; you neither hear nor speak meanwhile.",
        {"seconds": {"type": "number", "description": f"{HOLD_S[0]} to {HOLD_S[1]}."}},
    ),
    "take_message": _Tool(
        "Keep a message of the caller's for the people whom this phone belongs to.",
        {"text": {"type": "string", "description": "The whole message, with the caller's name and number if given."}},
    ),
}
