"""Every message that actors exchange: the architecture on one page.

Units: media time is a count of 16 kHz samples since the call's first audio; ``*_at`` is the monotonic clock in
seconds. ``utterance`` names one stretch of the caller by the media time at which it began; ``rev`` counts its
revisions (it was likely over, then went on). ``turn`` numbers one attempt of ours to speak; the Call alone hands
it out, and what belongs to a turn below the fence is stale.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

SAMPLE_RATE = 16_000
"""Samples a second of all audio that the caller's side of the tree handles: s16, mono."""

FRAME = 320
"""Samples in one 20 ms frame at SAMPLE_RATE."""

LONGEST_AUDIO = 6 * FRAME
"""Samples in an AudioIn at most: 120 ms, as in the longest packet of Opus."""

Stage = Literal["transport", "tts", "agent", "stt", "turns"]
START_ORDER: tuple[Stage, ...] = ("transport", "tts", "agent", "stt", "turns")
"""Sink to source; stages stop in the reverse order."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the conversation. Agent lines hold only what was really spoken."""

    role: Literal["user", "agent"]
    text: str
    cut: bool = False


@dataclass(frozen=True, slots=True)
class CallProfile:
    """What one call has of its own, by the number that was called or as its placing asked.

    Args:
        agent: whom the agent engine asks, where it knows several (an OpenClaw agent's id).
        voice: who speaks, by a name of the TTS engine's; an engine that does not know it takes its own.
        language: BCP 47, of what the caller speaks and hears; empty: found out from what is said.
        rate: how much faster than the engine's settings say it speaks, 1 for as they say.
        pitch_hz: how much higher, where the engine can.
        greeting: said first; None: the settings', empty: nothing.
        system_prompt: in place of the settings'.
        max_duration_s: how long it may last at most, within the settings' own limit; 0: no limit of its own.
        asks_pin: the caller must give ``numbers.pin`` before the agent hears anything.
        takes_message: nobody talks with the caller: they leave a message (actors/message_taker.py).
        history: what was said before this call and belongs to it: the message that it answers.
        context: what the agent is told of it beside its prompt.
    """

    agent: str = ""
    voice: str = ""
    language: str = ""
    rate: float = 1.0
    pitch_hz: int = 0
    greeting: str | None = None
    system_prompt: str = ""
    max_duration_s: float = 0.0
    asks_pin: bool = False
    takes_message: bool = False
    history: tuple[Line, ...] = ()
    context: str = ""


NO_PROFILE = CallProfile()
"""All as the settings say."""


@dataclass(frozen=True, slots=True)
class Carriage:
    """What a carrier adds to a call, or another host of the cluster.

    Args:
        call_id: the carrier's own name for the call, such as Twilio's CallSid; empty while there is none.
        ring_timeout_s: above 0, the far end is still to be dialled, and the call ends unless it answers by then.
        resumed_from: the call whose conversation goes on here, where the host that held it is gone.
    """

    call_id: str = ""
    ring_timeout_s: float = 0.0
    resumed_from: str = ""


NO_CARRIAGE = Carriage()
"""No carrier is in it, or the call is there already."""


# --- The road: sound goes round in one direction --------------------------------------------------


