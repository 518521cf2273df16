"""Every setting, its type, its default, and why that default: one class a TOML section."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

Seconds = Annotated[float, Field(ge=0)]
Milliseconds = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]
Percent = Annotated[str, Field(pattern=r"^[+-]\d{1,3}%$")]
"""As edge-tts writes it: ``+10%``."""
Hertz = Annotated[str, Field(pattern=r"^[+-]\d{1,3}Hz$")]
"""Likewise: ``-5Hz``."""
Port = Annotated[int, Field(ge=0, le=65_535)]


class Section(BaseModel):
    """A section refuses keys that it does not know, and can't be changed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EngineStage(Section):
    """A section that holds those of its engines; an installed plug-in's is a table of which it alone knows the keys.

    Which plug-ins there are is looked at where settings are read (load.py): of other keys none gets here.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, dict[str, Any]] = Field(init=False)

    def plug_in(self, section: str) -> dict[str, Any]:
        """The section of a plug-in, secrets in the clear; empty when there is none."""
        return dict((self.__pydantic_extra__ or {}).get(section, {}))


class Server(Section):
    """Where the host listens, and how many calls it takes."""

    host: str = "127.0.0.1"
    port: Port = 8080
    public_url: str = ""
    trusted_proxies: tuple[str, ...] = ()
    drain_timeout_s: Seconds = 1800
    max_calls: Count = 0
    """0: found out from how the machine bears them (actors/admission.py)."""


Scope = Literal["call:join", "call:control", "call:listen", "read", "admin"]
"""What a token is for: making a call of one's own; placing and steering calls; hearing them; reading; erasing and
draining."""


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
    listeners: Positive = 8
    """Operators who listen in on calls at once; each takes 256 kbit/s."""
    listener_frames: Positive = 100
    """Of 20 ms, that wait for one listener; older ones are dropped: they hear a gap, and the call notices nothing."""
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
    reap_after_s: Annotated[float, Field(gt=0)] = 5
    """Stages that are left of a call that has ended are killed after so long; they end within a millisecond."""
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
    rtp: Literal["direct", "stock"] = "direct"
    """direct: packets pass aiortc's queues and tasks by; see docs/performance.md for what that saves."""


class FasterWhisper(Section):
    """A local Whisper model."""

    model: str = "small"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    compute_type: str = "auto"
    language: str = ""
    hotwords: str = ""
    download: bool = True
    trim_context: bool = False
    workers: Count = 0
    """0: one with a GPU, else one for every four cores beyond two."""
    batch: Count = 0
    """0: 4 utterances at once on a CPU, 16 on a GPU."""


class OpenAiStt(Section):
    """Any OpenAI-compatible ``/audio/transcriptions``."""

    base_url: str = ""
    api_key: SecretStr = SecretStr("")
    model: str = "whisper-1"
    language: str = ""
    prompt: str = ""
    """Names and terms that callers use, or a sentence in their style."""
    partial_every_s: Seconds = 0
    """Each partial is a request with the whole utterance: 0.5 is well for a server of one's own, and not for one that
    is paid by the minute. 0: none."""


class OpenAiRealtime(Section):
    """OpenAI's Realtime transcription: the sound goes up while the caller speaks."""

    base_url: str = ""
    api_key: SecretStr = SecretStr("")
    model: str = "gpt-4o-transcribe"
    language: str = ""
    prompt: str = ""
    """As of ``openai``; the models that are billed as realtime refuse one."""


class Stt(EngineStage):
    """Speech to text: engines in order of preference; the next one when one fails."""

    engines: tuple[str, ...] = ("faster-whisper", "pocketsphinx")
    faster_whisper: FasterWhisper = FasterWhisper()
    openai: OpenAiStt = OpenAiStt()
    openai_realtime: OpenAiRealtime = OpenAiRealtime()


class OpenClaw(Section):
    """An OpenClaw Gateway's OpenAI-compatible endpoint."""

    base_url: str = "http://127.0.0.1:18789/v1"
    token: SecretStr = SecretStr("")
    agent: str = "default"
    session_scope: Literal["per-phone", "per-call", "main"] = "per-phone"
    warm: bool = True
    """One short run when the host finds it: the first after its start takes 4-11 s, later ones 0.3 s (measured)."""
    after_call: Literal["none", "transcript", "summary"] = "none"
    """What goes into the chat when a call is over. Not by itself: each costs a run, and the caller's words in a chat of
    its owner's are words that an agent with tools reads."""
    after_call_session: str = ""
    """The key of that chat's session, such as ``agent:main:main``; empty: the call's own."""


class OpenAiAgent(Section):
    """Any OpenAI-compatible ``/chat/completions``."""

    base_url: str = ""
    api_key: SecretStr = SecretStr("")
    model: str = ""
    history_lines: Positive = 200
    history_chars: Positive = 24_000
    """What of the conversation goes with each question: some 6,000 tokens, 25 minutes of talk."""


