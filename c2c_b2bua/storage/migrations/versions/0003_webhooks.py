"""Webhooks, and the events that wait to be delivered to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("kinds", sa.Text),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.UniqueConstraint("account_id", "type"),
    )
    op.create_table(
        "deliveries",
        sa.Column("webhook_id", sa.String(32), primary_key=True),
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("history_id", sa.String(32), nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Float, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("deliveries")
    op.drop_table("webhooks")
