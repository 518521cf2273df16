"""Twilio's side of HTTP: what it sends is signed as Twilio signs, for the public URLs, and reaches a host of ours."""

from __future__ import annotations

import io
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from types import TracebackType
from typing import Self

import aiohttp
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from openclaw_actors.media.resample import Resampler

Form = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a webhook was answered."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Exchange:
    """An account's webhooks and streams; an async context.

    Args:
        public_url: ``server.public_url`` of the host.
        reach: where the host really listens, such as ``http://127.0.0.1:8080``: a tunnel leads there.
        auth_token: of the account.
        account_sid: of the account.
        headers: that the tunnel adds.
    """

    def __init__(
        self,
        public_url: str,
        reach: str,
        auth_token: str,
        account_sid: str = "AC" + "0" * 32,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.public_url = public_url.rstrip("/")
        self.reach = reach.rstrip("/")
        self.account_sid = account_sid
        self.headers = dict(headers or {})
        self._validator = RequestValidator(auth_token)
        self._client: aiohttp.ClientSession | None = None
        self.recordings: dict[str, tuple[str, bytes]] = {}
        """What Twilio has recorded and not erased: CallSid and WAV file by RecordingSid."""

    def keep_recording(self, call_sid: str, pcm: bytes) -> str:
        """Keep a recording (s16 mono at 16 kHz) as Twilio does, at 8 kHz; its RecordingSid."""
        file = io.BytesIO()
        with wave.open(file, "wb") as written:
            written.setnchannels(1)
            written.setsampwidth(2)
            written.setframerate(8_000)
            written.writeframes(Resampler(16_000, 8_000).push(pcm))
        sid = new_sid("RE")
        self.recordings[sid] = (call_sid, file.getvalue())
        return sid

    async def __aenter__(self) -> Self:
        self._client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.close()

    def sign(self, url: str, form: Form = ()) -> str:
        """The signature of a request to ``url`` with these fields."""
        return str(self._validator.compute_signature(url, MultiDict(form)))

    async def post(self, url: str, form: Form, headers: Mapping[str, str] | None = None) -> Reply:
        """Send a webhook, signed; ``headers`` go over what would be sent."""
        sent = {**self.headers, "X-Twilio-Signature": self.sign(url, form), **(headers or {})}
        async with self._http.post(self._local(url), data=MultiDict(form), headers=sent) as response:
            return Reply(response.status, await response.text(), dict(response.headers))

    async def open(self, url: str, headers: Mapping[str, str] | None = None) -> aiohttp.ClientWebSocketResponse:
        """Open a media stream, signed.

        Raises:
            aiohttp.WSServerHandshakeError: it was refused; Twilio calls that 31920.
        """
        sent = {**self.headers, "X-Twilio-Signature": self.sign(url), **(headers or {})}
        return await self._http.ws_connect(self._local(url), headers=sent, max_msg_size=0, autoping=True)

    def form(self, call_sid: str, caller: str, callee: str, **more: str) -> dict[str, str]:
        """The fields that every webhook of a call has."""
        return {
            "AccountSid": self.account_sid,
            "ApiVersion": "2010-04-01",
            "CallSid": call_sid,
            "CallStatus": "ringing",
            "Called": callee,
            "Caller": caller,
            "Direction": "inbound",
            "From": caller,
            "To": callee,
            **more,
        }

    def _local(self, url: str) -> str:
        scheme, _, rest = url.partition("://")
        public = self.public_url.partition("://")[2]
        if scheme not in {"http", "https", "ws", "wss"} or not rest.startswith(public):
            raise ValueError(f"{url} is not under {self.public_url}: Twilio would call somebody else")
        return self.reach + rest[len(public) :]

    @property
    def _http(self) -> aiohttp.ClientSession:
        if self._client is None:
            raise RuntimeError("the exchange is not open")
        return self._client


def new_sid(kind: str) -> str:
    """An id as Twilio makes them: ``CA`` (call), ``MZ`` (stream) ... and 32 hex digits."""
    return kind + token_hex(16)
