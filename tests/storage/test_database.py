"""Opening, migrating, and what a database in trouble says."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from c2c_b2bua.storage.database import Database, StorageError
from c2c_b2bua.storage.schema import metadata, settings
from c2c_b2bua.storage.sqlite_writer import CHECKPOINT


async def test_migrations_make_exactly_the_schema(database: Database) -> None:
    def differences(connection: sa.Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async with database.reading() as connection:
        assert await connection.run_sync(differences) == []


async def test_starting_again_changes_nothing(database: Database, file: Path) -> None:
    async with database.writing() as connection:
        await connection.execute(settings.insert().values(name="a", value="1"))
    again = Database(f"sqlite:///{file}", 0.05)
    await again.start()
    async with again.reading() as connection:
        assert await connection.scalar(sa.select(settings.c.value)) == "1"
    await again.stop()


async def test_readers_do_not_wait_and_commits_are_on_disk(database: Database) -> None:
    async with database.reading() as connection:
        assert await connection.scalar(sa.text("PRAGMA journal_mode")) == "wal"
        assert await connection.scalar(sa.text("PRAGMA synchronous")) == 2
        assert await connection.scalar(sa.text("PRAGMA wal_autocheckpoint")) == CHECKPOINT


async def test_a_failed_block_leaves_nothing_behind(database: Database) -> None:
    with pytest.raises(StorageError):
        async with database.writing() as connection:
            await connection.execute(settings.insert().values(name="a", value="1"))
            await connection.execute(settings.insert().values(name="a", value="2"))
    async with database.reading() as connection:
        assert await connection.scalar(sa.select(sa.func.count()).select_from(settings)) == 0


async def test_a_locked_database_is_a_storage_error(database: Database, file: Path) -> None:
    other = sqlite3.connect(file)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="locked"):
        async with database.writing() as connection:
            await connection.execute(settings.insert().values(name="a", value="1"))
    other.rollback()
    other.close()
    async with database.writing() as connection:
        await connection.execute(settings.insert().values(name="a", value="1"))


@pytest.mark.parametrize("path", ["nowhere/c2c.db", "."])
async def test_a_place_that_cannot_be_opened_is_a_storage_error(tmp_path: Path, path: str) -> None:
    database = Database(f"sqlite:///{tmp_path / path}", 0.05)
    with pytest.raises(StorageError, match="unable to open"):
        await database.start()
    await database.stop()


async def test_what_is_no_database_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "c2c.db").write_bytes(b"no database, " * 1000)
    database = Database(f"sqlite:///{tmp_path / 'c2c.db'}", 0.05)
    with pytest.raises(StorageError, match="not a database"):
        await database.start()
    await database.stop()


async def test_tables_of_a_later_version_are_a_storage_error(database: Database, file: Path) -> None:
    async with database.writing() as connection:
        await connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    later = Database(f"sqlite:///{file}", 0.05)
    with pytest.raises(StorageError, match="not of this version"):
        await later.start()
    await later.stop()


async def test_a_postgresql_that_is_away_is_a_storage_error(unused_tcp_port: int) -> None:
    database = Database(f"postgresql://c2c:x@127.0.0.1:{unused_tcp_port}/c2c", 0.05)
    with pytest.raises(StorageError):
        await database.start()
    await database.stop()
