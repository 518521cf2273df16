"""Every body that the API takes and gives, but for those of actions (api/action_models.py).

Bodies are read and written with these models, and described by them at ``/openapi.json``.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, RootModel

from openclaw_actors.settings.sections import Scope
from openclaw_actors.stamps import rfc3339
from openclaw_actors.store.records import VoicemailRecord

MAX_JOIN_S = 600
"""A join token is for a call that begins now: ten minutes are enough to load a page and to say yes to a microphone."""
PAGE_LIMIT = 200

_TEXT = r"^[^\x00]*[^\s\x00-\x20\x7f-\xa0][^\x00]*$"
"""At least one character to speak; no NUL, which PostgreSQL can't keep."""
_KEY = r"^[\x21-\x7e]{1,128}$"
_NUMBER = r"^\+[1-9][0-9]{6,14}$"
"""E.164: at most 15 digits."""


def _storable(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError as error:
        raise ValueError("numbers must be finite") from error
    if r"\u0000" in text:
        raise ValueError("it may not hold NUL characters")
    return value


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]
"""To JSON Schema 300.0 is an integer too, and some languages write no other numbers."""
Metadata = Annotated[dict[str, JsonValue], AfterValidator(_storable)]
Text = Annotated[str, Field(max_length=4096, pattern=_TEXT)]
"""What /audio/speech takes at once."""
CommandKey = Annotated[str, Field(pattern=_KEY)]
PhoneNumber = Annotated[str, Field(pattern=_NUMBER)]
Status = Literal[
    "queued", "initiated", "ringing", "in-progress", "completed", "busy", "no-answer", "failed", "canceled"
]
Direction = Literal["inbound", "outbound"]
VoicemailState = Literal[
    "recording", "fetching", "recorded", "transcribed", "asking", "due", "dialling", "done", "failed", "kept"
]
MediaState = Literal["new", "connecting", "connected", "disconnected", "failed", "closed"]


class Model(BaseModel):
    """A body. Its validator is made when it is first needed: all of them together are 0.1 s of a start."""

    model_config = ConfigDict(defer_build=True)


class Body(Model):
    """A body of a request; members that are not named are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid", populate_by_name=False)


# --- offers ---------------------------------------------------------------------------------------


RESUME_TOKEN = 256
"""Characters; ours have 32."""


class Offer(Model):
    """A browser's offer. Members that are not named here are ignored."""

    sdp: str
    type: str = Field(description='Must be "offer".', json_schema_extra={"const": "offer"})
    metadata: Metadata = Field(default_factory=dict)
    resume: str = Field(
        default="", max_length=RESUME_TOKEN, description="A resume_token: go on with that conversation."
    )
    mode: Literal["conversation", "voicemail"] = Field(
        default="conversation", description="`voicemail`: nobody talks with the caller; they leave a message."
    )


class Answer(Model):
    """The answer to an offer."""

    sdp: str
    type: Literal["answer"] = "answer"
    call_id: str
    resume_token: str


class IceServers(Model):
    """What a browser's RTCPeerConnection is made with."""

    ice_servers: list[dict[str, Any]]


class JoinRequest(Body):
    """A token for one call of somebody who has none."""

    ttl_s: Whole = Field(default=120, ge=1, le=MAX_JOIN_S, description="Seconds that it may be used.")
    identity: str = Field(
        default="", max_length=128, pattern=r"^[^\x00]*$", description="Who will call; becomes the call's `from`."
    )
    metadata: Metadata = Field(
        default_factory=dict, description="Becomes the call's; what the browser sends does not replace it."
    )


class JoinToken(Model):
    """A token for `POST /webrtc/offer`, good for one call."""

    token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the scheme's name
    expires_at: str


# --- calls ----------------------------------------------------------------------------------------


class PlaceCall(Body):
    """A call to place."""

    to: str = Field(
        pattern=rf"{_NUMBER}|^test$",
        description="A phone number in E.164, or `test`: a line on which nobody speaks, for trying out.",
        examples=["test", "+15550100001"],
    )
    from_: PhoneNumber | None = Field(default=None, alias="from", description="One of your own numbers.")
    mode: Literal["conversation", "notify", "voicemail"] = "conversation"
    message: Text | None = Field(
        default=None,
        description="Said first, in place of the greeting. The mode `notify` says it and hangs up; `voicemail` says it "
        "and takes a message of whoever answers.",
    )
    agent: str | None = Field(
        default=None,
        pattern=r"^[\w.-]{1,64}$",
        description="Whom the agent engine asks, such as an OpenClaw agent's id.",
    )
    metadata: Metadata = Field(default_factory=dict)


