"""What a request said about its call; the history of an account; tokens given back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("history", sa.Column("details", sa.Text))
    op.create_index("history_of_account", "history", ["account_id", "id"])
    op.create_table(
        "revoked_tokens",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("expires_at", sa.Float, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("revoked_tokens")
    op.drop_index("history_of_account", "history")
    op.drop_column("history", "details")
