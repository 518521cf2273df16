"""Every setting, its type, its default, and why that default: one class a TOML section."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

Seconds = Annotated[float, Field(ge=0)]
Milliseconds = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]
Port = Annotated[int, Field(ge=0, le=65_535)]


class Section(BaseModel):
    """A section refuses keys that it does not know, and can't be changed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Server(Section):
    """Where the host listens, and how many calls it takes."""

    host: str = "127.0.0.1"
    port: Port = 8080
    public_url: str = ""
    trusted_proxies: tuple[str, ...] = ()
    drain_timeout_s: Seconds = 1800
    max_calls: Count = 0
    """0: measured from the machine (25 calls a core, at which 2.6-3.6 % of a core a call leaves head-room)."""


Scope = Literal["call:join", "call:control", "read", "admin"]
"""What a token is for: making a call of one's own; placing and steering calls; reading; erasing and draining."""


class ScopedToken(Section):
    """A bearer token that may do some things only."""

    name: str
    """Who has it: it is what logs and rate limits go by."""
    token: SecretStr
    scopes: tuple[Scope, ...]


class Auth(Section):
    """Who may call."""

    tokens: tuple[SecretStr, ...] = ()
    scoped_tokens: tuple[ScopedToken, ...] = ()
    join_secret: SecretStr = SecretStr("")
    """Signs join tokens (HS256). Empty: a random one, new at each start."""
    allow_anonymous_loopback: bool = True
    offer: Literal["auth", "open"] = "auth"


class Limits(Section):
    """Every bound on what a client may send; loopback clients are not rate limited."""

    body_bytes: Positive = 65_536
    body_timeout_s: Seconds = 5
    sdp_bytes: Positive = 32_768
    candidates: Positive = 24
    offers_per_second: Annotated[float, Field(gt=0)] = 1
    offers_burst: Positive = 5
    pending_offers: Positive = 8
    setup_timeout_s: Seconds = 15
    event_bytes: Positive = 16_384
    """One data-channel message from a client."""
    events_per_second: Positive = 20
    requests_per_second: Annotated[float, Field(gt=0)] = 20
    """Of one client, and of one token, to ``/v1``."""
    requests_burst: Positive = 60
    play_bytes: Positive = 2_097_152
    """A sound in the body of ``play``, as base64: a minute of telephone PCM, or many of Opus."""
    event_streams: Positive = 256
    """Readers of server-sent events at once."""
    event_stream_queue: Positive = 256
    """Events that wait for one reader; one who is further behind is disconnected and may ask for the rest anew."""
    pending_streams: Positive = 32
    """Carriers' media streams that have not said yet which call they are of."""
    stream_start_timeout_s: Seconds = 5
    """Until they must have; a carrier says it within milliseconds."""
    carrier_requests_per_address: Positive = 8
    """Webhooks in progress, and streams that have not started, of one address; both take milliseconds."""
    stream_message_bytes: Positive = 65_536
    stream_messages_per_second: Positive = 250
    """A carrier sends 50 pieces of sound; four seconds' worth may come at once after a stall."""
    stream_outgoing_bytes: Positive = 1_048_576
    """What may wait for a carrier to read it: over a minute of speech, where 0.4 s are ever sent ahead."""
    event_heartbeat_s: Annotated[float, Field(gt=0)] = 15
    """A comment in a quiet stream: proxies close connections that say nothing, most after 60 s."""


class Supervision(Section):
    """When a stage is restarted, and when the call gives up on it."""

    backoff_s: tuple[float, ...] = (0, 0.25, 0.5, 1, 2)
    backoff_jitter: float = 0.2
    stage_restarts: Positive = 3
    stage_period_s: Seconds = 30
    call_restarts: Positive = 6
    call_period_s: Seconds = 60
    ping_interval_s: Annotated[float, Field(gt=0)] = 2
    ping_timeout_s: Annotated[float, Field(gt=0)] = 4
    stt_final_s: Annotated[float, Field(gt=0)] = 2
    """Plus half the utterance's length."""
    first_token_s: Annotated[float, Field(gt=0)] = 8
    gateway_first_token_s: Annotated[float, Field(gt=0)] = 60
    """An OpenClaw Gateway runs tools before it answers."""
    first_audio_s: Annotated[float, Field(gt=0)] = 2
    probe_every_s: Annotated[tuple[Seconds, ...], Field(min_length=1)] = (30, 60, 120, 300)
    """Before the first, second, ... look whether an engine that failed serves again; the last for all further ones."""
    mailbox: Positive = 500
    """Messages parked for a stage that is down; 500 audio frames are 10 s."""
    loop_dump_s: Seconds = 2
    """An event loop that is so late has the stacks of all threads written to standard error; 0: never."""
    loop_abort_s: Seconds = 10
    """And so late, the process is ended with status 70, to be started anew; 0: never."""


