"""Every kind of event that programs outside can hear, with its data: docs/events.md is made from this file.

An event's envelope is ``messages.Event``. Adding a field here is no break; renaming or removing one is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from openclaw_actors.media.hold_music import HoldSound
from openclaw_actors.messages import Stage
from openclaw_actors.observability.traces import Mark

Transport = Annotated[str, Field(description="`webrtc`, or a carrier's name.")]
EngineId = Annotated[str, Field(description="An engine's id, such as `faster-whisper`.")]
Utterance = Annotated[int, Field(description="Names what the caller said: when it began, in samples at 16 kHz.")]
Turn = Annotated[int, Field(description="Numbers what the agent says in this call, from 1.")]
Milliseconds = Annotated[int, Field(ge=0)]


class EventData(BaseModel):
    """What all have in common: nothing is in there that is not described."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, defer_build=True)


class Nothing(EventData):
    """No data: the type says it all."""


class ServingEngines(EventData):
    """Who hears, thinks and speaks."""

    stt: EngineId
    agent: EngineId
    tts: EngineId


class CallInitiated(EventData):
    """A call has begun; its media is being set up."""

    transport: Transport
    direction: Literal["inbound", "outbound"]
    from_: str = Field(alias="from", description="Who calls: an address, or a number in E.164.")
    to: str = Field(description="Whom; empty where there is but one to call.")
    engines: ServingEngines
    metadata: dict[str, Any] = Field(description="What the client sent along with its offer.")
    resumed_from: str = Field(description="The ended call whose conversation goes on here; empty for a new one.")
    carrier_call_id: str = Field("", description="The carrier's own name for it, such as Twilio's CallSid.")


class AnsweredBy(EventData):
    """The carrier has found out who took the call that was placed (`outbound.answering_machine`)."""

    what: str = Field(
        description="`human`, `machine_start`, `machine_end_beep`, `machine_end_silence`, `machine_end_other`, `fax`, "
        "or `unknown`."
    )


class TransferFailed(EventData):
    """The call could not be given to another number, and goes on."""

    to: str
    code: str = Field(description="A stable word, as of the API's problems.")
    detail: str


class CallEnded(EventData):
    """The call is over. Always the last event of a call, also of one whose host was killed."""

    status: Literal["completed", "busy", "no-answer", "failed", "canceled"]
    reason: str = Field(
        description="Why: `caller_hangup`, `agent_hangup`, `api_hangup`, `peer_closed`, `peer_failed`, `no_media`, "
        "`silent_caller`, `idle_timeout`, `max_duration`, `shutdown`, `internal_error`, `host_restarted`, "
        "`node_lost` (the same in a cluster), `stage_failed:<stage>`. "
        "Of calls by phone also `busy`, `no_answer`, `ring_timeout`, `announced` (the message was spoken), `machine` "
        "(one answered), `transferred`, `daily_minutes`, `no_stream`, `carrier_refused:<code>`, "
        "`carrier_failed:<code>`, `not_recorded`, `pin_refused`."
    )
    duration_ms: Milliseconds | None = Field(None, description="Not with `host_restarted` and `node_lost`.")
    ended_at: str | None = Field(
        None,
        description="With `host_restarted` and `node_lost`: when the call was last heard of; the event comes at the "
        "next start, in a cluster within seconds.",
    )


class StageState(EventData):
    """One stage of the call."""

    state: Literal["ready", "down"]
    engine: str = Field(description="What serves it: an engine, a VAD, a codec.")
    restarts: int = Field(ge=0)


class CallStages(EventData):
    """How the stages of the call stand, whenever one of them changes. For live displays; not sent to webhooks."""

    stages: dict[Stage, StageState]


class SpeechStarted(EventData):
    """The caller has begun to speak."""

    utterance: Utterance


