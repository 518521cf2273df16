"""What happens at a number that is called: a person, a machine, or nobody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Script:
    """How a call to a number goes.

    Args:
        outcome: what comes of the ringing.
        dial_s: how long until anything happens, and any callback comes.
        ring_s: how long it rings before that; ``no-answer`` waits for the call's own time limit, times ``ring_s``.
        answered_by: what answering-machine detection says, where it was asked for; empty: it never says anything.
        verdict_s: how long after the answer it says so.
        error_code: of ``failed``.
        repeats: each callback is sent twice.
        late_ringing: "ringing" is told only when the call is over.
        mute: no callback is ever sent.
    """

    outcome: Literal["answers", "busy", "no-answer", "failed"] = "answers"
    dial_s: float = 0.0
    ring_s: float = 0.05
    answered_by: str = "human"
    verdict_s: float = 0.1
    error_code: str = "13227"
    repeats: bool = False
    late_ringing: bool = False
    mute: bool = False


@dataclass(frozen=True, slots=True)
class RestFault:
    """What goes wrong with one request to the REST API.

    Args:
        status: the HTTP status; 0: the connection is dropped.
        code: the carrier's error code.
        message: its words.
        done: the request is carried out all the same.
        hangs: it is never answered.
    """

    status: int
    code: int = 20500
    message: str = "An internal server error has occurred"
    done: bool = False
    hangs: bool = False
