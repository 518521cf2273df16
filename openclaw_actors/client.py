"""A host's HTTP API from a program: one method a route, typed, over aiohttp.

::

    async with Client("http://127.0.0.1:8080", token) as client:
        call = await client.place("test", message="Hello.")
        async for event in client.events(call["id"]):
            print(event["type"], event["data"])

Errors: ApiError (the host refused; it says why) and NoConnectionError (the host can't be reached).
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Literal, Self, cast
from urllib.parse import quote

import aiohttp

from openclaw_actors.client_records import (
    Accepted,
    CallPage,
    CallRecord,
    EventRecord,
    JoinToken,
    Node,
    Transcript,
    TranscriptLine,
    VoicemailPage,
    VoicemailRecord,
)
from openclaw_actors.errors import OpenclawActorsError
from openclaw_actors.event_stream import EventStream

HEARTBEAT_LOST_S = 45.0
"""A stream that is silent for so long has lost three heartbeats of the host: it is opened anew."""

_RECONNECT_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses before the attempts to open a stream anew; the last stands for all further ones."""

_NO_HOST = "what answers there is no openclaw_actors host"

__all__ = [
    "Accepted",
    "ApiError",
    "CallPage",
    "CallRecord",
    "Client",
    "EventRecord",
    "JoinToken",
    "NoConnectionError",
    "Node",
    "Transcript",
    "TranscriptLine",
    "VoicemailPage",
    "VoicemailRecord",
]


class ApiError(OpenclawActorsError):
    """The host refused.

    Args:
        status: the HTTP status.
        problem: the members of ``application/problem+json`` (RFC 9457); empty when the answer was none.
        retry_after_s: when to ask again, if the host says so.
    """

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after_s: float | None = None) -> None:
        self.status = status
        self.problem = problem
        self.code = str(problem.get("code", f"http_{status}"))
        """A stable word that programs compare."""
        self.detail = str(problem.get("detail", f"the host answered {status}"))
        """What is wrong and what to do, for a person."""
        self.retry_after_s = retry_after_s
        super().__init__(f"{self.code}: {self.detail}")


class NoConnectionError(OpenclawActorsError):
    """Nobody answers at the URL, or not in time, or what answers is no openclaw_actors host."""