class Cors(Section):
    """Which other origins' pages may call."""

    allow_origins: tuple[str, ...] = ()


class IceServer(Section):
    """One STUN or TURN server, as a browser names it."""

    urls: tuple[str, ...]
    username: str = ""
    credential: SecretStr = SecretStr("")


class WebRtc(Section):
    """How media finds its way."""

    ice_servers: tuple[IceServer, ...] = ()
    udp_port_range: tuple[Port, Port] = (0, 0)
    announced_ips: tuple[str, ...] = ()
    allow_private: Literal["auto", "yes", "no"] = "auto"
    """auto: candidates in private networks are taken only from clients that are in one themselves."""
    turn_secret: SecretStr = SecretStr("")
    jitter_buffer: Literal["adaptive", "stock"] = "adaptive"


class FasterWhisper(Section):
    """A local Whisper model."""

    model: str = "small"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    compute_type: str = "auto"
    language: str = ""
    download: bool = True
    trim_context: bool = False


class OpenAiStt(Section):
    """Any OpenAI-compatible ``/audio/transcriptions``."""

    base_url: str = ""
    api_key: SecretStr = SecretStr("")
    model: str = "whisper-1"
    language: str = ""


class Stt(Section):
    """Speech to text: engines in order of preference; the next one when one fails."""

    engines: tuple[str, ...] = ("faster-whisper", "pocketsphinx")
    faster_whisper: FasterWhisper = FasterWhisper()
    openai: OpenAiStt = OpenAiStt()


class OpenClaw(Section):
    """An OpenClaw Gateway's OpenAI-compatible endpoint."""

    base_url: str = "http://127.0.0.1:18789/v1"
    token: SecretStr = SecretStr("")
    agent: str = "default"
    session_scope: Literal["per-phone", "per-call", "main"] = "per-phone"


class OpenAiAgent(Section):
    """Any OpenAI-compatible ``/chat/completions``."""

    base_url: str = ""
    api_key: SecretStr = SecretStr("")
    model: str = ""


DEFAULT_SYSTEM_PROMPT = (
    "You are on a voice call. Answer in one or two short spoken sentences, beginning with a short one. "
    "Use no markdown, no lists, no emoji."
)


class Agent(Section):
    """Who answers."""

    engines: tuple[str, ...] = ("openclaw", "openai", "parrot")
    system_prompt: str = DEFAULT_SYSTEM_PROMPT
    greeting: str = "Hello! How can I help you today?"
    filler_after_s: Seconds = 1.5
    filler: str = "One moment, please."
    """Spoken once when no word of the answer has come after ``filler_after_s``; empty: never."""
    openclaw: OpenClaw = OpenClaw()
    openai: OpenAiAgent = OpenAiAgent()


class EdgeTts(Section):
    """Microsoft's voices, as Edge reads them aloud."""

    voice: str = "en-US-EmmaMultilingualNeural"
    rate: str = "+0%"
    pitch: str = "+0Hz"


class OpenAiTts(Section):
    """Any OpenAI-compatible ``/audio/speech``."""

    base_url: str = ""
    api_key: SecretStr = SecretStr("")
    model: str = "tts-1"
    voice: str = "alloy"
    response_format: Literal["pcm", "wav", "mp3"] = "pcm"


class EspeakNg(Section):
    """The embedded voice."""

    voice: str = "en-us"
    speed: Annotated[int, Field(ge=80, le=450)] = 165


class TtsCache(Section):
    """Rendered phrases kept for the next time."""

    dir: str = ""
    max_bytes: Count = 268_435_456


