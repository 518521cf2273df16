"""One attempt to hand one event to one receiver, and what became of it."""

from __future__ import annotations

import asyncio
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

import aiohttp
from aiohttp import hdrs

from openclaw_actors import __version__
from openclaw_actors.settings.sections import Webhooks
from openclaw_actors.webhooks.signing import Signer
from openclaw_actors.webhooks.targets import Guard, RefusedAddressError, Resolver

ANSWER_BYTES = 4_096
"""Of an answer's body that are read, so that the connection can serve again; a longer one is cut off with it."""
ANSWER_S = 1.0
"""And how long for: the status has said all, a body that dribbles in must not hold the next event up."""
_RETRY_AFTER_MOST_S = 3_600.0

Verdict = Literal["delivered", "failed", "gone", "blocked"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt.

    Args:
        verdict: ``delivered``: a 2xx came; ``gone``: 410, the receiver wants no more; ``blocked``: the address is not
            allowed; else ``failed``.
        detail: for the log; nothing of the URL, which may hold a secret.
        retry_after_s: what the receiver asked for.
    """

    verdict: Verdict
    detail: str
    retry_after_s: float = 0.0


class Poster:
    """Posts events to one receiver, so that a look-up of its name that hangs holds nobody else's. An async context."""

    def __init__(self, settings: Webhooks) -> None:
        self._settings = settings
        self._signer = Signer(settings.secret.get_secret_value())
        self._threads = ThreadPoolExecutor(2, "webhook-names")
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            resolver=Resolver(self._threads),
            socket_factory=Guard(allow_private=self._settings.allow_private).open_socket,
            use_dns_cache=False,  # an address is judged at each connection
            limit=0,  # the deliverer bounds what runs
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._settings.timeout_s),
            auto_decompress=False,  # nobody reads the answer, so nobody can be made to unpack it
            headers={hdrs.USER_AGENT: f"openclaw-actors/{__version__}", hdrs.CONTENT_TYPE: "application/json"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        self._threads.shutdown(wait=False, cancel_futures=True)  # a look-up that hangs must not hang the end

    async def post(self, url: str, event_id: str, body: bytes) -> Outcome:
        """Post ``body``, the event as JSON; never raises but when it is cancelled."""
        headers = self._signer.headers(event_id, int(time.time()), body)
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                outcome = _judge(response)
                await _finish(response)
                return outcome
        except TimeoutError:
            return Outcome("failed", f"no answer within {self._settings.timeout_s:g} s (webhooks.timeout_s)")
        except aiohttp.ClientConnectorDNSError:
            return Outcome("failed", "its name has no address; check webhooks.urls and this machine's DNS")
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, RefusedAddressError):
                return Outcome("blocked", str(error.os_error))
            return Outcome("failed", f"no connection: {error.os_error.strerror or type(error).__name__}")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # ValueError: an answer whose headers can't be read; its text may quote them.
            return Outcome("failed", f"the exchange broke off: {type(error).__name__}")


def _judge(response: aiohttp.ClientResponse) -> Outcome:
    status = response.status
    if 200 <= status < 300:
        return Outcome("delivered", str(status))
    if status == 410:
        return Outcome("gone", "it answered 410: it wants no more events")
    if 300 <= status < 400:
        return Outcome("failed", f"it answered {status}; redirects are not followed, put the last URL in webhooks.urls")
    return Outcome("failed", f"it answered {status}", _retry_after(response.headers.get(hdrs.RETRY_AFTER, "")))


def _retry_after(text: str) -> float:
    """Seconds; 0 for a date (RFC 9110 §10.2.3 allows one) or nonsense: our own delays serve then."""
    try:
        seconds = float(text)
    except ValueError:
        return 0.0
    return min(seconds, _RETRY_AFTER_MOST_S) if math.isfinite(seconds) and seconds > 0 else 0.0


async def _finish(response: aiohttp.ClientResponse) -> None:
    """Read a short answer to its end, so that the connection can be used again; drop the connection of any other."""
    try:
        async with asyncio.timeout(ANSWER_S):
            await response.content.readexactly(ANSWER_BYTES + 1)
    except asyncio.IncompleteReadError:
        return
    except (aiohttp.ClientError, OSError):  # a TimeoutError is an OSError
        pass
    response.close()
