"""What becomes of a message, as rules without clock or store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from openclaw_actors.messages import Line
from openclaw_actors.settings.sections import Voicemail
from openclaw_actors.store.records import VoicemailRecord

State = Literal[
    "recording", "fetching", "recorded", "transcribed", "asking", "due", "dialling", "done", "failed", "kept"
]
PREPARED = ("recording", "fetching", "recorded", "transcribed", "asking")
"""Before it is known what to call back with."""
LONGEST_RETRY_S = 6 * 3600.0
"""Between two attempts: a day has room for several at different times."""
PREPARATION_S = 600.0
"""So long a message that is being prepared holds up the call-back of another of its caller's."""
LOSSES = frozenset(
    {
        "host_restarted",
        "node_lost",
        "shutdown",
        "internal_error",
        "no_media",
        "peer_failed",
        "peer_closed",
        "daily_minutes",
    }
)
"""Ends that are not the other side's doing: who is lost so in the middle of the answer has not heard it."""
STEP_TRIES = 6
"""Of a step that fails by itself (a recogniser, a recording's fetch); with its pauses that is half an hour."""


def retry_after_s(attempts: int, retry_s: float) -> float:
    """How long after the ``attempts``-th call-back that reached nobody the next may be made."""
    doubled: float = retry_s * 2.0 ** (attempts - 1)
    return min(doubled, max(retry_s, LONGEST_RETRY_S))


def step_after_s(tries: int) -> float:
    """How long after a step has failed ``tries`` times it is tried again."""
    return float(min(30 * 2**tries, 600))


def age_s(message: VoicemailRecord, now: float) -> float:
    """How long ago the message was left; ``now`` in seconds of the epoch."""
    return now - datetime.fromisoformat(message.received_at).timestamp()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call-back came to.

    Args:
        result: ``reached``: a person heard the answer, or spoke with the agent; ``left``: a machine has it all;
            ``missed``: neither.
        reason: of ``missed``: a call's status, ``machine``, or ``cut_off``.
    """

    result: Literal["reached", "left", "missed"]
    reason: str = ""


@dataclass(slots=True)
class Attempt:
    """One call that is to bring the answer, followed by its events: as they come, or from the records after a crash.

    Args:
        asks_who: the carrier is to tell a person from a machine: until then what was spoken may have been for nobody.
        inbound: the caller rang in by themselves; a PIN may keep them from hearing anything.
    """

    asks_who: bool
    inbound: bool = False
    answered: bool = False
    verdict: str = ""
    spoken: bool = False
    whole: bool = False
    talked: bool = False
    end: tuple[str, str] | None = None

    def hear(self, kind: str, data: Mapping[str, Any]) -> None:
        """An event of the call."""
        match kind:
            case "call.answered":
                self.answered = True
            case "call.answered_by":
                self.verdict = str(data.get("what", ""))
            case "call.transcript" if data.get("final") and data.get("text"):
                if data.get("role") == "agent":
                    self.spoken = True
                else:
                    self.talked = True
            case "callback.spoken":
                self.whole = True
            case "call.ended":
                self.end = str(data.get("status", "")), str(data.get("reason", ""))

    @property
    def outcome(self) -> Outcome | None:
        """What it came to; None: that can't be said yet."""
        if self.verdict.startswith(("machine", "fax")):
            if self.end is None:
                return None
            return Outcome("left") if self.end[1] == "announced" else Outcome("missed", "machine")
        is_person = bool(self.verdict) or not self.asks_who
        if is_person and (self.whole or self.talked):
            return Outcome("reached")
        if self.end is None:
            return None
        status, reason = self.end
        # Who hangs up in the middle of the answer has heard what they wanted to; whom we lost has not.
        left_by_themselves = self.spoken and not self.inbound and status == "completed" and reason not in LOSSES
        if self.answered and (self.whole or left_by_themselves):
            return Outcome("reached")
        return Outcome("missed", "cut_off" if self.answered else status)


@dataclass(frozen=True, slots=True)
class Opening:
    """How a call-back begins.

    Args:
        text: said first, to a person or a machine.
        history: the messages, as what was said before.
        context: what the agent is told of them.
    """

    text: str
    history: tuple[Line, ...]
    context: str


def opening(messages: Sequence[VoicemailRecord], settings: Voicemail) -> Opening:
    """One call for all of a caller's messages, the oldest first."""
    answers = " ".join(dict.fromkeys(each.answer or settings.no_answer for each in messages))
    told = " ".join(f"At {each.received_at} they said: «{each.transcript}»" for each in messages)
    return Opening(
        f"{settings.opening} {answers}".strip(),
        tuple(Line("user", each.transcript) for each in messages if each.transcript),
        "This call answers what the other side has left on your voicemail. "
        f"{told} Your answer, which opens the call, is: «{answers}»",
    )
