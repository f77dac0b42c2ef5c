"""The tables. A change here comes with a migration in `migrations/versions/`."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("realm", sa.Text, nullable=False, unique=True),
    sa.Column("parent", sa.String(32), nullable=False),
    sa.Column("api_key_hash", sa.String(64), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)
"""Accounts added by command; those of the configuration are not here."""

settings = sa.Table(
    "settings",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
"""What was made once and is to stay, such as the secret that signs tokens."""

revoked_tokens = sa.Table(
    "revoked_tokens",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("expires_at", sa.Float, nullable=False),
)
"""Tokens given back before their time, as SHA-256 in hex."""

bindings = sa.Table(
    "bindings",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("expires_at", sa.Float, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
"""Phones that are registered; `body` is a JSON object."""

documents = sa.Table(
    "documents",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("account_id", sa.String(32), nullable=False, index=True),
    sa.Column("revision", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("modified_at", sa.Float, nullable=False),
    sa.Column("deleted", sa.Boolean, nullable=False),
)
"""Click-to-calls; `body` is a JSON object."""

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("account_id", sa.String(32), nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("kinds", sa.Text),
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.UniqueConstraint("account_id", "type"),
)
"""Where an account wants events to be sent; `kinds` is a JSON list of those it wants, null: all."""

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("webhook_id", sa.String(32), primary_key=True),
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("history_id", sa.String(32), nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", sa.Float, nullable=False),
)
"""The outbox: events (JSON) that have not arrived yet; gone when they have, or when they are given up.

Event ids begin with the history id and end with the event's place in its call, so their order is the order of both.
"""

history = sa.Table(
    "history",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("account_id", sa.String(32), nullable=False),
    sa.Column("document_id", sa.String(32), nullable=False),
    sa.Column("call_id", sa.Text, nullable=False, index=True),
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
    sa.Column("details", sa.Text),
)
"""One row per call that was tried. Ids begin with the time, so their order is the order of the calls.

`record` is the call's JSON once it has ended; `reply` what its request was answered, kept for idempotency; `details`
is a JSON object of what the request said about the call.
"""

sa.Index("history_of_document", history.c.document_id, history.c.id)
sa.Index("history_of_account", history.c.account_id, history.c.id)
sa.Index(
    "history_idempotency",
    history.c.account_id,
    history.c.idempotency_key,
    sqlite_where=history.c.idempotency_key.is_not(None),
    postgresql_where=history.c.idempotency_key.is_not(None),
)
sa.Index(
    "history_running",
    history.c.id,
    sqlite_where=history.c.ended_at.is_(None),
    postgresql_where=history.c.ended_at.is_(None),
)
