"""The tables. Times are RFC 3339 text in UTC with milliseconds, which sorts; ids sort by time as well (ULID)."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeEngine

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# "C": PostgreSQL would else sort ids and times by the rules of a language. SQLite compares bytes anyway.
_Sorted: TypeEngine[str] = String().with_variant(String(collation="C"), "postgresql")
# SQLite counts up by itself in a column of exactly this type.
_Number: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")


def _call() -> Column[str]:
    return Column("call_id", _Sorted, ForeignKey("calls.id", ondelete="CASCADE"), nullable=False)


calls = Table(
    "calls",
    metadata,
    Column("id", _Sorted, primary_key=True),
    Column("host", String, nullable=False, comment="The host whose call it is, as in store/claims.py"),
    Column("status", String, nullable=False, default="in-progress"),
    Column("media_state", String, nullable=False, default="new"),
    Column("transport", String, nullable=False, default=""),
    Column("direction", String, nullable=False, default=""),
    Column("caller", String, nullable=False, default=""),
    Column("callee", String, nullable=False, default=""),
    Column("engines", JSON, nullable=False, default=dict),
    Column("started_at", _Sorted, nullable=False),
    Column("answered_at", _Sorted, nullable=False, default=""),
    Column("ended_at", _Sorted, nullable=False, default=""),
    Column("end_reason", String, nullable=False, default=""),
    Column("duration_ms", BigInteger, nullable=False, default=0),
    Column("resumed_from", String, nullable=False, default=""),
    Column("carrier_call_id", String, nullable=False, default="", comment="The carrier's own name for it"),
    Column("metadata", JSON, nullable=False, default=dict),
    Index("ix_calls_ended_at", "ended_at"),
    Index("ix_calls_status", "status"),
    Index("ix_calls_carrier_call_id", "carrier_call_id"),
)

turns = Table(
    "turns",
    metadata,
    Column("number", _Number, primary_key=True),
    _call(),
    Column("turn", Integer, nullable=False),
    Column("time", _Sorted, nullable=False),
    Column("end_of_turn_ms", Integer),
    Column("stt_final_ms", Integer),
    Column("agent_first_token_ms", Integer),
    Column("tts_first_audio_ms", Integer),
    Column("first_packet_ms", Integer),
    Column("total_ms", Integer),
    Index("ix_turns_call_id", "call_id"),
)

transcripts = Table(
    "transcripts",
    metadata,
    Column("number", _Number, primary_key=True),
    _call(),
    Column("sequence", Integer, nullable=False),
    Column("time", _Sorted, nullable=False),
    Column("role", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("cut", Boolean, nullable=False, default=False),
    Column("turn", Integer, nullable=False, default=0),
    Index("ix_transcripts_call_id", "call_id"),
)

events = Table(
    "events",
    metadata,
    Column("position", _Number, primary_key=True, comment="The order in which events were committed"),
    Column("id", _Sorted, nullable=False),
    Column("call_id", _Sorted, ForeignKey("calls.id", ondelete="CASCADE"), comment="NULL: of no call"),
    Column("sequence", Integer, nullable=False),
    Column("type", String, nullable=False),
    Column("time", _Sorted, nullable=False),
    Column("data", JSON, nullable=False),
    UniqueConstraint("id"),
    UniqueConstraint("call_id", "sequence"),
    sqlite_autoincrement=True,
)

restarts = Table(
    "restarts",
    metadata,
    Column("number", _Number, primary_key=True),
    _call(),
    Column("time", _Sorted, nullable=False),
    Column("stage", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("incarnation", Integer, nullable=False),
    Column("downtime_ms", Float, nullable=False),
    Index("ix_restarts_call_id", "call_id"),
)

recordings = Table(
    "recordings",
    metadata,
    Column("number", _Number, primary_key=True),
    _call(),
    Column("part", Integer, nullable=False),
    Column("file", String, nullable=False, default="", comment="Its name in the folder recordings.dir"),
    Column("format", String, nullable=False, default="", comment="opus or wav"),
    Column("state", String, nullable=False, default="recording", comment="recording, ready, failed or expired"),
    Column("started_at", _Sorted, nullable=False, default="", comment="When its first sample was heard"),
    Column("duration_ms", BigInteger, nullable=False, default=0),
    Column("bytes", BigInteger, nullable=False, default=0),
    Column("end_reason", String, nullable=False, default=""),
    UniqueConstraint("call_id", "part"),
)

commands = Table(
    "commands",
    metadata,
    Column("scope", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("fingerprint", String, nullable=False),
    Column("state", String, nullable=False, comment="in_flight or done"),
    Column("status", Integer, nullable=False, default=0),
    Column("body", Text, nullable=False, default=""),
    Column("expires_at", Float, nullable=False, comment="Seconds since the epoch"),
    Index("ix_commands_expires_at", "expires_at"),
)

webhook_outbox = Table(
    "webhook_outbox",
    metadata,
    Column("number", _Number, primary_key=True),
    Column("host", String, nullable=False, comment="The host that delivers it"),
    Column("event_id", String, nullable=False),
    Column("event_type", String, nullable=False),
    Column("call_id", _Sorted, ForeignKey("calls.id", ondelete="CASCADE"), comment="NULL: of no call"),
    Column("url", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String, nullable=False, comment="pending or failed; what was delivered is deleted"),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_at", Float, nullable=False, comment="Seconds since the epoch"),
    Column("created_at", Float, nullable=False, comment="Seconds since the epoch"),
    Column("error", Text, nullable=False, default=""),
    Index("ix_webhook_outbox_call_id_url_number", "call_id", "url", "number"),
    Index("ix_webhook_outbox_url_state_next_at", "url", "state", "next_at"),
    sqlite_autoincrement=True,
)

voicemails = Table(
    "voicemails",
    metadata,
    Column("id", _Sorted, primary_key=True),
    Column("host", String, nullable=False, comment="The host that looks after it, as in store/claims.py"),
    Column("state", String, nullable=False, comment="As telephony/voicemail/states.py draws them"),
    Column("reason", String, nullable=False, default=""),
    Column("source", String, nullable=False, comment="stream: recorded here; carrier: by the carrier"),
    Column("caller", String, nullable=False, default=""),
    Column("callee", String, nullable=False, default=""),
    Column("agent", String, nullable=False, default=""),
    Column("language", String, nullable=False, default=""),
    Column("transport", String, nullable=False, default=""),
    Column("call_id", String, nullable=False, default="", comment="The call in which it was left"),
    Column("carrier_call_id", String, nullable=False, default=""),
    Column("recording_id", String, nullable=False, default="", comment="The carrier's name for its recording"),
    Column("received_at", _Sorted, nullable=False),
    Column("seconds", Float, nullable=False, default=0.0),
    Column("bytes", BigInteger, nullable=False, default=0),
    Column("transcript", Text, nullable=False, default=""),
    Column("answer", Text, nullable=False, default=""),
    Column("tries", Integer, nullable=False, default=0, comment="Of the step that is next"),
    Column("next_at", Float, nullable=False, default=0.0, comment="Seconds since the epoch"),
    Column("callback_to", String, nullable=False, default=""),
    Column("attempts", Integer, nullable=False, default=0, comment="Call-backs that were begun"),
    Column("callback_call_id", String, nullable=False, default="", comment="The last of them"),
    Column("hurried", Boolean, nullable=False, default=False, comment="Somebody wants it now, quiet hours or not"),
    Index("ix_voicemails_state", "state"),
    Index("ix_voicemails_caller", "caller", "received_at"),
)
