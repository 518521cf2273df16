"""What ``openclaw-actors doctor`` looks at when calls by phone are configured, each for real."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from openclaw_actors.cli.findings import Check, Fault
from openclaw_actors.client import Client
from openclaw_actors.errors import OpenclawActorsError
from openclaw_actors.settings.sections import Settings
from openclaw_actors.telephony.carrier import Carrier, OwnNumber
from openclaw_actors.telephony.carriers import configured

TEST_MESSAGE = "Hello. This is a test call of your voice host. It works. Goodbye."

_ANSWER_S = 10.0
_CALL_S = 120.0
"""A test call rings for half a minute at most, and is a few seconds long."""


class PhoneChecks:
    """The checks of one configuration in which a carrier is set.

    Args:
        settings: what the host would run with.
        local_url: where the host listens on this machine.
        is_running: whether one does.
        fix: let numbers ask this host when they do not.
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

    def all(self) -> list[tuple[str, Check]]:
        """Name and check of each, in the order in which a person would repair them."""
        checks: list[tuple[str, Check]] = []
        for carrier in configured(self._settings).values():
            of_it = _CarrierChecks(carrier, self._settings, self._local_url, is_running=self._is_running, fix=self._fix)
            checks += of_it.all()
        checks.append(("who may call", self._callers))
        return [*checks, ("test call", self._test_call)] if self._call else checks

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


class _CarrierChecks:
    """The checks of one carrier; see PhoneChecks."""

    def __init__(
        self, carrier: Carrier, settings: Settings, local_url: str, *, is_running: Callable[[], bool], fix: bool
    ) -> None:
        self._carrier = carrier
        self._settings = settings
        self._local_url = local_url
        self._is_running = is_running
        self._fix = fix
        self._number: OwnNumber | None = None

    def all(self) -> list[tuple[str, Check]]:
        """Name and check of each."""
        name = self._carrier.name
        return [
            (f"{name} account", self._account),
            (f"{name} number", self._own_number),
            (f"{name} webhook", self._webhook),
            (f"{name} to host", self._round_trip),
            (f"{name} media stream", self._stream),
        ]

    # --- at the carrier ---------------------------------------------------------------------------

    async def _account(self) -> str:
        async with opened(self._carrier) as carrier:
            standing = await carrier.describe()
        if standing.remedy:
            raise Fault(standing.said, standing.remedy, "warning" if standing.usable else "bad")
        return standing.said

    async def _own_number(self) -> str:
        number, key = self._carrier.from_number, f"{self._carrier.name}.from_number"
        if not number:
            raise Fault("none is set", f"set {key} to a number of the account's")
        async with opened(self._carrier) as carrier:
            self._number = await carrier.number(number)
        if self._number is None:
            raise Fault(f"{number} is not a number of this account", f"correct {key}, or buy the number")
        return f"{number} is the account's"

    async def _webhook(self) -> str:
        number, wanted = self._number, self._carrier.webhook_url
        if number is None:
            raise Fault("there is no number to look at", "repair that first")
        if number.is_ours:
            return f"{number.number} asks {wanted}"
        if not self._fix:
            raise Fault(
                f"{number.number} asks {number.asks or 'nobody'}, not {wanted} by POST",
                f"run doctor with --fix, or set it in {self._carrier.title}'s console (docs/carriers.md tells where)",
            )
        async with opened(self._carrier) as carrier:
            await carrier.point(number)
        return f"{number.number} asks {wanted} from now on; before it asked {number.asks or 'nobody'}"

    # --- from outside to here ---------------------------------------------------------------------

    async def _round_trip(self) -> str:
        """A webhook goes out and comes in by the public URL: signed to the host that runs, else with a token to us."""
        url, body, signed = self._carrier.probe()
        if not self._is_running():
            token = secrets.token_urlsafe(16)
            async with _serving(self._settings, token):
                status, text, _ = await _post(url, body, signed)
            if text != token:
                raise self._astray(url, status)
            return f"{url} leads here"
        status, text, demanded = await _post(url, body, signed)
        title = self._carrier.title
        if status == 401 and signed:
            raise Fault(
                f"{url} reaches a host that does not know our signature",
                f"let the host that runs have the same [{self._carrier.name}] and the same server.public_url, and the "
                "proxy keep the path as it is",
            )
        if not signed and status == 401 and demanded == self._carrier.name:
            return f"{url} reaches the host that runs, and it asks for {title}'s signature, which only {title} can make"
        if status != 200 or text != self._carrier.nothing:
            raise self._astray(url, status)
        return f"{url} reaches the host that runs, and it knows {title}'s signature"

    def _astray(self, url: str, status: int) -> Fault:
        return Fault(
            f"{url} answers {status}, and does not lead to {self._local_url}",
            "start the tunnel or proxy, and let it pass on /voice/ (docs/phone.md has examples)",
        )

    async def _stream(self) -> str:
        """A WebSocket from outside: proxies need to be told of those."""
        if not self._is_running():
            raise Fault("no host is running, so no stream can be opened", "start it, then look again", "warning")
        url, signed = self._carrier.probe_stream()
        timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.ws_connect(url, headers=signed):
                return f"{url} opens"
        except aiohttp.WSServerHandshakeError as error:
            demanded = error.headers.get("WWW-Authenticate", "") if error.headers is not None else ""
            if not signed and error.status == 401 and demanded == self._carrier.name:
                return f"{url} reaches the host that runs, which lets in calls alone"
            raise Fault(
                f"{url} answers {error.status} in place of 101",
                "let the proxy pass on WebSockets: the headers Upgrade and Connection (docs/phone.md has examples)",
            ) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Fault(f"{url} can't be opened: {error}", "start the tunnel or proxy") from error


@asynccontextmanager
async def opened(carrier: Carrier) -> AsyncIterator[Carrier]:
    """The account, for a few requests."""
    await carrier.open()
    try:
        yield carrier
    finally:
        await carrier.aclose()


async def _post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, str]:
    """Status, body, and whose signature was demanded."""
    timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            return answer.status, await answer.text(), answer.headers.get("WWW-Authenticate", "")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Fault(
            f"{url} does not answer: {str(error) or 'no answer in time'}",
            "start the tunnel or proxy, or correct server.public_url",
        ) from error


@asynccontextmanager
async def _serving(settings: Settings, token: str) -> AsyncIterator[None]:
    """Answer in the host's place, as none is running."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=token)

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
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
