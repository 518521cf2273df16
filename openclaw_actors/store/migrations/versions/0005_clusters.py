"""Clusters: a call that a carrier brings again is found by the carrier's name for it, at each end of a stream.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_calls_carrier_call_id", "calls", ["carrier_call_id"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_calls_carrier_call_id", "calls")
