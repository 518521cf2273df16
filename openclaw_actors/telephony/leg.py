"""One call at a carrier: what can be done to it by REST."""

from __future__ import annotations

import asyncio

from openclaw_actors.errors import RefusalError
from openclaw_actors.telephony.carrier import Carrier, CarrierError

_AGAIN_S = 0.5
"""Before the one further try of a hang-up: a call that goes on costs money, and nobody speaks on it."""


class Leg:
    """A CarrierLeg. One that is being placed has no name yet: what is asked meanwhile is done then.

    Args:
        carrier: whose it is.
        carrier_call_id: the carrier's name for the call; empty: ``dialled`` tells it.
        caller_id: who is shown to call when it is transferred; empty: as the carrier does by itself.
        time_limit_s: how long a transferred call may last: we are not there any more to end it.
    """

    def __init__(
        self, carrier: Carrier, carrier_call_id: str = "", *, caller_id: str = "", time_limit_s: float = 14_400.0
    ) -> None:
        self._carrier = carrier
        self._call_id = carrier_call_id
        self._caller_id = caller_id
        self._time_limit_s = max(1, round(time_limit_s))
        self._unwanted = False

    @property
    def is_dialled(self) -> bool:
        """Whether the carrier has told a name for the call."""
        return bool(self._call_id)

    async def dialled(self, carrier_call_id: str) -> None:
        """The call was placed, and has this name, perhaps in place of another; it is ended if it is wanted no more."""
        if carrier_call_id == self._call_id:
            return
        self._call_id = carrier_call_id
        if self._unwanted:
            await self.hang_up()

    async def hang_up(self) -> None:
        """As CarrierLeg.hang_up."""
        self._unwanted = True
        if not self._call_id:
            return
        try:
            await self._carrier.hang_up(self._call_id)
        except CarrierError as error:
            if error.status != 503:
                raise
            await asyncio.sleep(_AGAIN_S)
            await self._carrier.hang_up(self._call_id)

    async def transfer(self, to: str) -> None:
        """As CarrierLeg.transfer."""
        if not self._call_id:
            raise RefusalError(409, "not_now", "The call is not up yet.")
        await self._carrier.transfer(self._call_id, to, self._caller_id, self._time_limit_s)
