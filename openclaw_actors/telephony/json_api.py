"""A carrier's REST API that speaks JSON: one pool of connections, bounded answers, and faults as CarrierErrors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from openclaw_actors.telephony.carrier import CarrierError

ANSWER_S = 10.0
"""Carriers answer within a second; whoever waits for a call to be placed should hear of trouble before they give up."""
_ANSWER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Fault:
    """What an error's body says: the carrier's code and words, and what to do, as the end of a sentence."""

    number: int
    said: str
    remedy: str


class JsonApi:
    """Belongs to the running loop; ``open`` it first.

    Args:
        title: the carrier's, for people.
        base_url: before each path.
        headers: of each request: who we are.
        read_fault: what the body of an answer with an error status says.
    """

    def __init__(
        self, title: str, base_url: str, headers: Mapping[str, str], read_fault: Callable[[int, Any], Fault]
    ) -> None:
        self._title = title
        self._base_url = base_url.rstrip("/")
        self._headers = dict(headers)
        self._read_fault = read_fault
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Get ready; nothing is asked yet."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        self._session = aiohttp.ClientSession(timeout=timeout, headers=self._headers)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> Any:
        """One request; the JSON of its answer, None where there is none.

        Raises:
            CarrierError: whatever goes wrong.
        """
        assert self._session is not None, "open() comes first"  # noqa: S101 - a fault of the program's
        url = self._base_url + path
        try:
            async with self._session.request(method, url, json=body, params=query, allow_redirects=False) as answer:
                text = await answer.content.read(_ANSWER_BYTES)
                if answer.status >= 300:
                    raise self._refusal(answer.status, _json(text))
                return _json(text)
        except aiohttp.ClientConnectorError as error:
            raise CarrierError(
                503,
                "carrier_unreachable",
                f"{self._title} can't be reached ({error}); look at the network, then try again.",
            ) from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            said = str(error) or f"no answer within {ANSWER_S:g} s"
            raise CarrierError(
                503, "carrier_unreachable", f"{self._title} did not answer ({said}); try again.", undecided=True
            ) from error

    def _refusal(self, status: int, body: Any) -> CarrierError:
        """An error as ours: which of us has to do something about it is what the status says."""
        fault = self._read_fault(status, body)
        detail = f"{self._title} refused with {fault.number} ({fault.said.rstrip('.')}): {fault.remedy}."
        if status == 429:
            return CarrierError(503, "carrier_busy", detail, fault.number)
        if status >= 500:
            return CarrierError(503, "carrier_unavailable", detail, fault.number, undecided=True)
        if status in {401, 403}:
            return CarrierError(502, "carrier_refused", detail, fault.number)
        return CarrierError(422, "carrier_refused", detail, fault.number)


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
