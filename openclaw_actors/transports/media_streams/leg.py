"""The carrier's side of a call, as a peer needs it: what can be done to it over the carrier's API."""

from __future__ import annotations

from typing import Protocol


class CarrierLeg(Protocol):
    """One call at the carrier."""

    async def hang_up(self) -> None:
        """End it, whether it still rings or is up; one that is over already is no error."""

    async def transfer(self, to: str) -> None:
        """Connect it with ``to`` (E.164) in place of us.

        Raises:
            RefusalError: the carrier will not; the call is as it was.
        """