class Client:
    """One host. An async context; make it inside a running loop.

    Args:
        url: where the host is, such as ``http://127.0.0.1:8080``.
        token: a bearer token; none is needed on the host's own machine.
        timeout_s: for one request, all of it; streams of events have none.
        verify_tls: False takes a self-signed certificate.
    """

    def __init__(self, url: str, token: str = "", *, timeout_s: float = 10.0, verify_tls: bool = True) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session = aiohttp.ClientSession(
            headers=headers, connector=aiohttp.TCPConnector(ssl=verify_tls), raise_for_status=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close its connections."""
        await self._session.close()

    # --- calls ------------------------------------------------------------------------------------

    async def calls(
        self,
        *,
        q: str | None = None,
        status: str | None = None,
        transport: str | None = None,
        direction: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> CallPage:
        """A page of calls, newest first: those that live and those on record; ``q``: a number, or words."""
        asked = {
            "q": q,
            "status": status,
            "transport": transport,
            "direction": direction,
            "cursor": cursor,
            "limit": limit,
        }
        query = {name: str(value) for name, value in asked.items() if value is not None}
        return cast("CallPage", await self._json("GET", "/v1/calls", query=query))

    async def call(self, call_id: str) -> CallRecord:
        """One call."""
        return cast("CallRecord", await self._json("GET", _path(call_id)))

    async def place(
        self,
        to: str,
        *,
        from_: str | None = None,
        mode: Literal["conversation", "notify", "voicemail"] = "conversation",
        message: str | None = None,
        agent: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> CallRecord:
        """Place a call to a number in E.164, or to ``test``: a line on which nobody speaks.

        Args:
            to: whom to call.
            from_: one of your own numbers.
            mode: what the call is for.
            message: said first, in place of the greeting.
            agent: whom the agent engine asks.
            metadata: JSON that stays with the call.
            idempotency_key: asked again under the same key, the same call is answered; a new one by default.
        """
        wanted = {"to": to, "from": from_, "mode": mode, "message": message, "agent": agent, "metadata": metadata}
        body = {name: value for name, value in wanted.items() if value is not None}
        headers = {"Idempotency-Key": idempotency_key or secrets.token_hex(16)}
        return cast("CallRecord", await self._json("POST", "/v1/calls", body=body, headers=headers))

    async def erase(self, call_id: str) -> None:
        """Erase all that is kept of a call that is over."""
        await self._json("DELETE", _path(call_id))

    async def transcript(self, call_id: str) -> Transcript:
        """What was said."""
        return cast("Transcript", await self._json("GET", _path(call_id, "transcript")))

    async def recording(self, call_id: str, part: int = 1) -> AsyncIterator[bytes]:
        """The file of a recording, piece by piece; ``part`` as in the call's ``recordings``."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=30)
        url = self.url + _path(call_id, "recording")
        try:
            async with self._session.get(url, params={"part": str(part)}, timeout=timeout) as response:
                if response.status != 200:
                    raise await _refusal(response)
                async for chunk in response.content.iter_any():
                    yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NoConnectionError(f"{self.url}: {_words(error)}") from error

    # --- steering ---------------------------------------------------------------------------------

    async def hangup(self, call_id: str, **command: str) -> Accepted:
        """End the call. Here and below, ``command_id="..."`` names a command: sent again, it is not done again."""
        return await self._act(call_id, "hangup", command)

    async def say(self, call_id: str, text: str, **command: str) -> Accepted:
        """Speak this line in the agent's voice, after what is being said."""
        return await self._act(call_id, "say", command, text=text)

    async def send_text(self, call_id: str, text: str, **command: str) -> Accepted:
        """Take this as if the caller had said it."""
        return await self._act(call_id, "send_text", command, text=text)

    async def interrupt(self, call_id: str, **command: str) -> Accepted:
        """Stop the agent's voice, and drop what waits to be said."""
        return await self._act(call_id, "interrupt", command)

    async def mute(self, call_id: str, **command: str) -> Accepted:
        """Do not listen to the caller."""
        return await self._act(call_id, "mute", command)

    async def unmute(self, call_id: str, **command: str) -> Accepted:
        """Listen again."""
        return await self._act(call_id, "unmute", command)

    async def hold(self, call_id: str, sound: Literal["music", "tone"] = "music", **command: str) -> Accepted:
        """The caller hears music or a soft tone; the conversation stands still."""
        return await self._act(call_id, "hold", command, sound=sound)

    async def resume(self, call_id: str, **command: str) -> Accepted:
        """End the hold: the conversation goes on where it stood."""
        return await self._act(call_id, "resume", command)

    async def send_dtmf(self, call_id: str, digits: str, **command: str) -> Accepted:
        """Send keys (0-9, A-D, ``*``, ``#``; ``w`` pauses for half a second) as tones."""
        return await self._act(call_id, "send_dtmf", command, digits=digits)

    async def play(self, call_id: str, sound: str | bytes, *, name: str = "file", **command: str) -> Accepted:
        """Play one of the host's sounds by its name, or the bytes of a WAV or Ogg file (``name`` is for the event)."""
        if isinstance(sound, str):
            return await self._act(call_id, "play", command, clip=sound)
        return await self._act(call_id, "play", command, audio=base64.b64encode(sound).decode(), name=name)

    async def record_start(self, call_id: str, **command: str) -> Accepted:
        """Record the call from now on, or from the end of the notice."""
        return await self._act(call_id, "record_start", command)

    async def record_stop(self, call_id: str, **command: str) -> Accepted:
        """Stop recording; the file is there when ``call.recording.stopped`` says so."""
        return await self._act(call_id, "record_stop", command)

    async def transfer(self, call_id: str, to: str, **command: str) -> Accepted:
        """Give the call to another number, where its transport can."""
        return await self._act(call_id, "transfer", command, to=to)

    async def _act(self, call_id: str, action: str, command: Mapping[str, str], **body: str) -> Accepted:
        path = _path(call_id, f"actions/{action}")
        return cast("Accepted", await self._json("POST", path, body={**body, **command}))

    # --- voicemail --------------------------------------------------------------------------------

    async def voicemails(
        self,
        *,
        state: str | None = None,
        from_: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> VoicemailPage:
        """A page of messages that callers left, newest first."""
        asked = {"state": state, "from": from_, "cursor": cursor, "limit": limit}
        query = {name: str(value) for name, value in asked.items() if value is not None}
        return cast("VoicemailPage", await self._json("GET", "/v1/voicemails", query=query))

    async def voicemail(self, voicemail_id: str) -> VoicemailRecord:
        """One message."""
        return cast("VoicemailRecord", await self._json("GET", _voicemail(voicemail_id)))

    async def voicemail_audio(self, voicemail_id: str) -> bytes:
        """The sound of a message: Opus in Ogg."""
        url = self.url + _voicemail(voicemail_id, "/audio")
        try:
            async with self._session.get(url, timeout=self._timeout) as response:
                if response.status != 200:
                    raise await _refusal(response)
                return await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NoConnectionError(f"{self.url}: {_words(error)}") from error

    async def erase_voicemail(self, voicemail_id: str) -> None:
        """Erase a message, with its sound."""
        await self._json("DELETE", _voicemail(voicemail_id))

    async def call_back(
        self,
        voicemail_id: str,
        *,
        to: str | None = None,
        message: str | None = None,
        now: bool = False,
        idempotency_key: str | None = None,
    ) -> VoicemailRecord:
        """Call back for a message (again).

        Args:
            voicemail_id: the message.
            to: whom; who left it, by default.
            message: what is said, in place of what the agent has prepared.
            now: also in quiet hours.
            idempotency_key: as of ``place``.
        """
        wanted = {"to": to, "message": message, "now": now}
        body = {name: value for name, value in wanted.items() if value is not None}
        headers = {"Idempotency-Key": idempotency_key or secrets.token_hex(16)}
        path = _voicemail(voicemail_id, "/callback")
        return cast("VoicemailRecord", await self._json("POST", path, body=body, headers=headers))

    # --- events -----------------------------------------------------------------------------------

    async def events(self, call_id: str | None = None, *, after: str = "") -> AsyncIterator[EventRecord]:
        """Events of one call until it has ended, or of all calls for ever; reconnects where the stream breaks.

        Args:
            call_id: whose; None: everybody's.
            after: the id of the last event that is known already; those behind it come first.

        Raises:
            ApiError: the host refuses the stream.
            NoConnectionError: the host can't be reached at first; later it is tried again, for ever.
        """
        path = "/v1/events" if call_id is None else _path(call_id, "events")
        last, failures, connected = after, 0, False
        while True:
            stream = EventStream()
            try:
                async for event in self._stream(path, last, stream):
                    connected, failures = True, 0
                    if event["id"] == last:
                        continue
                    last = event["id"]
                    yield event
                    if call_id is not None and event["type"] == "call.ended":
                        return
                connected, failures = True, 0
                if stream.over:
                    return
            except NoConnectionError:
                if not connected:
                    raise
            except ApiError as error:
                if not connected or not (error.status == 429 or error.status >= 500):
                    raise
            await asyncio.sleep(stream.retry_s or _RECONNECT_S[min(failures, len(_RECONNECT_S) - 1)])
            failures += 1

    async def _stream(self, path: str, last: str, stream: EventStream) -> AsyncIterator[EventRecord]:
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=HEARTBEAT_LOST_S)
        try:
            async with self._session.get(self.url + path, headers=headers, timeout=timeout) as response:
                if response.status == 204:  # the call is over, and its last event is known
                    stream.over = True
                    return
                if response.status != 200:
                    raise await _refusal(response)
                async for chunk in response.content.iter_any():
                    for data in stream.push(chunk):
                        yield cast("EventRecord", json.loads(data))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NoConnectionError(f"{self.url}: {_words(error)}") from error
        except ValueError as error:
            raise NoConnectionError(f"{self.url}: {_NO_HOST}") from error

    # --- the host ---------------------------------------------------------------------------------

    async def node(self, host: str = "") -> Node:
        """How the host does; of a cluster that one, or without a name all of the machine together."""
        return cast("Node", await self._json("GET", "/v1/node", query=_named(host)))

    async def nodes(self) -> list[Node]:
        """All hosts of the cluster; without one, the host."""
        return cast("list[Node]", (await self._json("GET", "/v1/nodes"))["nodes"])

    async def restart(self, host: str) -> Node:
        """End the process of a cluster's host that has no calls, so that it is started anew."""
        return cast("Node", await self._json("POST", "/v1/node/restart", query=_named(host)))

    async def drain(self, on: bool = True, host: str = "") -> Node:
        """Take no new calls, or take them again; how the host does then. ``host`` as ``node`` takes it."""
        method = "POST" if on else "DELETE"
        return cast("Node", await self._json(method, "/v1/node/drain", query=_named(host)))

    async def join_token(
        self, *, ttl_s: int = 120, identity: str = "", metadata: Mapping[str, Any] | None = None
    ) -> JoinToken:
        """A token with which somebody's browser makes one call."""
        body = {"ttl_s": ttl_s, "identity": identity, "metadata": dict(metadata or {})}
        return cast("JoinToken", await self._json("POST", "/v1/join-tokens", body=body))

    # --- requests ---------------------------------------------------------------------------------

    async def _json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        try:
            async with self._session.request(
                method, self.url + path, params=query, json=body, headers=headers, timeout=self._timeout
            ) as response:
                if response.status >= 400:
                    raise await _refusal(response)
                raw = await response.read()
                return json.loads(raw) if raw else None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NoConnectionError(f"{self.url}: {_words(error)}") from error
        except ValueError as error:
            raise NoConnectionError(f"{self.url}: {_NO_HOST}") from error


def _path(call_id: str, rest: str = "") -> str:
    return f"/v1/calls/{quote(call_id, safe='')}" + (f"/{rest}" if rest else "")


def _named(host: str) -> dict[str, str]:
    return {"host": host} if host else {}


def _voicemail(voicemail_id: str, rest: str = "") -> str:
    return f"/v1/voicemails/{quote(voicemail_id, safe='')}{rest}"


def _words(error: BaseException) -> str:
    return str(error) or ("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)


async def _refusal(response: aiohttp.ClientResponse) -> ApiError:
    raw = await response.read()
    try:
        problem = json.loads(raw)
    except ValueError:
        problem = {}
    after = response.headers.get("Retry-After", "")
    return ApiError(
        response.status, problem if isinstance(problem, dict) else {}, float(after) if after.isdigit() else None
    )
