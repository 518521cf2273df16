"""Recordings: which files hold what was said on a call.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_Sorted = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table; no call on record has a recording."""
    op.create_table(
        "recordings",
        sa.Column("number", _Number, nullable=False),
        sa.Column("call_id", _Sorted, nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("file", sa.String(), nullable=False, comment="Its name in the folder recordings.dir"),
        sa.Column("format", sa.String(), nullable=False, comment="opus or wav"),
        sa.Column("state", sa.String(), nullable=False, comment="recording, ready, failed or expired"),
        sa.Column("started_at", _Sorted, nullable=False, comment="When its first sample was heard"),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("end_reason", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name="fk_recordings_call_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number", name="pk_recordings"),
        sa.UniqueConstraint("call_id", "part", name="uq_recordings_call_id_part"),
    )


def downgrade() -> None:
    """Drop it; the files stay."""
    op.drop_table("recordings")