class Transcript(EventData):
    """Somebody said something.

    The caller's lines come first as they are being recognised (`final` false; not sent to webhooks), each replacing the
    one before of the same `utterance`, then once for good. The agent's lines come as each phrase has been spoken.
    """

    role: Literal["user", "agent"]
    text: str
    final: bool
    agreed: str = Field("", description="While it is being recognised: how `text` begins as far as that is settled.")
    utterance: Utterance | None = Field(None, description="Of a caller's line. As in `call.speech.started`.")
    turn: Turn | None = Field(None, description="Of an agent's line. Numbers what the agent says, from 1.")
    cut: bool = Field(
        False,
        description="The agent was interrupted here: only `text` was heard. Empty: nothing behind the line before it.",
    )


class TurnLatency(EventData):
    """From the caller's last voiced sample to our first; the parts follow each other and sum to the total."""

    end_of_turn_ms: Milliseconds = Field(description="Until it was sure that the caller had finished.")
    stt_final_ms: Milliseconds = Field(description="Until the words were there.")
    agent_first_token_ms: Milliseconds = Field(description="Until the agent's first word.")
    tts_first_audio_ms: Milliseconds = Field(description="Until its first sound.")
    first_packet_ms: Milliseconds = Field(description="Until that sound was sent.")
    total_ms: Milliseconds


class TurnCompleted(EventData):
    """The agent's answer has begun to sound."""

    turn: Turn
    latency: TurnLatency
    marks: dict[Mark, int] = Field(
        description="When the answer had come how far, in milliseconds from the arrival of the caller's last voice. "
        "Unlike the parts of `latency` these overlap: the agent thinks while it is not yet sure that the caller has "
        "finished."
    )


class BargeIn(EventData):
    """The caller spoke while the agent did."""

    turn: Turn
    outcome: Literal["interrupted", "resumed"] = Field(
        description="`interrupted`: the agent gave way; `resumed`: it was a cough or a nod, and it spoke on."
    )


class CallHeld(EventData):
    """The caller hears music or a tone; the agent neither hears nor speaks."""

    sound: HoldSound


class CallResumed(EventData):
    """The conversation goes on where it was held."""

    held_ms: Milliseconds


class Pin(EventData):
    """The caller has given a PIN. Until it is right, nothing of what they say is told, put on record, or answered."""

    accepted: bool
    tries_left: int = Field(ge=0, description="At 0 the call ends (`pin_refused`).")


class Dtmf(EventData):
    """Keys of a telephone were pressed. Those of a PIN are not told."""

    digits: str = Field(description="`0`-`9`, `A`-`D`, `*`, `#`; `w` is half a second's pause.")
    direction: Literal["in", "out"] = Field(
        description="`in`: the caller pressed them, up to `#` or a pause; `out`: we sent them to the caller's side."
    )
    cut: bool = Field(description="Not all of them were sent.")


class Played(EventData):
    """A sound was played to the caller."""

    name: str
    cut: bool = Field(description="It was interrupted.")


RecordingEnd = Literal["api", "call_ended", "limit", "disk_full", "disk_slow", "failed"]
Part = Annotated[int, Field(ge=1, description="Which recording of the call: each start begins one.")]


class RecordingStarted(EventData):
    """The call is being recorded from now on."""

    part: Part
    format: Literal["opus", "wav"]
    by: Literal["setting", "api", "resumed"] = Field(
        description="Who wanted it; `resumed`: the recording of the call whose conversation goes on here."
    )
    started_at: str = Field(description="When its first sample was heard: what was said then is at its beginning.")


class RecordingStopped(EventData):
    """The call is not recorded any more; the file is there."""

    part: Part
    reason: RecordingEnd = Field(
        description="`limit`: `recordings.max_s`; `disk_full`: less room than `recordings.keep_free_bytes`; "
        "`disk_slow`: the disk did not keep up; `failed`: it refused. The call goes on whatever it is."
    )
    state: Literal["ready", "failed"] = Field(description="`failed`: there is nothing to be played.")
    duration_ms: Milliseconds
    bytes: int = Field(ge=0)


