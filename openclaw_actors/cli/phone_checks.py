"""What ``openclaw-actors doctor`` looks at when calls by phone are configured, each for real."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from twilio.request_validator import RequestValidator

from openclaw_actors.cli.findings import Check, Fault
from openclaw_actors.client import Client
from openclaw_actors.errors import OpenclawActorsError
from openclaw_actors.settings.sections import Settings
from openclaw_actors.telephony.twilio.rest import OwnNumber, TwilioAccount
from openclaw_actors.telephony.twilio.urls import Urls

TEST_MESSAGE = "Hello. This is a test call of your voice host. It works. Goodbye."

_ANSWER_S = 10.0
_CALL_S = 120.0
"""A test call rings for half a minute at most, and is a few seconds long."""


class PhoneChecks:
    """The checks of one configuration in which ``twilio`` is set.

    Args:
        settings: what the host would run with.
        local_url: where the host listens on this machine.
        is_running: whether one does.
        fix: point the number's webhook here when it is not.
        call: a number to call; empty: none.
    """

    def __init__(
        self, settings: Settings, local_url: str, *, is_running: Callable[[], bool], fix: bool = False, call: str = ""
    ) -> None:
        self._settings = settings
        self._local_url = local_url
        self._is_running = is_running
        self._fix = fix
        self._call = call
        self._urls = Urls(settings.server.public_url)
        self._number: OwnNumber | None = None

    def all(self) -> list[tuple[str, Check]]:
        """Name and check of each, in the order in which a person would repair them."""
        checks: list[tuple[str, Check]] = [
            ("twilio account", self._account),
            ("twilio number", self._own_number),
            ("twilio webhook", self._webhook),
            ("carrier to host", self._round_trip),
            ("media stream", self._stream),
            ("who may call", self._callers),
        ]
        return [*checks, ("test call", self._test_call)] if self._call else checks

    # --- at Twilio --------------------------------------------------------------------------------

    async def _account(self) -> str:
        async with opened(self._settings) as account:
            said = await account.describe()
        if "active" not in said:
            raise Fault(said, "see Twilio's console: only an active account can call")
        if "trial" in said:
            raise Fault(
                said, "a trial account calls verified numbers only, and speaks a notice first: upgrade it", "warning"
            )
        return said

    async def _own_number(self) -> str:
        number = self._settings.twilio.from_number
        if not number:
            raise Fault("none is set", "set twilio.from_number to a number of the account's")
        async with opened(self._settings) as account:
            self._number = await account.number(number)
        if self._number is None:
            raise Fault(f"{number} is not a number of this account", "correct twilio.from_number, or buy the number")
        return f"{number} is the account's"

    async def _webhook(self) -> str:
        number, wanted = self._number, self._urls.webhook
        if number is None:
            raise Fault("there is no number to look at", "repair that first")
        if number.voice_url == wanted and number.voice_method == "POST" and not number.application_sid:
            return f"{number.number} asks {wanted}"
        found = f"application or trunk {number.application_sid}" if number.application_sid else number.voice_url
        if not self._fix:
            raise Fault(
                f"{number.number} asks {found or 'nobody'} by {number.voice_method}, not {wanted} by POST",
                "run doctor with --fix, or set it in Twilio's console under the number, Voice Configuration",
            )
        async with opened(self._settings) as account:
            await account.point(number, wanted, self._urls.status)
        return f"{number.number} asks {wanted} from now on; before it asked {found or 'nobody'}"

    # --- from outside to here ---------------------------------------------------------------------

    async def _round_trip(self) -> str:
        """A webhook goes out and comes in by the public URL: signed to the host that runs, else with a token to us."""
        if self._is_running():
            status, text = await self._post(self._urls.status)
            if status == 401:
                raise Fault(
                    f"{self._urls.status} reaches a host that does not know our signature",
                    "let the host that runs have this twilio.auth_token and this server.public_url, and the proxy keep "
                    "the path as it is",
                )
            if status != 200 or "<Response" not in text:
                raise self._astray(status)
            return f"{self._urls.status} reaches the host that runs, and it knows Twilio's signature"
        token = secrets.token_urlsafe(16)
        async with _serving(self._settings, token):
            status, text = await self._post(self._urls.status)
        if text != token:
            raise self._astray(status)
        return f"{self._urls.status} leads here"

    def _astray(self, status: int) -> Fault:
        return Fault(
            f"{self._urls.status} answers {status}, and does not lead to {self._local_url}",
            "start the tunnel or proxy, and let it pass on /voice/ (docs/phone.md has examples)",
        )

    async def _post(self, url: str) -> tuple[int, str]:
        form = {"AccountSid": self._settings.twilio.account_sid, "CallSid": "", "CallStatus": "doctor"}
        headers = {"X-Twilio-Signature": self._sign(url, form)}
        timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(url, data=form, headers=headers, allow_redirects=False) as answer,
            ):
                return answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Fault(
                f"{url} does not answer: {str(error) or 'no answer in time'}",
                "start the tunnel or proxy, or correct server.public_url",
            ) from error

    def _sign(self, url: str, form: dict[str, str]) -> str:
        token = self._settings.twilio.auth_token.get_secret_value()
        return str(RequestValidator(token).compute_signature(url, form))

    async def _stream(self) -> str:
        """A WebSocket from outside: proxies need to be told of those."""
        if not self._is_running():
            raise Fault("no host is running, so no stream can be opened", "start it, then look again", "warning")
        url = self._urls.stream
        headers = {"X-Twilio-Signature": self._sign(url, {})}
        timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.ws_connect(url, headers=headers):
                return f"{url} opens"
        except aiohttp.WSServerHandshakeError as error:
            raise Fault(
                f"{url} answers {error.status} in place of 101 (Twilio calls that 31920)",
                "let the proxy pass on WebSockets: the headers Upgrade and Connection (docs/phone.md has examples)",
            ) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Fault(f"{url} can't be opened: {error}", "start the tunnel or proxy") from error

    # --- policy -----------------------------------------------------------------------------------

    async def _callers(self) -> str:
        numbers, agent = self._settings.numbers, self._settings.agent
        if numbers.inbound_policy == "disabled":
            return "nobody: numbers.inbound_policy is disabled"
        asks = "who knows the PIN" if numbers.pin.get_secret_value() else ""
        if numbers.inbound_policy == "allowlist":
            if not numbers.allow_from:
                raise Fault("nobody: numbers.allow_from is empty", "put your own number into it", "warning")
            return f"{len(numbers.allow_from)} numbers{asks and ', ' + asks}; what a caller shows can be forged"
        routes = numbers.routes.values()
        is_own = "openclaw" in agent.engines and agent.openclaw.agent == "default"
        if is_own and not asks and not (routes and all(route.agent for route in routes)):
            raise Fault(
                "anybody on earth talks with your default agent, with its memory and its tools",
                'set numbers.inbound_policy = "allowlist", or a PIN, or give the number an agent of its own in '
                "numbers.routes",
                "warning",
            )
        return f"anybody{asks and ' ' + asks}"

    # --- a call -----------------------------------------------------------------------------------

    async def _test_call(self) -> str:
        if not self._is_running():
            raise Fault("no host is running that could call", "start it, then look again")
        tokens = self._settings.auth.tokens
        token = tokens[0].get_secret_value() if tokens else ""
        try:
            async with asyncio.timeout(_CALL_S), Client(self._local_url, token) as client:
                call = await client.place(self._call, mode="notify", message=TEST_MESSAGE)
                async for _ in client.events(call["id"]):
                    pass
                call = await client.call(call["id"])
        except TimeoutError as error:
            raise Fault(f"the call to {self._call} has not ended after {_CALL_S:g} s", "see the host's log") from error
        except OpenclawActorsError as error:
            raise Fault(f"{self._call} could not be called: {error}", "do what it says, then look again") from error
        if call["status"] != "completed":
            raise Fault(
                f"the call to {self._call} ended as {call['status']} ({call['end_reason']})",
                "docs/phone.md tells what each outcome and each code means",
                "warning" if call["status"] in {"busy", "no-answer"} else "bad",
            )
        return f"{self._call} was called and heard the message ({call['end_reason']})"


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[TwilioAccount]:
    """The account, for a few requests."""
    account = TwilioAccount(settings.twilio)
    await account.open()
    try:
        yield account
    finally:
        await account.aclose()


@asynccontextmanager
async def _serving(settings: Settings, token: str) -> AsyncIterator[None]:
    """Answer in the host's place, as none is running."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=token)

    app = web.Application()
    path = urlsplit(Urls("").status).path
    app.router.add_post(path, answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, settings.server.host, settings.server.port).start()
        except OSError as error:
            raise Fault(f"nothing can listen there: {error}", "repair the port first") from error
        yield
    finally:
        await runner.cleanup()