DEFAULT_SYSTEM_PROMPT = (
    "You are on a voice call. Answer in one or two short spoken sentences, beginning with a short one. "
    "Use no markdown, no lists, no emoji."
)


class AgentProfile(Section):
    """What the calls of one agent have of their own; what is left out is as elsewhere in the settings."""

    agent: str
    """Its id, as ``agent.openclaw.agent`` or a call's ``agent`` names it."""
    voice: str = ""
    language: str = ""
    rate: Annotated[float, Field(ge=0.5, le=2)] = 1.0
    pitch_hz: Annotated[int, Field(ge=-100, le=100)] = 0
    greeting: str | None = None
    system_prompt: str = ""


CallTool = Literal["hangup", "transfer", "send_dtmf", "hold", "take_message"]
"""What an agent may do to its call beside speaking."""


class Destination(Section):
    """Somebody to whom the agent may transfer a caller."""

    name: Annotated[str, Field(pattern=r"^[\w .-]{1,40}$")]
    """As the agent names them: ``front desk``."""
    number: Annotated[str, Field(pattern=r"^(\+[1-9]\d{1,14}|sips?:\S+@\S+)$")]
    """In E.164, or a SIP address."""


class Agent(EngineStage):
    """Who answers."""

    engines: tuple[str, ...] = ("openclaw", "openai", "parrot")
    system_prompt: str = DEFAULT_SYSTEM_PROMPT
    greeting: str = "Hello! How can I help you today?"
    filler_after_s: Seconds = 1.5
    filler_again_s: Seconds = 12
    fillers: tuple[str, ...] = ("One moment, please.", "I am still on it.", "Just a little longer.")
    """Spoken, one after the other, when no word of an answer has come after ``filler_after_s`` (0: never), and again
    after ``filler_again_s`` (0: once an answer)."""
    tools: tuple[CallTool, ...] = ("hangup", "transfer", "send_dtmf", "take_message")
    transfer_to: tuple[Destination, ...] = ()
    """Whom the agent may transfer to: it picks a name and never sees a number, so no caller can talk it into dialling
    one of theirs."""
    back_from_hold: str = "Thank you for holding."
    profiles: tuple[AgentProfile, ...] = ()
    openclaw: OpenClaw = OpenClaw()
    openai: OpenAiAgent = OpenAiAgent()


class EdgeTts(Section):
    """Microsoft's voices, as Edge reads them aloud."""

    voice: str = "en-US-EmmaMultilingualNeural"
    rate: Percent = "+0%"
    pitch: Hertz = "+0Hz"


class OpenAiTts(Section):
    """Any OpenAI-compatible ``/audio/speech``."""

    base_url: str = ""
    api_key: SecretStr = SecretStr("")
    model: str = "tts-1"
    voice: str = "alloy"
    response_format: Literal["pcm", "wav", "mp3"] = "pcm"


class EdgeTtsService(Section):
    """edge-tts-as-a-service: Microsoft's voices by ``POST /tts/stream``."""

    base_url: str = ""
    voice: str = "en-US-EmmaMultilingualNeural"
    rate: Percent = "+0%"
    pitch: Hertz = "+0Hz"


class Piper(Section):
    """Neural voices on this machine (an extra)."""

    voice: str = ""
    """A name such as ``en_US-lessac-medium``, or the path of its ``.onnx`` file."""
    speaker: str = ""
    rate: Annotated[float, Field(ge=0.5, le=2)] = 1.0


class EspeakNg(Section):
    """The embedded voice."""

    voice: str = "en-us"
    speed: Annotated[int, Field(ge=80, le=450)] = 165


class TtsCache(Section):
    """Rendered phrases kept for the next time."""

    dir: str = ""
    max_bytes: Count = 268_435_456
    keep_replies: bool = False
    """On disk too: what is said to one caller may hold what is theirs alone."""


class Tts(EngineStage):
    """Text to speech: engines in order of preference; the next one when one fails."""

    engines: tuple[str, ...] = ("edge-tts", "espeak-ng")
    edge_tts: EdgeTts = EdgeTts()
    openai: OpenAiTts = OpenAiTts()
    edge_tts_service: EdgeTtsService = EdgeTtsService()
    piper: Piper = Piper()
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
    echo_guard: bool = True
    """Whether our own voice, coming back from the caller's loudspeaker, is known and ignored."""
    semantic_model: str = ""
    """A smart-turn model: the path of an ONNX file, or "smart-turn-v3" to fetch it; empty: none."""