class RecordingFailed(EventData):
    """The call is not recorded, though somebody wanted it; it goes on."""

    reason: Literal["refused", "notice_cut"] = Field(
        description="`notice_cut`: the notice was not heard to its end; start the recording again."
    )
    detail: str


class CallMessage(EventData):
    """The agent took a message of the caller's."""

    text: str


class ListenerJoined(EventData):
    """An operator hears both sides of the call from now on (`calls.listen_in`)."""

    listener: str = Field(description="Who: the name of the token, or `local`.")
    listeners: int = Field(ge=1, description="How many listen now.")


class ListenerLeft(EventData):
    """An operator hears the call no more."""

    listener: str
    listened_ms: Milliseconds
    listeners: int = Field(ge=0, description="How many listen now.")


class StageRestarted(EventData):
    """A stage had failed and works again."""

    stage: Stage
    reason: str = Field(
        description="`crash`, `transient`, `broken`, `refused`, `slow`, `unavailable`, or `ended` (it merely stopped)."
    )
    detail: str = Field(description="The error, for a person.")
    incarnation: int = Field(ge=1, description="How often the stage has been started in this call.")
    downtime_ms: float = Field(ge=0, description="How long the call was without it.")


class EngineSwitched(EventData):
    """Another engine serves a stage from now on."""

    stage: Stage
    from_: str = Field(alias="from")
    to: str


VoicemailId = Annotated[str, Field(description="The message (`/v1/voicemails/{id}`).")]
VoicemailIds = Annotated[list[str], Field(description="The messages that it is about: all that one call answers.")]
CalledBack = Annotated[str, Field(description="The number that is called back; empty where none is known.")]
CallBackId = Annotated[str, Field(description="The call, with events of its own.")]


class VoicemailReceived(EventData):
    """A caller has left a message, and it is kept."""

    voicemail_id: VoicemailId
    call_id: str = Field(description="The call in which it was left; empty where the carrier took it.")
    from_: str = Field(alias="from", description="Who left it: an address, or a number in E.164.")
    to: str = Field(description="Which number of yours they called.")
    seconds: float = Field(ge=0)


class VoicemailTranscribed(EventData):
    """It is known what the message says."""

    voicemail_id: VoicemailId
    text: str
    language: str = Field(description="BCP 47; empty where that is not known for sure.")


class VoicemailAnswered(EventData):
    """The agent has prepared its answer."""

    voicemail_id: VoicemailId
    text: str


class VoicemailErased(EventData):
    """Somebody has erased a message, and with it what told of it."""

    voicemail_id: VoicemailId


class CallbackScheduled(EventData):
    """A call-back waits."""

    voicemail_ids: VoicemailIds
    to: CalledBack
    at: str = Field(description="Not before this time.")
    reason: str = Field(
        description="`requested` (by the API), `quiet_hours`, `host_restarted`, or why no call could be placed: "
        "`hourly_cap`, `daily_minutes`, `full`, `draining`, `not_ready`, `rang_in`, …"
    )


class CallbackStarted(EventData):
    """A call-back is on record, and is dialled now; or its caller has rung in and hears their answer."""

    voicemail_ids: VoicemailIds
    to: CalledBack
    call_id: CallBackId
    attempt: int = Field(ge=0, description="From 1; 0: they rang in.")


class CallbackMissed(EventData):
    """An attempt has reached nobody; there will be another."""

    voicemail_ids: VoicemailIds
    to: CalledBack
    call_id: CallBackId
    attempt: int = Field(ge=0)
    reason: str = Field(description="`busy`, `no_answer`, `failed`, `canceled`, `machine`, or `cut_off`.")
    next_at: str


class CallbackCompleted(EventData):
    """The answer has come to whom it was for."""

    voicemail_ids: VoicemailIds
    to: CalledBack
    call_id: CallBackId
    result: Literal["reached", "left", "rang_in"] = Field(
        description="`reached`: a person heard it; `left`: a machine has it; `rang_in`: they called by themselves."
    )


