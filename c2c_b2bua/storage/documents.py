"""Click-to-calls, accounts and settings as rows; whoever asks keeps them in memory and writes through."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from c2c_b2bua.storage.database import ConflictError, Database, StorageError
from c2c_b2bua.storage.schema import accounts, documents, revoked_tokens, settings

encoder = msgspec.json.Encoder()
decoder = msgspec.json.Decoder(dict[str, Any])


class DocumentRow(msgspec.Struct, frozen=True, kw_only=True):
    """One click-to-call; times in seconds since 1970."""

    id: str
    account_id: str
    revision: str
    body: dict[str, Any]
    created_at: float
    modified_at: float
    deleted: bool = False


class AccountRow(msgspec.Struct, frozen=True, kw_only=True):
    """One account that was added by command; `api_key_hash` is SHA-256 in hex."""

    id: str
    name: str
    realm: str
    parent: str
    api_key_hash: str
    created_at: float


class DocumentStore:
    """The tables `documents`, `accounts`, `settings` and `revoked_tokens`."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def load(self) -> list[DocumentRow]:
        """Every document that is not deleted."""
        async with self.database.reading() as connection:
            rows = await connection.execute(sa.select(documents).where(documents.c.deleted.is_(False)))
            return [DocumentRow(**{**row, "body": decoder.decode(row["body"])}) for row in rows.mappings()]

    async def add(self, row: DocumentRow) -> None:
        """Write a new document; it is on disk when this returns."""
        async with self.database.writing() as connection:
            await connection.execute(documents.insert().values(**as_columns(row)))

    async def replace(self, row: DocumentRow, revision: str) -> None:
        """Write over revision `revision`; ConflictError when that is no longer the newest."""
        statement = documents.update().where(documents.c.id == row.id, documents.c.revision == revision)
        async with self.database.writing() as connection:
            result = await connection.execute(statement.values(**as_columns(row)))
            if result.rowcount != 1:
                raise ConflictError(f"document {row.id} is not at revision {revision}")

    async def load_accounts(self) -> list[AccountRow]:
        """Every account that was added by command."""
        async with self.database.reading() as connection:
            rows = await connection.execute(sa.select(accounts).order_by(accounts.c.created_at))
            return [AccountRow(**row) for row in rows.mappings()]

    async def add_account(self, row: AccountRow) -> None:
        """ConflictError when id, name or realm is taken."""
        try:
            async with self.database.writing() as connection:
                await connection.execute(accounts.insert().values(**msgspec.structs.asdict(row)))
        except StorageError as error:
            if isinstance(error.__cause__, IntegrityError):
                raise ConflictError(f"an account named {row.name} or with the realm {row.realm} exists") from error
            raise

    async def set_api_key(self, account_id: str, api_key_hash: str) -> bool:
        """False when there is no such account."""
        statement = accounts.update().where(accounts.c.id == account_id).values(api_key_hash=api_key_hash)
        async with self.database.writing() as connection:
            return (await connection.execute(statement)).rowcount == 1

    async def revoke(self, digest: str, expires_at: float, now: float) -> None:
        """Keep that this token is good no longer; drop those that have expired by now."""
        async with self.database.writing() as connection:
            await connection.execute(revoked_tokens.delete().where(revoked_tokens.c.expires_at <= now))
            known = await connection.scalar(sa.select(revoked_tokens.c.digest).where(revoked_tokens.c.digest == digest))
            if known is None:
                await connection.execute(revoked_tokens.insert().values(digest=digest, expires_at=expires_at))

    async def load_revoked(self) -> list[tuple[str, float]]:
        """Every token that was revoked: SHA-256 in hex, and when it would have expired."""
        async with self.database.reading() as connection:
            rows = await connection.execute(sa.select(revoked_tokens.c.digest, revoked_tokens.c.expires_at))
            return [(str(digest), float(expires_at)) for digest, expires_at in rows]

    async def setting(self, name: str, value: str) -> str:
        """The setting called `name`; `value`, now stored, when there is none yet."""
        async with self.database.writing() as connection:
            stored = await connection.scalar(sa.select(settings.c.value).where(settings.c.name == name))
            if stored is None:
                await connection.execute(settings.insert().values(name=name, value=value))
            return value if stored is None else str(stored)


def as_columns(row: DocumentRow) -> dict[str, Any]:
    """The row as the table wants it."""
    return {**msgspec.structs.asdict(row), "body": encoder.encode(row.body).decode()}