class Calls(Section):
    """How long a call may last."""

    max_duration_s: Seconds = 3600
    idle_timeout_s: Seconds = 120
    no_media_timeout_s: Seconds = 15
    resume_s: Seconds = 120
    """How long after a call has lost its caller its ``resume_token`` is honoured."""
    recording: bool = False
    """Whether every call is recorded, from its beginning."""
    listen_in: bool = False
    """Whether operators may hear calls (scope ``call:listen``). Off: in many places the caller must be told first."""
    silent_after_s: Seconds = 20
    """So long after the last word of either side the caller is spoken to; 0: never. People think for some 10 s."""
    silent_prompts: tuple[str, ...] = ("Are you still there?", "Hello? I can't hear you.")
    silent_goodbye: str = "I can't hear you, so I will hang up now. Goodbye."
    """After the last prompt has gone unanswered, too; empty: the call goes on until ``idle_timeout_s``."""


class Recordings(Section):
    """How calls are recorded; which ones, ``calls.recording`` and whoever starts it say."""

    dir: str = ""
    """Empty: ``recordings`` beside the database, or in the user's own data folder."""
    format: Literal["opus", "wav"] = "opus"
    """Opus in Ogg takes 18 MB an hour of speech, WAV 230."""
    notice: str = ""
    """Said first, and nothing is recorded before it has been heard to its end; many countries' laws want one."""
    retain_days: Count = 30
    """0: as long as the call's record."""
    keep_free_bytes: Count = 1_073_741_824
    """With less room on the disk nothing is recorded: the database may be on it too."""
    max_s: Seconds = 14_400
    """Of one recording; 0: as long as its call."""


class NumberRoute(Section):
    """How calls to one of your numbers are answered; what is empty is as everywhere else."""

    agent: str = ""
    voice: str = ""
    greeting: str | None = None
    """Empty: none; absent: ``agent.greeting``."""
    language: str = ""
    carrier: Literal["", "twilio", "telnyx", "plivo"] = ""
    """Where the number is, for calls from it; empty: at the carrier that calls are placed over anyway."""
    voicemail: bool = False
    """Its callers leave a message, always (``[voicemail]``)."""


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
    full_notice: str = "All our lines are busy. Please call again in a few minutes."
    """Said by the carrier's own voice to a caller for whom there is no place; empty, or without one: a busy tone."""
    routes: dict[str, NumberRoute] = {}


AnsweringMachine = Literal["off", "hang_up", "leave_message"]
"""What is done when a machine answers a call that was placed."""


class Outbound(Section):
    """How numbers are called."""

    ring_timeout_s: Annotated[int, Field(ge=5, le=600)] = 30
    answering_machine: AnsweringMachine = "off"
    """What is done when a machine answers; finding out costs a fee at the carrier, and takes no time of a person's."""
    machine_message: str = "Hello. I wanted to talk to you, and will call again."
    """Left on a machine by a call that was placed without a message of its own."""
    carrier: Literal["", "twilio", "telnyx", "plivo"] = ""
    """Over which calls are placed that name no number to call from; empty: the first that is configured."""


VoicemailCause = Literal["always", "full", "draining", "closed", "agent_down"]
"""Why a caller finds the voicemail in the agent's place."""


class Voicemail(Section):
    """Messages that callers leave, and the calls that answer them."""

    enabled: bool = False
    when: tuple[VoicemailCause, ...] = ("full", "draining", "closed", "agent_down")
    """Who is called anyway would else hear a busy tone. A number of its own: ``numbers.routes``."""
    greeting: str = "Hello. I can't take your call right now. Please leave a message after the tone."
    goodbye: str = "Thank you. Goodbye."
    mailbox_full: str = "Sorry, the mailbox is full. Please call again later."
    max_seconds: Annotated[int, Field(ge=5, le=600)] = 120
    """Of one message; most are over in 30."""
    min_seconds: Annotated[float, Field(ge=0.1, le=10)] = 0.5
    """Of voice; less is somebody who hung up at the tone, and is not kept."""
    silence_s: Annotated[float, Field(ge=1, le=60)] = 6
    """So long after the last word a message is over; people look something up for 3 or 4."""
    at_once: Positive = 10
    """Messages being left at once, beside ``server.max_calls``: by phone one takes 0.6 % of a core, most of it for the
    voice detector."""
    max_messages: Positive = 500
    max_bytes: Positive = 268_435_456
    """Of sound, in all; two minutes are 0.4 MB."""
    max_per_caller: Positive = 10
    """In any 24 hours, of one number or address; callers without one share it."""
    keep_days: Count = 30
    """Then a message that is done with is erased, with its sound; 0: never."""
    dir: str = ""
    """Where the sound is kept; empty: a folder beside the records."""
    carrier_recording: bool = True
    """A caller whom this host can't hear now (it is going down, or too many leave messages) is recorded by the
    carrier; the recording is fetched, and erased there."""
    call_back: bool = True
    call_back_after_s: Seconds = 30
    """Who has just hung up still has the phone in the hand, or leaves a second message."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    retry_s: Annotated[float, Field(gt=0)] = 600
    """After the first attempt that reached nobody; doubled after each further one."""
    give_up_h: Annotated[float, Field(gt=0)] = 48
    """A message that is older is answered no more: quiet hours and budgets may hold it up for so long."""
    callbacks_at_once: Positive = 2
    answering_machine: AnsweringMachine = "leave_message"
    """What a call-back does when a machine answers, whatever ``outbound.answering_machine`` says."""
    opening: str = "Hello! I am calling back about your message."
    no_answer: str = "I have got your message. What can I do for you?"
    """Said where the agent was asked, and its answer was lost: it may not be asked twice."""
    quiet_hours: tuple[str, ...] = ()
    """When nobody is called back: ``22:00-08:00``, or of some days only ``sat sun 00:00-24:00``."""
    closed_hours: tuple[str, ...] = ()
    """When callers find the voicemail (``closed``), written likewise."""
    time_zone: str = ""
    """Whose hours those are, such as ``Europe/Berlin``; empty: this machine's."""
    time_zones: dict[str, str] = {}
    """Of call-backs, by how the number begins: ``"+1415" = "America/Los_Angeles"``; the longest counts."""