class StageState(Model):
    """One stage of a live call."""

    state: str
    engine: str
    restarts: int


class RecordingPart(Model):
    """What was recorded from one start to one stop: `GET /v1/calls/{call_id}/recording?part=…` gives the sound.

    What was said at a `time` is at `time` minus `started_at` in it.
    """

    part: int
    state: Literal["recording", "ready", "failed", "expired"]
    format: str = Field(description="`opus` (in Ogg) or `wav`; the caller left, the agent right.")
    started_at: str
    duration_ms: int
    bytes: int
    end_reason: str | None


class Call(Model):
    """A call, live or past. Times are RFC 3339 in UTC."""

    id: str
    status: Status
    media_state: MediaState
    transport: str
    direction: Direction | None
    from_: str = Field(serialization_alias="from")
    to: str
    agent: str
    engines: dict[str, str]
    started_at: str
    answered_at: str | None
    ended_at: str | None
    end_reason: str | None
    restarts: dict[str, int]
    latency: dict[str, int]
    metadata: dict[str, JsonValue]
    carrier_call_id: str = Field(default="", description="The carrier's own name for it, such as Twilio's CallSid.")
    resumed_from: str = Field(default="", description="The call whose conversation went on in this one.")
    muted: bool = False
    held: bool = False
    recording: bool = Field(default=False, description="It is being recorded now.")
    recordings: list[RecordingPart] = Field(default_factory=list)
    stages: dict[str, StageState] | None = Field(default=None, description="Of a live call only.")

    @classmethod
    def of(cls, record: dict[str, Any]) -> Call:
        """From a record as the store or a live call gives it, where what has not come to pass is empty."""
        engines = dict(record["engines"])
        return cls.model_validate(
            {
                **{name: value for name, value in record.items() if name in cls.model_fields},
                "from_": record["from"],
                "direction": record["direction"] or None,
                "agent": record.get("agent") or engines.get("agent", ""),
                "engines": engines,
                "answered_at": record["answered_at"] or None,
                "ended_at": record["ended_at"] or None,
                "end_reason": record["end_reason"] or None,
                "recordings": [
                    {**part, "end_reason": part["end_reason"] or None} for part in record.get("recordings", ())
                ],
            }
        )


class Calls(Model):
    """A page of calls, newest first. `next` is the cursor of the following page; null on the last one."""

    calls: list[Call]
    next: str | None


class CallsQuery(Body):
    """Which calls, and how many."""

    q: Annotated[str, Field(max_length=200, pattern=_TEXT)] | None = Field(
        default=None,
        description="Only calls with all these words in one line of what was said, or with this in a number or a name; "
        "parts of words count.",
    )
    live: bool = Field(default=False, description="Only calls that run now on this host.")
    status: Status | None = None
    transport: str | None = Field(default=None, pattern=r"^[a-z0-9_-]{1,32}$")
    direction: Direction | None = None
    cursor: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.-]{1,128}$")
    limit: int = Field(default=50, ge=1, le=PAGE_LIMIT)


class RecordingQuery(Body):
    """Which part of what was recorded."""

    part: int = Field(default=1, ge=1, le=9999, description="As in the call's `recordings`.")


class TranscriptLine(Model):
    """A final line of the conversation. `cut`: the agent was interrupted in it; only what was spoken is here."""

    role: Literal["user", "agent"]
    text: str
    time: str
    sequence: int
    cut: bool
    turn: int


class Transcript(Model):
    """What was said on a call."""

    call_id: str
    lines: list[TranscriptLine]


# --- voicemail ------------------------------------------------------------------------------------


