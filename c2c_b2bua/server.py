"""The service as a process: started from the wire up, stopped from the door down."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from socket import socket

import structlog
from aiohttp import web

from api.app import make_server
from api.relay import Gate
from c2c_b2bua.config import Config
from c2c_b2bua.control import path_of
from c2c_b2bua.engine import Engine
from c2c_b2bua.form import form
from c2c_b2bua.kept_calls import KeptCalls
from c2c_b2bua.service.exchange import Exchange
from c2c_b2bua.storage.database import StorageError
from c2c_b2bua.storage.recordings import Recordings
from c2c_b2bua.swap import Swap
from c2c_b2bua.transport.door import Door
from c2c_b2bua.workers.crew import Crew, CrewCalls
from c2c_b2bua.workers.process import allow_many_files, spare_collector

GOODBYE = 5.0
"""Seconds that phones get to say yes to our BYE or CANCEL."""
PROGRESS = 5.0
"""Seconds after which the log says how many calls are left, when that has changed."""
LAST_WORDS = 2.0
"""Seconds that HTTP requests under way get once all calls have ended."""
NOT_WITH_WORKERS = "a service with workers above 1 in [sip] neither takes a place nor hands it over"
WORKER = ("-m", "c2c_b2bua.commands.worker")
"""How Python is told to be a worker; the level of its log is added."""

log = structlog.get_logger()


class Server:
    """Everything that `c2c serve` runs; `start` raises OSError or StorageError and leaves nothing open.

    Both ports are taken before the database is opened, which closes the calls that a killed process left there: a
    second server stops at the port of the first, and leaves the calls of the first alone. HTTP is served last.
    With `replace`, a first server hands its ports over instead, and goes on with its calls.
    """

    def __init__(self, config: Config, replace: bool = False, log_level: str = "info") -> None:
        self.config = config
        self.replace = replace
        calls = config.calls
        workers = config.sip.workers
        most = max(1, calls.replays_kept // workers)
        self.recordings = Recordings(Path(calls.replays), most) if calls.replays else None
        passwords = {trunk.name: str(trunk.password) for trunk in config.trunk}
        journal = Path(config.storage.journal_path)
        self.kept: KeptCalls
        self.engine: Engine
        self.crew: Crew | None = None
        if workers == 1:
            self.kept = KeptCalls(journal, passwords)
            self.engine = Engine(config.sip, self.recordings, self.kept)
        else:
            self.kept = of_all = CrewCalls(journal, passwords, workers)
            self.engine = self.crew = Crew(config, self.recordings, of_all, (sys.executable, *WORKER, log_level))
        self.exchange = Exchange(config, self.engine)
        self.gate = Gate()
        self.time_is_up = asyncio.Event()
        """Set: calls that go on are to be ended."""
        self.hurry = asyncio.Event()
        """Set: nobody is waited for any more."""
        self.stopping: asyncio.TimerHandle | None = None
        self.swap = Swap(self.engine, self.exchange, self.gate, path_of(config))
        if self.crew is not None:
            self.swap.stays = NOT_WITH_WORKERS

    async def start(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self.gate.close)
            stack.callback(self.swap.close)
            # Calls that were taken over are not hung up when we cannot start: somebody will try again.
            stack.callback(self.kept.close)
            if self.crew is not None:
                stack.push_async_callback(self.crew.dismiss)
            stack.push_async_callback(self.engine.close_sockets)
            self.runner = web.ServerRunner(make_server(self.exchange, self.gate), shutdown_timeout=LAST_WORDS)
            await self.runner.setup()
            stack.push_async_callback(self.runner.cleanup)
            handed = await self.take_place()
            await self.engine.start()
            self.swap.know_predecessor()
            self.door = await self.take_port(handed)
            stack.callback(self.door.close)
            if not self.swap.predecessor:
                self.swap.require_alone()
            if self.crew is not None:
                await self.crew.begin()
            try:
                await self.exchange.start(self.swap.calls_before)
            except StorageError as error:
                raise self.not_this_database(error) from error
            stack.push_async_callback(self.exchange.stop)
            self.swap.begin(self.door)
            if self.engine.handed is not None:
                await self.engine.resume()
            await self.door.serve()
            stack.pop_all()
        spare_collector()

    async def take_place(self) -> list[socket]:
        """Of the process that runs, if that is wanted and there is one: its sockets for HTTP, the engine has the others."""
        if not self.replace:
            return []
        if self.crew is not None:
            raise OSError(None, f"cannot replace anybody: {NOT_WITH_WORKERS}; stop the service that runs, then start")
        try:
            # Before it hands over, as that may take a while; and if it fails, the other one goes on.
            await self.exchange.database.start()
        except StorageError as error:
            await self.exchange.database.stop()
            raise self.not_this_database(error) from error
        try:
            return await self.swap.take_over(self.config.api.listen)
        except BaseException:
            await self.exchange.database.stop()
            raise

    def not_this_database(self, error: StorageError) -> StorageError:
        return StorageError(f"cannot use the database {self.config.shown()['storage']['url']}: {error}")

    async def take_port(self, handed: list[socket]) -> Door:
        """The HTTP port, bound, but refusing connections until it is told to serve."""
        assert self.runner.server is not None
        door = Door(self.runner.server)
        try:
            await (door.adopt(handed) if handed else door.open(*self.config.api.address()))
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror)
            raise OSError(error.errno, f"cannot listen on tcp:{self.config.api.listen} (HTTP): {reason}") from error
        return door

    @property
    def http_port(self) -> int:
        return self.door.address[1]

    def tell_to_stop(self) -> None:
        """The first time: drain, and give the calls that go on the grace. The second time: end them at once."""
        if self.stopping is not None:
            self.hurry.set()
            return
        grace = self.config.calls.grace
        log.info("stopping", calls=len(self.exchange.calls.live), grace=grace)
        self.stopping = asyncio.get_running_loop().call_later(grace, self.time_is_up.set)
        self.exchange.drain()

    async def run(self) -> None:
        """Until it is drained and the calls that went on have ended, or their time is up; then stop."""
        await self.exchange.drained.wait()
        await self.let_calls_end()
        await self.stop()

    async def let_calls_end(self) -> None:
        """Wait for that; the log says how many are left."""
        calls = self.exchange.calls
        ends = [self.time_is_up.wait(), self.hurry.wait(), self.until_idle()]
        waiting = {asyncio.ensure_future(end) for end in ends}
        told = None
        try:
            while True:
                if told != (told := len(calls.live)) and told:
                    log.info("draining", calls=told)
                done, _ = await asyncio.wait(waiting, timeout=PROGRESS, return_when=asyncio.FIRST_COMPLETED)
                if done:
                    return
        finally:
            for task in waiting:
                task.cancel()
            if self.stopping is not None:
                self.stopping.cancel()

    async def until_idle(self) -> None:
        """Returns when no call goes on, and nobody else needs us."""
        assert self.runner.server is not None
        calls = self.exchange.calls
        await calls.until_idle()
        await self.swap.until_free(self.runner.server)
        while calls.live:
            # The process before us was killed: its calls are ours now.
            await calls.until_idle()

    async def stop(self) -> None:
        """No new calls; those that run are hung up; their records are written; everything is closed."""
        self.exchange.drain()
        await self.end_calls()
        self.door.close()
        await self.runner.cleanup()
        await self.gate.close()
        await self.swap.finish()
        await self.exchange.stop()
        if self.recordings:
            self.recordings.close()
        if self.crew is not None:
            await self.crew.dismiss()
        self.kept.close()
        self.swap.close()

    async def end_calls(self) -> None:
        """Hang up, and let everybody say goodbye, unless somebody is in a hurry."""
        goodbye = asyncio.ensure_future(self.engine.close(GOODBYE))
        hurry = asyncio.ensure_future(self.hurry.wait())
        await asyncio.wait([goodbye, hurry], return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if goodbye.done():
            goodbye.result()
            return
        goodbye.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await goodbye
        await self.engine.close(0)


async def serve(config: Config, replace: bool = False, log_level: str = "info") -> None:
    """Run until SIGTERM or SIGINT; a second one ends running calls at once. SIGHUP renews certificates."""
    server = Server(config, replace, log_level)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.tell_to_stop)
    allow_many_files()
    loop.add_signal_handler(signal.SIGHUP, server.engine.renew_certificates)
    await server.start()
    log.info("ready", http=config.api.listen, sip=config.sip.listen, form=form())
    await server.run()
    log.info("stopped")