class Twilio(Section):
    """An account at twilio.com; calls by phone need all of it and ``server.public_url``."""

    account_sid: str = ""
    auth_token: SecretStr = SecretStr("")
    from_number: str = ""
    api_base_url: str = "https://api.twilio.com"


class Telnyx(Section):
    """An account at telnyx.com and its Call Control application; all of it and ``server.public_url`` are needed."""

    api_key: SecretStr = SecretStr("")
    public_key: str = ""
    """With which webhooks are verified (Ed25519): 32 bytes in base64, as the portal shows it."""
    connection_id: str = ""
    """The application's id."""
    from_number: str = ""
    api_base_url: str = ""
    """Empty: Telnyx's own."""


class Plivo(Section):
    """An account at plivo.com; calls by phone need all of it and ``server.public_url``."""

    auth_id: str = ""
    auth_token: SecretStr = SecretStr("")
    from_number: str = ""
    api_base_url: str = ""
    """Empty: Plivo's own."""


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


class Traces(Section):
    """Where OpenTelemetry's spans go (extra ``otel``); OTEL_… variables hold for the rest."""

    endpoint: str = ""
    """A collector that takes OTLP over HTTP, such as ``http://127.0.0.1:4318``; empty: that of OTEL_EXPORTER_OTLP_…."""


class Cluster(Section):
    """Many hosts as one, on Ray (extra ``cluster``), and what they share."""

    engine: Literal["none", "ray"] = "none"
    address: str = ""
    """Of Ray's head, such as ``10.0.0.1:6379``, or ``auto`` for the one of this machine; empty: one is started."""
    workers: Positive = 1
    """Hosts on this machine, each a process. More than one need Ray, also where ``engine`` does not say so."""
    zone: str = ""
    """Where this machine is, such as a data centre or a rack; shown in ``/v1/nodes``."""
    engines: Count = 0
    """Ray actors for each engine that is shared; 0: each host has its engines to itself."""
    shared: tuple[str, ...] = ("faster-whisper", "piper")
    """The engines of which the cluster has so many actors, for all its hosts. Others stay on each host, such as
    pocketsphinx, so that a call has something to fall back to when the actors are gone."""
    engine_cpus: Annotated[float, Field(ge=0)] = 1
    """That each of these actors takes of its node, as Ray counts them."""
    engine_gpus: Annotated[float, Field(ge=0)] = 0
    """With 1, actors are on GPU nodes alone, each with a GPU of its own; with 0.5 two share one."""
    engine_resource: str = ""
    """A resource that Ray's nodes for engines are started with (``ray start --resources``); empty: any node will do."""

    @property
    def wanted(self) -> bool:
        """Whether there is to be a cluster, if of one machine."""
        return self.engine == "ray" or self.workers > 1


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
    recordings: Recordings = Recordings()
    numbers: Numbers = Numbers()
    outbound: Outbound = Outbound()
    voicemail: Voicemail = Voicemail()
    twilio: Twilio = Twilio()
    telnyx: Telnyx = Telnyx()
    plivo: Plivo = Plivo()
    store: StoreSettings = StoreSettings()
    webhooks: Webhooks = Webhooks()
    logs: Logs = Logs()
    traces: Traces = Traces()
    cluster: Cluster = Cluster()

    @property
    def carriers(self) -> tuple[str, ...]:
        """The carriers that are configured, in the order of the file."""
        known = {
            "twilio": self.twilio.account_sid,
            "telnyx": self.telnyx.api_key.get_secret_value(),
            "plivo": self.plivo.auth_id,
        }
        return tuple(name for name, account in known.items() if account)
