"""Twilio's REST API, as far as calls need it: place, steer and end them, and look after the number's webhook."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import aiohttp
from twilio.base.exceptions import TwilioException

from openclaw_actors.settings.sections import Twilio
from openclaw_actors.telephony.carrier import CarrierError
from openclaw_actors.telephony.twilio.errors import remedy_of

if TYPE_CHECKING:
    from twilio.rest import Client

    from openclaw_actors.telephony.twilio.http import SessionClient

T = TypeVar("T")

ANSWER_S = 10.0
"""Twilio answers within 0.2-1 s; whoever waits for a call to be placed should hear of trouble before they give up."""

RECORDING_BYTES = 32 * 1024 * 1024
"""Of one recording: ten minutes of WAV at 8 kHz in two channels are 19 MB."""

OVER = frozenset({20404, 21220})
"""What is said to a hang-up of a call that is over."""


class TwilioAccount:
    """One account; ``open`` it first. Belongs to the running loop.

    What is awaited raises CarrierError.
    """

    def __init__(self, settings: Twilio) -> None:
        self._settings = settings
        self._client: Client | None = None
        self._http: SessionClient | None = None

    async def open(self) -> None:
        """Get ready; nothing is asked of Twilio yet."""
        # It takes 0.4 s to import, for which no call may wait; a host without a phone does not import it at all.
        rest, http = await asyncio.get_running_loop().run_in_executor(None, _import)
        self._http = http.SessionClient(ANSWER_S)
        token = self._settings.auth_token.get_secret_value()
        self._client = rest.Client(self._settings.account_sid, token, http_client=self._http)
        self._client.api.base_url = self._settings.api_base_url.rstrip("/")

    async def aclose(self) -> None:
        """Close its connections."""
        if self._http is not None:
            await self._http.aclose()

    def _api(self) -> Client:
        assert self._client is not None, "open() comes first"  # noqa: S101 - a fault of the program's
        return self._client

    # --- calls ------------------------------------------------------------------------------------

    async def place(self, **asked: Any) -> str:
        """Place a call, with the fields of Twilio's Call resource; its CallSid."""
        placed = await _answer(self._api().calls.create_async(**asked))
        return str(placed.sid)

    async def hang_up(self, call_sid: str) -> None:
        """End a call, whether it rings or is up. One that is over is no error."""
        try:
            # "canceled" would leave a call that has just been answered as it is; "completed" ends both.
            await _answer(self._api().calls(call_sid).update_async(status="completed"))
        except CarrierError as error:
            if error.number not in OVER:
                raise

    async def redirect(self, call_sid: str, twiml: str) -> None:
        """Let the call go on with other TwiML: its stream ends."""
        await _answer(self._api().calls(call_sid).update_async(twiml=twiml))

    # --- recordings -------------------------------------------------------------------------------

    async def recordings_of(self, call_sid: str) -> list[str]:
        """The RecordingSids of a call's recordings that are complete."""
        found = await _answer(self._api().recordings.list_async(call_sid=call_sid, limit=5))
        return [str(each.sid) for each in found if each.status == "completed"]

    async def recording(self, recording_sid: str) -> bytes:
        """A recording as a WAV file. The address is made of its id: one that a request names is not called."""
        assert self._http is not None, "open() comes first"  # noqa: S101 - a fault of the program's
        sid, base = self._settings.account_sid, self._settings.api_base_url.rstrip("/")
        url = f"{base}/2010-04-01/Accounts/{sid}/Recordings/{quote(recording_sid, safe='')}.wav"
        auth = (sid, self._settings.auth_token.get_secret_value())
        status, body = await _answer(self._http.download(url, auth, RECORDING_BYTES))
        if status != 200:
            raise CarrierError(503, "carrier_refused", f"Twilio did not give the recording ({status}).", status)
        return body

    async def erase_recording(self, recording_sid: str) -> None:
        """Let Twilio forget a recording; one that is gone is no error."""
        try:
            await _answer(self._api().recordings(recording_sid).delete_async())
        except CarrierError as error:
            if error.number not in {404, 20404}:
                raise

    # --- the account ------------------------------------------------------------------------------

    async def read(self) -> Any:
        """The account: ``friendly_name``, ``status``, ``type``."""
        return await _answer(self._api().api.accounts(self._settings.account_sid).fetch_async())

    async def number(self, number: str) -> Any | None:
        """The account's IncomingPhoneNumber; None when it is not the account's."""
        found = await _answer(self._api().incoming_phone_numbers.list_async(phone_number=number, limit=20))
        # Twilio looks for parts of numbers.
        return next((each for each in found if each.phone_number == number), None)

    async def point(self, sid: str, voice_url: str, status_url: str) -> None:
        """Let Twilio ask ``voice_url`` when the number is called, and tell ``status_url`` how the call has ended."""
        await _answer(
            self._api()
            .incoming_phone_numbers(sid)
            .update_async(
                voice_url=voice_url,
                voice_method="POST",
                voice_application_sid="",
                status_callback=status_url,
                status_callback_method="POST",
            )
        )


def _import() -> tuple[Any, Any]:
    return importlib.import_module("twilio.rest"), importlib.import_module("openclaw_actors.telephony.twilio.http")


async def _answer(request: Awaitable[T]) -> T:
    """Wait for the answer, bounded; whatever goes wrong as a CarrierError."""
    try:
        return await request
    except aiohttp.ClientConnectorError as error:
        raise CarrierError(
            503, "carrier_unreachable", f"Twilio can't be reached ({error}); look at the network, then try again."
        ) from error
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        said = str(error) or f"no answer within {ANSWER_S:g} s"
        raise CarrierError(
            503, "carrier_unreachable", f"Twilio did not answer ({said}); try again.", undecided=True
        ) from error
    except TwilioException as error:
        raise _refusal(error) from error


def _told(error: TwilioException) -> tuple[int, int, str]:
    """HTTP status, Twilio's code and words. Of a list the package gives the answer itself, not what is in it."""
    answer = next((each for each in error.args if hasattr(each, "status_code")), None)
    if answer is not None:
        try:
            told = json.loads(answer.text)
            return int(answer.status_code), int(told["code"]), str(told["message"]).rstrip(".")
        except (ValueError, KeyError, TypeError):
            return int(answer.status_code), int(answer.status_code), "no reason given"
    status = int(getattr(error, "status", 0) or 0)
    number = int(getattr(error, "code", 0) or 0) or status
    said = str(getattr(error, "msg", "") or getattr(error, "detail", "") or error).strip().rstrip(".")
    return status, number, said


def _refusal(error: TwilioException) -> CarrierError:
    """Twilio's error as ours: which of us has to do something about it is what the status says."""
    status, number, said = _told(error)
    detail = f"Twilio refused with {number} ({said}): {remedy_of(number, status)}."
    if status == 429:
        return CarrierError(503, "carrier_busy", detail, number)
    if status >= 500 or not status:
        return CarrierError(503, "carrier_unavailable", detail, number, undecided=True)
    if status in {401, 403}:
        return CarrierError(502, "carrier_refused", detail, number)
    return CarrierError(422, "carrier_refused", detail, number)
