"""Calls by phone: the carrier's own name for each, so that what a host left there can be ended by the next.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; the calls on record have none."""
    with op.batch_alter_table("calls") as calls:
        calls.add_column(
            sa.Column(
                "carrier_call_id",
                sa.String(),
                nullable=False,
                server_default="",
                comment="The carrier's own name for it",
            )
        )


def downgrade() -> None:
    """Drop it."""
    with op.batch_alter_table("calls") as calls:
        calls.drop_column("carrier_call_id")
