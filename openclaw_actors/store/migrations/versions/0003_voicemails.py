"""Messages that callers leave, and how far each has come on its way to being answered.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_Sorted = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "voicemails",
        sa.Column("id", _Sorted, nullable=False),
        sa.Column("host", sa.String(), nullable=False, comment="The host that looks after it, as in store/claims.py"),
        sa.Column("state", sa.String(), nullable=False, comment="As telephony/voicemail/states.py draws them"),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False, comment="stream: recorded here; carrier: by the carrier"),
        sa.Column("caller", sa.String(), nullable=False),
        sa.Column("callee", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("transport", sa.String(), nullable=False),
        sa.Column("call_id", sa.String(), nullable=False, comment="The call in which it was left"),
        sa.Column("carrier_call_id", sa.String(), nullable=False),
        sa.Column("recording_id", sa.String(), nullable=False, comment="The carrier's name for its recording"),
        sa.Column("received_at", _Sorted, nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("transcript", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False, comment="Of the step that is next"),
        sa.Column("next_at", sa.Float(), nullable=False, comment="Seconds since the epoch"),
        sa.Column("callback_to", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, comment="Call-backs that were begun"),
        sa.Column("callback_call_id", sa.String(), nullable=False, comment="The last of them"),
        sa.Column("hurried", sa.Boolean(), nullable=False, comment="Somebody wants it now, quiet hours or not"),
        sa.PrimaryKeyConstraint("id", name="pk_voicemails"),
    )
    op.create_index("ix_voicemails_state", "voicemails", ["state"])
    op.create_index("ix_voicemails_caller", "voicemails", ["caller", "received_at"])


def downgrade() -> None:
    """Drop it, with every message in it; their sound stays where it is."""
    op.drop_table("voicemails")
