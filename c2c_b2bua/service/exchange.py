"""The exchange: everything the product is made of, started and stopped in order."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path
from typing import Protocol

import structlog

from c2c_b2bua.config import Config
from c2c_b2bua.service.accounts import Accounts
from c2c_b2bua.service.calls import CallEngine, Calls
from c2c_b2bua.service.documents import Documents
from c2c_b2bua.service.history import History
from c2c_b2bua.service.originate import Planner
from c2c_b2bua.service.registrations import PhoneEngine, Registrations
from c2c_b2bua.service.routes import Routes
from c2c_b2bua.service.survivors import Survivors
from c2c_b2bua.service.transactions import Extensions, Transactions
from c2c_b2bua.service.transfers import TransferEngine, Transfers
from c2c_b2bua.service.trunk_watch import TrunkEngine, TrunkWatch
from c2c_b2bua.service.webhooks import Webhooks
from c2c_b2bua.storage.bindings import BindingStore
from c2c_b2bua.storage.database import Database, StorageError
from c2c_b2bua.storage.documents import DocumentStore
from c2c_b2bua.storage.history import HistoryStore

PATIENCE = 1.0
"""Seconds that requests under way get to be finished before another process takes over."""

log = structlog.get_logger()


@contextlib.asynccontextmanager
async def open_accounts(settings: Config) -> AsyncIterator[Accounts]:
    """The accounts alone, for a command beside a running service, whose calls are left alone; StorageError."""
    database = Database(settings.storage.url, settings.storage.busy_timeout)
    try:
        await database.start()
        accounts = Accounts(settings, DocumentStore(database), time.time)
        await accounts.start()
        yield accounts
    finally:
        await database.stop()


@contextlib.asynccontextmanager
async def open_history(settings: Config) -> AsyncIterator[HistoryStore]:
    """What is kept of calls, to be read, beside a running service or without one; StorageError."""
    database = Database(settings.storage.url, settings.storage.busy_timeout)
    try:
        await database.start()
        yield HistoryStore(database)
    finally:
        await database.stop()


class Engine(CallEngine, PhoneEngine, TransferEngine, TrunkEngine, Protocol):
    """What carries calls, listens to phones and watches over trunks."""

    def inherit(self) -> None: ...


class Exchange:
    """Made of a configuration and an engine, which whoever made it starts and closes.

    Start the engine first: a second process then stops at the port that is taken, before it closes what it holds for
    calls of a killed one. Then the exchange, then the HTTP door. To stop: `drain`, close the engine, the door, `stop`.
    """

    def __init__(self, settings: Config, engine: Engine) -> None:
        self.settings = settings
        self.engine = engine
        self.database = Database(settings.storage.url, settings.storage.busy_timeout)
        store = DocumentStore(self.database)
        self.accounts = Accounts(settings, store, engine.now)
        self.documents = Documents(store, settings.numbers.country, engine.now)
        self.history = History(HistoryStore(self.database, Path(settings.storage.accepted_path)), engine.now)
        self.registrations = Registrations(settings, engine, store, BindingStore(self.database))
        routes = Routes(settings, self.registrations.contacts)
        self.calls = Calls(settings, engine, self.history, Planner(settings, routes), later)
        self.transfers = Transfers(engine, self.calls, self.accounts, self.documents)
        self.calls.listeners.append(self.transfers.hear)
        self.trunk_watch = TrunkWatch(routes.trunks, engine)
        self.trunk_watch.heard.append(self.calls.waiting.wake)
        extensions = Extensions(self.accounts, self.documents)
        self.survivors = Survivors(self.calls, self.history, extensions)
        self.transactions = Transactions(self.calls, self.history.store, extensions)
        self.webhooks = Webhooks(settings.webhooks, self.history.store, extensions, engine.now, later)
        self.calls.listeners.append(self.webhooks.hear)
        self.history.closed = self.webhooks.hear_abandoned
        self.drained = asyncio.Event()
        """Set once no call is taken any more: the service ends when those that go on have ended."""

    async def start(self, before: Collection[str] | None = None) -> None:
        """Open the database, read what is kept in memory; StorageError when that is impossible.

        `before`: a process whose place we take lives, and still goes on with these calls (their history ids).
        """
        try:
            if not self.database.is_open:
                await self.database.start()
            await self.history.start()
            await self.accounts.start()
            await self.documents.start()
            await self.calls.start()
            await self.webhooks.start(before or ())
            await self.history.take_stock(self.survivors.adopt, before or ())
            await self.registrations.start()
            self.trunk_watch.start()
        except BaseException:
            await self.webhooks.stop()
            await self.history.stop()
            await self.database.stop()
            raise

    async def flush(self) -> None:
        """Returns when nothing that changes is under way, and what is known is on disk, or a while has passed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self.calls.under_way.quiet()
                await self.history.store.caught_up()
                await self.registrations.store.flush()

    def own_calls(self) -> list[str]:
        """History ids of the calls that go on here, and of those of which something is left to be written or told."""
        return sorted(
            {call.history_id for call in self.calls.live.values()}
            | self.webhooks.deliveries.calls
            | {*self.history.unwritten}
        )

    async def adopt(self, ids: Collection[str]) -> None:
        """The process that went on with these calls is gone: go on with them if it was killed, or close them.

        What it has not told of them is told.
        """
        try:
            await self.webhooks.deliveries.adopt(ids)
            await self.history.store.recover()
            left = await self.history.running(ids)
            self.engine.inherit()
            self.history.abandon(self.survivors.adopt(left))
        except StorageError as error:
            log.error("calls of the process before this one are not closed", reason=str(error))

    def drain(self) -> None:
        """From now on connect answers that the service is stopping; everything else goes on."""
        self.calls.drain()
        self.drained.set()

    async def stop(self) -> None:
        """Deliver and write what is waiting, close the database."""
        self.drain()
        await self.webhooks.stop()
        await self.history.stop()
        await self.registrations.stop()
        await self.database.stop()


def later(delay: float, wake: Callable[[], None]) -> asyncio.TimerHandle:
    """Call `wake` after so many seconds."""
    return asyncio.get_running_loop().call_later(delay, wake)