class AudioIn(NamedTuple):
    """20 ms of the caller, or several times as much that came at once. Peer → Transport → Turns, Stt.

    Args:
        start: media time of the first sample.
        pcm: s16 mono 16 kHz; whole frames of FRAME samples, LONGEST_AUDIO at most.
        arrived_at: when its last sample came, monotonic seconds.
        concealed: some of it was made up in place of what did not come.
    """

    start: int
    pcm: bytes
    arrived_at: float
    concealed: bool = False

    @property
    def end(self) -> int:
        """Media time behind the last sample."""
        return self.start + len(self.pcm) // 2

    def frames(self) -> Iterator[AudioIn]:
        """The same, 20 ms at a time."""
        size = 2 * FRAME
        for at in range(0, len(self.pcm), size):
            yield AudioIn(self.start + at // 2, self.pcm[at : at + size], self.arrived_at, self.concealed)


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The caller began to speak; ``at``: when the first voiced sample arrived. Turns → Call, Stt."""

    utterance: int
    at: float


@dataclass(frozen=True, slots=True)
class SpeechSustained:
    """The utterance holds ``interrupt_ms`` of voice: no cough. Turns → Call."""

    utterance: int


@dataclass(frozen=True, slots=True)
class LikelyEnd:
    """A short silence: perhaps the end. ``end`` is the last voiced sample. Turns → Call, Stt."""

    utterance: int
    rev: int
    end: int


@dataclass(frozen=True, slots=True)
class Resumed:
    """The caller went on after a likely end; ``rev`` is the new revision. Turns → Call, Stt."""

    utterance: int
    rev: int


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The caller has finished. ``voiced_at``: when the last voiced sample arrived. Turns → Call, Stt.

    ``wanted_ms`` is the silence that it took; what passed beyond it was spent waiting for the words.
    """

    utterance: int
    rev: int
    end: int
    voiced_at: float
    wanted_ms: float = 0


@dataclass(frozen=True, slots=True)
class Heard:
    """What was recognised, up to media time ``upto``. Stt → Call.

    A partial is the whole utterance so far: any of its words may tell that the caller means it. How it begins,
    ``agreed``, is settled: recognised twice the same. The rest may change, and the final may change all.
    """

    utterance: int
    rev: int
    text: str
    final: bool
    upto: int
    agreed: str = ""


@dataclass(frozen=True, slots=True)
class Completeness:
    """How finished the words of a likely end sound (turns/completeness.py): the less, the longer is waited.

    Call → Turns.
    """

    utterance: int
    rev: int
    score: float


@dataclass(frozen=True, slots=True)
class CutOff:
    """The caller had not finished: with ``utterance`` they go on with what was taken for all. Call → Turns."""

    utterance: int


@dataclass(frozen=True, slots=True)
class Ask:
    """Answer this. ``unfinished``: words of a broken-off attempt that are on their way already. Call → Agent.

    ``traceparent``: of the turn's trace, for what is asked of others over HTTP; empty: nothing is traced.
    """

    turn: int
    text: str
    history: tuple[Line, ...]
    unfinished: str = ""
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class Say:
    """One phrase to speak; an empty ``text`` with ``last`` only closes the turn. Agent or Call → Tts."""

    turn: int
    index: int
    text: str
    last: bool
    shareable: bool = False
    """It holds nothing of the caller's: a greeting, a filler. It may be kept on disk."""
    aside: bool = False
    """It is no part of the conversation: a filler. It does not enter the history."""


@dataclass(frozen=True, slots=True)
class WordTime:
    """A word of a phrase ends ``at`` seconds after the phrase's first sample; up to there its text has ``chars``."""

    at: float
    chars: int


@dataclass(frozen=True, slots=True)
class Speech:
    """Sound of one phrase, packets of 20 ms and the PCM that they are made from. Tts → Transport → playout.

    To look at a packet may be to encode it (media/packets.py); to count them is not.
    """

    turn: int
    index: int
    text: str
    packets: Sequence[bytes]
    pcm: bytes
    ends_phrase: bool
    ends_turn: bool
    words: tuple[WordTime, ...] = ()
    """Those that are known so far, of voices that tell; a resumed phrase may tell them again."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A phrase, or the part of it before a cut, has left for the caller's ear. Playout → Call."""

    turn: int
    index: int
    text: str
    ends_turn: bool
    cut: bool = False


@dataclass(frozen=True, slots=True)
class VoiceStarted:
    """The first packet of a turn that is not silence was sent. Playout → Call."""

    turn: int
    at: float


@dataclass(frozen=True, slots=True)
class PlayoutMoved:
    """The playout has Spoken or VoiceStarted to take. Playout → Call."""


# --- Decisions: the Call to the stages concerned, never relayed -----------------------------------


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Everything below ``fence`` is stale: cancel it."""

    fence: int


@dataclass(frozen=True, slots=True)
class ResumePlayout:
    """A false interruption: end this pause, and speak on where the voice stopped. Call → Transport."""

    turn: int
    pause: int


@dataclass(frozen=True, slots=True)
class Credit:
    """The caller has heard this phrase of the turn, so the Tts may run ahead by as much again. Call → Tts."""

    turn: int
    index: int


# --- Reports: a stage to its Call -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Report:
    """What a stage says to its Call, with the incarnation that says it; stale incarnations are not heard."""

    stage: Stage
    incarnation: int
    body: Any


@dataclass(frozen=True, slots=True)
class Ready:
    """The stage can work."""


@dataclass(frozen=True, slots=True)
class Useful:
    """The stage has done real work: its back-off starts anew."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A mark on the turn's way to the caller's ear, for the latency parts."""

    turn: int
    mark: Literal["first_token", "first_clause", "first_audio"]
    at: float


@dataclass(frozen=True, slots=True)
class Errand:
    """The agent wants this done to its call: ``what`` is mail of the Call's, as it comes from outside.

    It is done once the turn has been spoken, and not if the turn is cut; a message is kept as soon as the turn is
    certain.
    """

    turn: int
    what: HangUp | Transfer | SendDtmf | Hold | KeepMessage | Noticed | Opened


# --- Life and death -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Down:
    """A stage has ended, however it did. Stage → Call; sent exactly once an incarnation."""

    stage: Stage
    incarnation: int
    reason: BaseException | None


@dataclass(frozen=True, slots=True)
class Restart:
    """The back-off is over: start the next incarnation. Call → itself."""

    stage: Stage
    incarnation: int


@dataclass(frozen=True, slots=True)
class Ping:
    """Are you alive? Call → stage."""

    number: int


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a Ping. Stage → Call."""

    number: int


@dataclass(frozen=True, slots=True)
class Overdue:
    """The words of this utterance have been awaited for a while since its turn ended. Call → itself."""

    utterance: int


@dataclass(frozen=True, slots=True)
class Tick:
    """Once a second: deadlines, pings, time limits. Call → itself."""


@dataclass(frozen=True, slots=True)
class Ending:
    """A Call has begun to hang up: its caller may come back, but not to it. Call → Switchboard."""

    call_id: str
    reason: str
    history: tuple[Line, ...]
    recorded: bool = False
    """It was being recorded: so is the call in which its conversation goes on."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A Call is over and nothing of it is left; sent exactly once, however it ended. Call → Switchboard."""

    call_id: str
    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unwanted:
    """A peer that came when its Call was hanging up: close it; its client will redial. Call → Switchboard."""

    peer: Any


@dataclass(frozen=True, slots=True)
class TellClients:
    """Send this event, which is no call's own, to the client of every call. Host → Switchboard → Call."""

    event: Mapping[str, Any]


# --- From outside ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartCall:
    """Begin a call on a peer (transports/peer.py), or give the peer to the call that ``resume`` names.

    The answer to this question is (call id, resume token). API → Switchboard.
    """

    transport: str
    direction: str
    peer: Any
    caller: str
    metadata: Mapping[str, Any]
    resume: str = ""
    callee: str = ""
    profile: CallProfile = NO_PROFILE
    place: int = 0
    """The number of the place that is kept for it."""
    carriage: Carriage = NO_CARRIAGE


@dataclass(frozen=True, slots=True)
class HangUpCall:
    """Hang up this call; the answer is whether there was one. API → Switchboard."""

    call_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ForgetCall:
    """Keep nothing of this ended call, not even for a caller who comes back. API → Switchboard."""

    call_id: str


@dataclass(frozen=True, slots=True)
class DescribeCall:
    """The record of this call as a dictionary, or None; an answer may be awaited. API → Switchboard."""

    call_id: str


@dataclass(frozen=True, slots=True)
class ToCall:
    """Give ``message`` (see "From outside", below) to this call; the answer is whether it lives. API → Switchboard."""

    call_id: str
    message: Any


@dataclass(frozen=True, slots=True)
class PeerState:
    """The connection's state: ringing, connecting, connected, disconnected, failed or closed. Peer → Call."""

    state: str
    peer: int = 0


@dataclass(frozen=True, slots=True)
class PeerEnded:
    """The far end is over for good, and this is how: the call ends with this status. Peer → Call."""

    status: Literal["completed", "busy", "no-answer", "failed", "canceled"]
    reason: str
    peer: int = 0


@dataclass(frozen=True, slots=True)
class Dtmf:
    """The caller has pressed a key, or several: 0-9, A-D, ``*`` or ``#``. Peer → Call."""

    digits: str


@dataclass(frozen=True, slots=True)
class KeysPaused:
    """A while has gone by since so many keys were pressed. Call → itself."""

    count: int


@dataclass(frozen=True, slots=True)
class Dialled:
    """The carrier has taken the call, and this is its name for it. Telephony → Call."""

    carrier_call_id: str


@dataclass(frozen=True, slots=True)
class AnsweredBy:
    """The carrier has found out who took the call: human, machine_…, fax or unknown. Telephony → Call."""

    what: str


@dataclass(frozen=True, slots=True)
class Announce:
    """Say this as soon as the call is answered, hear nothing, and hang up when it is spoken. Telephony → Call."""

    text: str
    reason: str = "announced"
    """Of the call's end."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What the call was placed to say has been said to its end. Call → itself."""


@dataclass(frozen=True, slots=True)
class ToneOver:
    """The tone has been heard: from now on the caller's words are the message. MessageTaker → itself."""


@dataclass(frozen=True, slots=True)
class MediaStarted:
    """The first real sound of the caller has arrived. Peer → Call."""

    at: float


@dataclass(frozen=True, slots=True)
class Rejoin:
    """The same caller comes back on a new peer (a Peer of transports/peer.py). API → Switchboard → Call."""

    peer: Any


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call."""

    reason: str = "hangup"


@dataclass(frozen=True, slots=True)
class SayText:
    """Speak this line as the agent, after what is being spoken."""

    text: str


@dataclass(frozen=True, slots=True)
class SendText:
    """Take this as if the caller had said it."""

    text: str


@dataclass(frozen=True, slots=True)
class Silence:
    """Stop speaking now: the caller's (or operator's) interrupt."""


@dataclass(frozen=True, slots=True)
class Mute:
    """Do not listen to the caller, or listen again."""

    on: bool


@dataclass(frozen=True, slots=True)
class Hold:
    """The caller hears ``sound`` (media/hold_music.py); the agent neither hears nor speaks until Unhold.

    With ``seconds`` the hold ends by itself after so long.
    """

    sound: Literal["music", "tone"] = "music"
    seconds: float = 0


@dataclass(frozen=True, slots=True)
class Unhold:
    """Go on with the conversation where Hold stopped it."""


@dataclass(frozen=True, slots=True)
class SendDtmf:
    """Send these keys as tones in our voice, after what is being said; they are not interrupted.

    ``digits`` as `media.tones.check_digits` lets pass: 0-9, A-D, ``*``, ``#``, and ``w`` for half a second's pause.
    """

    digits: str


@dataclass(frozen=True, slots=True)
class PlayAudio:
    """Play a sound after what is being said; the caller interrupts it as they interrupt speech.

    ``pcm`` is s16 mono at ``sample_rate`` Hz, as media/clips.py reads it from a file; ``name`` is for the event.
    """

    name: str
    pcm: bytes
    sample_rate: int


@dataclass(frozen=True, slots=True)
class Record:
    """Record the call, or stop; what is so already changes nothing."""

    on: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """A line that the caller must hear to its end, such as that they are recorded. Call → Dialogue."""

    text: str


@dataclass(frozen=True, slots=True)
class Noticed:
    """The notice that is spoken in ``turn`` is over: was it heard to its end? Call → itself."""

    turn: int
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Transfer:
    """Hand the caller over to ``to`` (E.164 or a SIP address) and end the call, where its peer can."""

    to: str


@dataclass(frozen=True, slots=True)
class KeepMessage:
    """Put a message of the caller's on record."""

    text: str


@dataclass(frozen=True, slots=True)
class Listen:
    """Let ``listener`` (a Listener of media/audience.py) hear both sides; ``name`` says on whose behalf."""

    listener: Any
    name: str


@dataclass(frozen=True, slots=True)
class StopListening:
    """The listener of a Listen hears no more."""

    listener: Any


@dataclass(frozen=True, slots=True)
class Describe:
    """The call's record, as a dictionary: the one question that is asked, not told."""


@dataclass(frozen=True, slots=True)
class Event:
    """What programs outside see. ``sequence`` counts from 1 in each call."""

    id: str
    type: str
    time: str
    call_id: str
    sequence: int
    data: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The event as it is sent: JSON-ready."""
        return {
            "id": self.id,
            "type": self.type,
            "time": self.time,
            "call_id": self.call_id,
            "sequence": self.sequence,
            "data": dict(self.data),
        }