class Voicemail(Model):
    """A message that somebody left. Times are RFC 3339 in UTC."""

    id: str
    state: VoicemailState = Field(description="What has been done for it; docs/voicemail.md draws them.")
    reason: str | None = Field(description="Of `done`, `failed` or `kept`, such as `reached`, `left`, `no_answer`.")
    from_: str = Field(serialization_alias="from", description="Who left it: an address, or a number in E.164.")
    to: str = Field(description="Which number of yours they called.")
    agent: str
    transport: str
    call_id: str | None = Field(description="The call in which it was left.")
    received_at: str
    seconds: float
    language: str
    transcript: str | None
    answer: str | None = Field(description="What the agent has prepared to say.")
    callback_to: str | None = Field(description="Who is called back.")
    callback_call_id: str | None = Field(description="The last call-back.")
    attempts: int
    next_attempt_at: str | None = Field(description="Of one that is due.")

    @classmethod
    def of(cls, record: VoicemailRecord) -> Voicemail:
        """From its record, where what has not come to pass is empty."""
        shown = {name: getattr(record, name) for name in cls.model_fields if hasattr(record, name)}
        for name in ("reason", "call_id", "transcript", "answer", "callback_to", "callback_call_id"):
            shown[name] = shown[name] or None
        if record.state in {"recording", "fetching", "recorded", "transcribed", "asking"}:
            shown["reason"] = None
        due = rfc3339(datetime.fromtimestamp(record.next_at, UTC)) if record.state == "due" else None
        return cls.model_validate({**shown, "from_": record.caller, "to": record.callee, "next_attempt_at": due})


class Voicemails(Model):
    """A page of messages, newest first. `next` is the cursor of the following page; null on the last one."""

    voicemails: list[Voicemail]
    next: str | None


class VoicemailsQuery(Body):
    """Which messages, and how many."""

    state: VoicemailState | None = None
    from_: str | None = Field(default=None, alias="from", max_length=128, pattern=r"^[^\x00]*$")
    cursor: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.-]{1,128}$")
    limit: int = Field(default=50, ge=1, le=PAGE_LIMIT)


class CallBack(Body):
    """Call back for a message, with all attempts anew."""

    to: PhoneNumber | None = Field(default=None, description="Whom; who left it, by default.")
    message: Text | None = Field(default=None, description="What is said, in place of what the agent has prepared.")
    now: bool = Field(default=False, description="Also in `voicemail.quiet_hours`.")


# --- events and the host --------------------------------------------------------------------------


class EventBody(Model):
    """An event, as the `data` of a server-sent event."""

    id: str
    type: str
    time: str
    call_id: str
    sequence: int
    data: dict[str, JsonValue]


class Node(Model):
    """A host."""

    name: str = Field("", description="In its cluster; empty: it is in none.")
    ready: bool = Field(True, description="As its /readyz says.")
    started_at: str = ""
    calls: int
    limit: int
    draining: bool
    engines: dict[str, Any]


class Nodes(Model):
    """The hosts of a cluster; without one, this host."""

    nodes: list[Node]


class ScrapeTargets(RootModel[list[dict[str, Any]]]):
    """As Prometheus takes them (http_sd)."""


class NodeQuery(Body):
    """Which host of a cluster is meant."""

    host: str = Field(
        default="",
        max_length=24,
        description="Its name, as GET /v1/nodes tells; empty: this host, or of a cluster all hosts of this machine.",
    )


class Me(Model):
    """On whose behalf this request came, and what it may do here."""

    name: str = Field(description="Of the token; `local` for programs and pages on the host's own machine.")
    scopes: list[Scope]
    listen_in: bool = Field(description="Whether this host lets calls be listened to at all (`calls.listen_in`).")
    voicemail: bool = Field(description="Whether it takes messages (`voicemail.enabled`).")


class Alive(Model):
    """The process lives."""

    status: Literal["ok"] = "ok"


class Readiness(Model):
    """Whether new calls are taken, and what serves them."""

    model_config = ConfigDict(extra="allow")

    ready: bool
    engines: dict[str, Any]


class OpenApi(Model):
    """This API, described (OpenAPI 3.1)."""

    model_config = ConfigDict(extra="allow")

    openapi: str
    info: dict[str, JsonValue]
    paths: dict[str, JsonValue]


class FieldFault(Model):
    """What is wrong with a field; its dotted name, empty for the whole body."""

    field: str
    detail: str


class Problem(Model):
    """What went wrong (RFC 9457). `code` is what programs compare."""

    type: Literal["about:blank"]
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldFault] | None = None


SCOPES: dict[Scope, str] = {
    "call:join": "Make a call of one's own.",
    "call:control": "Place and steer calls, make join tokens.",
    "call:listen": "Listen in on calls, where `calls.listen_in` lets anybody.",
    "read": "Read calls, transcripts, events, metrics.",
    "admin": "Erase calls, drain the host.",
}