class CallbackFailed(EventData):
    """Nobody is called back (any more): the message is there to be heard."""

    voicemail_ids: VoicemailIds
    to: CalledBack
    reason: str = Field(
        description="Why the last attempt reached nobody; `too_old`; `number_not_allowed` and other refusals; or "
        "`not_understood`, `no_reply` (the agent has nothing to say), `no_answer`, `sound_lost`."
    )


class NodeDraining(EventData):
    """The host takes no new calls from now on, or takes them again. Calls that are up go on.

    It is no call's own (`call_id` is empty), is told to the client of every call and to readers of `/v1/events`, and is
    on no record.
    """

    draining: bool
    calls: int = Field(ge=0, description="That are up.")
    ends_in_s: float | None = Field(
        description="When the host hangs up those that are still up; it is told once more a minute before. Null: never."
    )


@dataclass(frozen=True, slots=True)
class EventType:
    """One kind of event.

    Args:
        data: the model of its ``data``; its docstring says what has happened.
        terminal: it tells the end of something: webhooks try for a day to deliver it.
        webhooks: whether webhooks deliver it at all, as store/recording.py decides it.
    """

    data: type[EventData]
    terminal: bool = False
    webhooks: bool = True
    says: str = ""
    """What has happened, where ``data`` has nothing to say."""


EVENT_TYPES: dict[str, EventType] = {
    "call.queued": EventType(CallInitiated, says="A number is to be dialled; the carrier has not taken the call yet."),
    "call.initiated": EventType(CallInitiated),
    "call.ringing": EventType(Nothing, says="It rings at the number that was dialled."),
    "call.media.connected": EventType(Nothing, says="The caller's first sound has arrived; anew after a reconnect."),
    "call.answered": EventType(Nothing, says="The connection stands; the agent greets."),
    "call.speech.started": EventType(SpeechStarted),
    "call.transcript": EventType(Transcript),
    "call.turn.completed": EventType(TurnCompleted),
    "call.barge_in": EventType(BargeIn),
    "call.muted": EventType(Nothing, says="Nobody listens to the caller."),
    "call.unmuted": EventType(Nothing, says="The caller is listened to again."),
    "call.held": EventType(CallHeld),
    "call.resumed": EventType(CallResumed),
    "call.dtmf": EventType(Dtmf),
    "call.pin": EventType(Pin),
    "call.played": EventType(Played),
    "call.recording.started": EventType(RecordingStarted),
    "call.recording.stopped": EventType(RecordingStopped, terminal=True),
    "call.recording.failed": EventType(RecordingFailed),
    "call.answered_by": EventType(AnsweredBy),
    "call.transfer_failed": EventType(TransferFailed),
    "call.message": EventType(CallMessage),
    "callback.spoken": EventType(Nothing, says="A call-back: what it was placed to say has been said to its end."),
    "call.listener.joined": EventType(ListenerJoined),
    "call.listener.left": EventType(ListenerLeft),
    "call.stages": EventType(CallStages, webhooks=False),
    "call.stage.restarted": EventType(StageRestarted),
    "call.engine.switched": EventType(EngineSwitched),
    "call.ended": EventType(CallEnded, terminal=True),
    "voicemail.received": EventType(VoicemailReceived),
    "voicemail.transcribed": EventType(VoicemailTranscribed),
    "voicemail.answered": EventType(VoicemailAnswered),
    "voicemail.erased": EventType(VoicemailErased),
    "callback.scheduled": EventType(CallbackScheduled),
    "callback.started": EventType(CallbackStarted),
    "callback.missed": EventType(CallbackMissed),
    "callback.completed": EventType(CallbackCompleted, terminal=True),
    "callback.failed": EventType(CallbackFailed, terminal=True),
    "node.draining": EventType(NodeDraining, webhooks=False),
}
"""In the order in which a call meets them."""


def is_terminal(kind: str) -> bool:
    """Whether an event of this type tells an end. One that is not known here (of another version) does not."""
    known = EVENT_TYPES.get(kind)
    return known is not None and known.terminal
