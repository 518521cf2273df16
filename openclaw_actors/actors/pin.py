"""The door before the agent: until the caller has given the PIN, by keys or voice, this answers in the agent's place.

A caller's number can be forged, and what the agent may do is its owner's (docs/phone.md).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Literal

from openclaw_actors.turns.spoken_digits import spoken_digits

TRIES = 3
"""A wrong PIN costs a call by then; numbers.minutes_per_day bounds how many calls somebody can guess in."""

ASK = "Please enter your PIN."
WRONG = "That is not right. Please enter your PIN."
WELCOME = "Thank you."
REFUSED = "Sorry. Goodbye."

Verdict = Literal["right", "wrong", "refused", "more", "nothing"]


@dataclass(slots=True)
class PinDoor:
    """One call's.

    Args:
        pin: what is right: digits.
        tries_left: wrong ones that may still come.
    """

    pin: str
    tries_left: int = TRIES

    def judge(self, text: str) -> Verdict:
        """What the caller has said or pressed since they were last told that it was wrong.

        ``more``: the beginning of a PIN, or of none: what follows is joined to it. ``nothing``: no digit was in it.
        """
        digits = spoken_digits(text)
        if not digits:
            return "nothing"
        if len(digits) < len(self.pin):
            return "more"
        if self.tries_left > 0 and hmac.compare_digest(digits.encode(), self.pin.encode()):
            return "right"
        self.tries_left -= 1
        return "wrong" if self.tries_left > 0 else "refused"
