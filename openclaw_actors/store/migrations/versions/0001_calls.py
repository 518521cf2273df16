"""Calls and what belongs to them: the first released schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# This file says what the first schema was, so it takes nothing from tables.py, which goes on.
_Sorted = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _call(table: str, *, nullable: bool = False) -> tuple[sa.Column[str], sa.ForeignKeyConstraint]:
    return (
        sa.Column("call_id", _Sorted, nullable=nullable, comment="NULL: of no call" if nullable else None),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=f"fk_{table}_call_id", ondelete="CASCADE"),
    )


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "calls",
        sa.Column("id", _Sorted, nullable=False),
        sa.Column("host", sa.String(), nullable=False, comment="The host whose call it is, as in store/claims.py"),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("media_state", sa.String(), nullable=False),
        sa.Column("transport", sa.String(), nullable=False),
        sa.Column("direction", sa.String(), nullable=False),
        sa.Column("caller", sa.String(), nullable=False),
        sa.Column("callee", sa.String(), nullable=False),
        sa.Column("engines", sa.JSON(), nullable=False),
        sa.Column("started_at", _Sorted, nullable=False),
        sa.Column("answered_at", _Sorted, nullable=False),
        sa.Column("ended_at", _Sorted, nullable=False),
        sa.Column("end_reason", sa.String(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("resumed_from", sa.String(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_calls"),
    )
    op.create_index("ix_calls_ended_at", "calls", ["ended_at"])
    op.create_index("ix_calls_status", "calls", ["status"])
    op.create_table(
        "turns",
        sa.Column("number", _Number, nullable=False),
        *_call("turns"),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("time", _Sorted, nullable=False),
        sa.Column("end_of_turn_ms", sa.Integer()),
        sa.Column("stt_final_ms", sa.Integer()),
        sa.Column("agent_first_token_ms", sa.Integer()),
        sa.Column("tts_first_audio_ms", sa.Integer()),
        sa.Column("first_packet_ms", sa.Integer()),
        sa.Column("total_ms", sa.Integer()),
        sa.PrimaryKeyConstraint("number", name="pk_turns"),
    )
    op.create_index("ix_turns_call_id", "turns", ["call_id"])
    op.create_table(
        "transcripts",
        sa.Column("number", _Number, nullable=False),
        *_call("transcripts"),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("time", _Sorted, nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("cut", sa.Boolean(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_transcripts"),
    )
    op.create_index("ix_transcripts_call_id", "transcripts", ["call_id"])
    op.create_table(
        "events",
        sa.Column("position", _Number, nullable=False, comment="The order in which events were committed"),
        sa.Column("id", _Sorted, nullable=False),
        *_call("events", nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("time", _Sorted, nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_events"),
        sa.UniqueConstraint("id", name="uq_events_id"),
        sa.UniqueConstraint("call_id", "sequence", name="uq_events_call_id_sequence"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "restarts",
        sa.Column("number", _Number, nullable=False),
        *_call("restarts"),
        sa.Column("time", _Sorted, nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("incarnation", sa.Integer(), nullable=False),
        sa.Column("downtime_ms", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_restarts"),
    )
    op.create_index("ix_restarts_call_id", "restarts", ["call_id"])
    op.create_table(
        "commands",
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False, comment="in_flight or done"),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False, comment="Seconds since the epoch"),
        sa.PrimaryKeyConstraint("scope", "key", name="pk_commands"),
    )
    op.create_index("ix_commands_expires_at", "commands", ["expires_at"])
    op.create_table(
        "webhook_outbox",
        sa.Column("number", _Number, nullable=False),
        sa.Column("host", sa.String(), nullable=False, comment="The host that delivers it"),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("event_type", sa.String(), nullable=False),
        *_call("webhook_outbox", nullable=True),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False, comment="pending or failed; what was delivered is deleted"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.Float(), nullable=False, comment="Seconds since the epoch"),
        sa.Column("created_at", sa.Float(), nullable=False, comment="Seconds since the epoch"),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_webhook_outbox"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_webhook_outbox_call_id_url_number", "webhook_outbox", ["call_id", "url", "number"])
    op.create_index("ix_webhook_outbox_url_state_next_at", "webhook_outbox", ["url", "state", "next_at"])


def downgrade() -> None:
    """Drop the tables, with every record in them."""
    for table in ("webhook_outbox", "commands", "restarts", "events", "transcripts", "turns", "calls"):
        op.drop_table(table)
