"""One call at Twilio: what can be done to it by REST."""

from __future__ import annotations

import asyncio

from openclaw_actors.errors import RefusalError
from openclaw_actors.telephony.twilio import twiml
from openclaw_actors.telephony.twilio.rest import CarrierError, TwilioAccount

_AGAIN_S = 0.5
"""Before the one further try of a hang-up: a call that goes on costs money, and nobody speaks on it."""


class TwilioLeg:
    """A CarrierLeg. One that is being placed has no CallSid yet: what is asked meanwhile is done then.

    Args:
        account: the account.
        call_sid: Twilio's name for the call; empty: ``dialled`` tells it.
        caller_id: who is shown to call when it is transferred; empty: its caller, as Twilio does.
        time_limit_s: how long a transferred call may last: we are not there any more to end it.
    """

    def __init__(
        self, account: TwilioAccount, call_sid: str = "", *, caller_id: str = "", time_limit_s: float = 14_400.0
    ) -> None:
        self._account = account
        self._call_sid = call_sid
        self._caller_id = caller_id
        self._time_limit_s = max(1, round(time_limit_s))
        self._unwanted = False

    @property
    def is_dialled(self) -> bool:
        """Whether Twilio has told its name for the call."""
        return bool(self._call_sid)

    async def dialled(self, call_sid: str) -> None:
        """The call was placed; it is ended at once if it is wanted no more. Only the first time counts."""
        if self.is_dialled:
            return
        self._call_sid = call_sid
        if self._unwanted:
            await self.hang_up()

    async def hang_up(self) -> None:
        """As CarrierLeg.hang_up."""
        self._unwanted = True
        if not self._call_sid:
            return
        try:
            await self._account.hang_up(self._call_sid)
        except CarrierError as error:
            if error.status != 503:
                raise
            await asyncio.sleep(_AGAIN_S)
            await self._account.hang_up(self._call_sid)

    async def transfer(self, to: str) -> None:
        """As CarrierLeg.transfer."""
        if not self._call_sid:
            raise RefusalError(409, "not_now", "The call is not up yet.")
        await self._account.redirect(self._call_sid, twiml.dial(to, self._caller_id, self._time_limit_s))
