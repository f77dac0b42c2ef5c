"""A real server on a thread of its own, for clients that wait for their answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from aiohttp import web

from api.app import make_server
from api.openapi.kazoo_requests import ACCOUNT_ID
from c2c_b2bua.service.exchange import Exchange
from tests.api.conftest import settings_at
from tests.api.described import SETTINGS
from tests.api.scripted_engine import ScriptedEngine
from tests.api.tvox_client import register_phones

Some = TypeVar("Some")


class RunningServer:
    """The accounts of the examples; every call is answered, joined, and over at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.url = ""

    def __enter__(self) -> RunningServer:
        self.thread.start()
        self.run(self.start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run(self.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def run(self, work: Coroutine[Any, Any, Some]) -> Some:
        """Have it done over there."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    async def start(self) -> None:
        engine = ScriptedEngine()
        engine.then = answered_and_over
        self.exchange = Exchange(settings_at(self.folder, SETTINGS), engine)
        await self.exchange.start()
        accounts = self.exchange.accounts
        register_phones(self.exchange)
        accounts.configured = dict(accounts.by_id)
        self.runner = web.ServerRunner(make_server(self.exchange))
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}"
        self.account = accounts.by_id[ACCOUNT_ID]
        self.user = self.account.users[0]

    async def stop(self) -> None:
        await self.runner.cleanup()
        await self.exchange.stop()

    async def token(self) -> str:
        """A new one, of the user."""
        return self.exchange.accounts.issue(self.account, self.user.id).token

    async def click(self) -> str:
        """The id of a click-to-call that is there."""
        documents = self.exchange.documents
        made = documents.created(ACCOUNT_ID, {"name": "Sales", "extension": "1001", "whitelist": ["^2001$"]})
        return (await documents.save(made)).id

    async def forget_webhook(self) -> None:
        """So that nothing is sent to wherever it points."""
        if self.exchange.webhooks.of(ACCOUNT_ID):
            await self.exchange.webhooks.destroy(ACCOUNT_ID, "call")


def answered_and_over(engine: ScriptedEngine, call_id: str) -> None:
    engine.bridge(call_id)
    engine.end(call_id, "NORMAL_CLEARING", "b")
