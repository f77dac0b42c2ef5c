"""Documents, accounts and settings as rows."""

from __future__ import annotations

import msgspec
import pytest

from c2c_b2bua.storage.database import ConflictError, Database
from c2c_b2bua.storage.documents import AccountRow, DocumentRow, DocumentStore

ROW = DocumentRow(
    id="d" * 32, account_id="a" * 32, revision="1-x", body={"name": "Ünï ☎"}, created_at=1.5, modified_at=2.5
)
ACCOUNT = AccountRow(id="a" * 32, name="acme", realm="acme.example", parent="", api_key_hash="h", created_at=1.0)


async def test_a_document_comes_back_as_it_was(database: Database) -> None:
    store = DocumentStore(database)
    await store.add(ROW)
    assert await store.load() == [ROW]


async def test_a_deleted_document_is_kept_but_not_loaded(database: Database) -> None:
    store = DocumentStore(database)
    await store.add(ROW)
    await store.replace(msgspec.structs.replace(ROW, revision="2-x", deleted=True), "1-x")
    assert await store.load() == []
    with pytest.raises(ConflictError):
        await store.replace(ROW, "1-x")


async def test_writing_over_a_revision_that_is_gone_is_a_conflict(database: Database) -> None:
    store = DocumentStore(database)
    await store.add(ROW)
    newer = msgspec.structs.replace(ROW, revision="2-x", body={"name": "new"})
    await store.replace(newer, "1-x")
    with pytest.raises(ConflictError):
        await store.replace(msgspec.structs.replace(ROW, revision="2-y"), "1-x")
    assert await store.load() == [newer]


async def test_accounts(database: Database) -> None:
    store = DocumentStore(database)
    await store.add_account(ACCOUNT)
    with pytest.raises(ConflictError, match="acme"):
        await store.add_account(msgspec.structs.replace(ACCOUNT, id="b" * 32, realm="other.example"))
    assert await store.set_api_key("a" * 32, "new")
    assert not await store.set_api_key("b" * 32, "new")
    assert [account.api_key_hash for account in await store.load_accounts()] == ["new"]


async def test_a_setting_is_made_once(database: Database) -> None:
    store = DocumentStore(database)
    assert await store.setting("token_secret", "first") == "first"
    assert await store.setting("token_secret", "second") == "first"
