"""The first tables: accounts, settings, documents, history."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("realm", sa.Text, nullable=False, unique=True),
        sa.Column("parent", sa.String(32), nullable=False),
        sa.Column("api_key_hash", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.create_table(
        "settings",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "documents",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("revision", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("modified_at", sa.Float, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
    )
    op.create_index("ix_documents_account_id", "documents", ["account_id"])
    op.create_table(
        "history",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("document_id", sa.String(32), nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("contact", sa.Text, nullable=False),
        sa.Column("accepted_at", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
        sa.Column("result", sa.Text),
        sa.Column("cause", sa.Text),
        sa.Column("ended_by", sa.Text),
        sa.Column("record", sa.Text),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("request_hash", sa.Text),
        sa.Column("reply", sa.Text),
    )
    op.create_index("ix_history_call_id", "history", ["call_id"])
    op.create_index("history_of_document", "history", ["document_id", "id"])
    with_key = sa.text("idempotency_key IS NOT NULL")
    op.create_index(
        "history_idempotency",
        "history",
        ["account_id", "idempotency_key"],
        sqlite_where=with_key,
        postgresql_where=with_key,
    )
    running = sa.text("ended_at IS NULL")
    op.create_index("history_running", "history", ["id"], sqlite_where=running, postgresql_where=running)


def downgrade() -> None:
    for table in ("history", "documents", "settings", "accounts"):
        op.drop_table(table)