class Tts(Section):
    """Text to speech: engines in order of preference; the next one when one fails."""

    engines: tuple[str, ...] = ("edge-tts", "espeak-ng")
    edge_tts: EdgeTts = EdgeTts()
    openai: OpenAiTts = OpenAiTts()
    espeak_ng: EspeakNg = EspeakNg()
    cache: TtsCache = TtsCache()


class Turns(Section):
    """When the caller has begun, and when they have finished."""

    start_ms: Milliseconds = 64
    interrupt_ms: Milliseconds = 500
    silence_ms: Milliseconds = 200
    max_silence_ms: Milliseconds = 1500
    preemptive: bool = True
    barge_in: bool = True
    resume_false_interruption: bool = True


class Calls(Section):
    """How long a call may last."""

    max_duration_s: Seconds = 3600
    idle_timeout_s: Seconds = 120
    no_media_timeout_s: Seconds = 15
    resume_s: Seconds = 120
    """How long after a call has lost its caller its ``resume_token`` is honoured."""


class NumberRoute(Section):
    """How calls to one of your numbers are answered; what is empty is as everywhere else."""

    agent: str = ""
    voice: str = ""
    greeting: str | None = None
    """Empty: none; absent: ``agent.greeting``."""
    language: str = ""


class Numbers(Section):
    """Who may call and be called by phone. Numbers are in E.164: ``+15550100001``."""

    inbound_policy: Literal["disabled", "allowlist", "open"] = "allowlist"
    allow_from: tuple[str, ...] = ()
    pin: SecretStr = SecretStr("")
    """What a caller must enter first: a caller's number can be forged, and the agent is its owner's."""
    outbound_prefixes: tuple[str, ...] = ()
    """Empty: numbers of the same country as the one that calls; most toll fraud goes abroad."""
    outbound_per_hour: Count = 20
    minutes_per_call: Count = 30
    """0: as long as ``calls.max_duration_s`` lets it."""
    minutes_per_day: Count = 240
    """Of all calls by phone together, in any 24 hours; 0: no bound."""
    routes: dict[str, NumberRoute] = {}


class Outbound(Section):
    """How numbers are called."""

    ring_timeout_s: Annotated[int, Field(ge=5, le=600)] = 30
    answering_machine: Literal["off", "hang_up", "leave_message"] = "off"
    """What is done when a machine answers; finding out costs a fee at the carrier, and takes no time of a person's."""
    machine_message: str = "Hello. I wanted to talk to you, and will call again."
    """Left on a machine by a call that was placed without a message of its own."""


class Twilio(Section):
    """An account at twilio.com; calls by phone need all of it and ``server.public_url``."""

    account_sid: str = ""
    auth_token: SecretStr = SecretStr("")
    from_number: str = ""
    api_base_url: str = "https://api.twilio.com"


class Webhooks(Section):
    """Where events are posted to."""

    urls: tuple[str, ...] = ()
    secret: SecretStr = SecretStr("")
    """``whsec_`` and base64 (Standard Webhooks); two with a space between both sign, while one is replaced."""
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 10
    """For one attempt, from the look-up of the name to the status."""
    attempts: Annotated[int, Field(ge=1, le=20)] = 8
    """Of a call's end; they spread over a day. Other events have at most 5, over a quarter of an hour."""
    allow_private: bool = False
    """Whether a URL may lead to this machine or its own network."""


class StoreSettings(Section):
    """Where records are kept, and for how long."""

    url: str = ""
    """Empty: SQLite in the user's own data folder."""
    retain_days: Count = 90
    """0: for ever."""
    queue: Positive = 10_000
    """Events that wait while the database can't be written; of 25 calls that is some 3 minutes."""


class Logs(Section):
    """What is written down."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"
    transcripts: bool = False


class Settings(Section):
    """All sections."""

    server: Server = Server()
    auth: Auth = Auth()
    limits: Limits = Limits()
    supervision: Supervision = Supervision()
    cors: Cors = Cors()
    webrtc: WebRtc = WebRtc()
    stt: Stt = Stt()
    agent: Agent = Agent()
    tts: Tts = Tts()
    turns: Turns = Turns()
    calls: Calls = Calls()
    numbers: Numbers = Numbers()
    outbound: Outbound = Outbound()
    twilio: Twilio = Twilio()
    store: StoreSettings = StoreSettings()
    webhooks: Webhooks = Webhooks()
    logs: Logs = Logs()
