"""The service as a process: started from the wire up, stopped from the door down."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import signal

import structlog
from aiohttp import web

from api.app import make_server
from c2c_b2bua.config import Config
from c2c_b2bua.engine import Engine
from c2c_b2bua.service.exchange import Exchange
from c2c_b2bua.storage.database import StorageError

LAST_WORDS = 2.0
"""Seconds that HTTP requests under way get once all calls have ended."""

log = structlog.get_logger()


class Server:
    """Everything that `c2c serve` runs; `start` raises OSError or StorageError and leaves nothing open.

    Both ports are taken before the database is opened, which closes the calls that a killed process left there: a
    second server stops at the port of the first, and leaves the calls of the first alone. HTTP is served last.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.engine = Engine(config.sip)
        self.exchange = Exchange(config, self.engine)
        self.hurry = asyncio.Event()
        """Set: calls get no more time to end."""

    async def start(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            await self.engine.start()
            stack.push_async_callback(self.engine.close, 0)
            self.runner = web.ServerRunner(make_server(self.exchange), shutdown_timeout=LAST_WORDS)
            await self.runner.setup()
            stack.push_async_callback(self.runner.cleanup)
            self.door = await self.take_port()
            stack.callback(self.door.close)
            try:
                await self.exchange.start()
            except StorageError as error:
                raise StorageError(
                    f"cannot use the database {self.config.shown()['storage']['url']}: {error}"
                ) from error
            stack.push_async_callback(self.exchange.stop)
            await self.door.start_serving()
            stack.pop_all()
        # What lives as long as the process need not be looked at by the collector again. Calls are freed by
        # reference counts; the collector is there for the rare cycle, and would else walk all calls all the time.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 50)

    async def take_port(self) -> asyncio.Server:
        """The HTTP port, bound, but refusing connections until it is told to serve."""
        assert self.runner.server is not None
        host, port = self.config.api.address()
        loop = asyncio.get_running_loop()
        try:
            return await loop.create_server(self.runner.server, host, port, backlog=1024, start_serving=False)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror)
            raise OSError(error.errno, f"cannot listen on tcp:{self.config.api.listen} (HTTP): {reason}") from error

    @property
    def http_port(self) -> int:
        return int(self.door.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """No new calls; those that run are hung up within the grace; their records are written; everything is closed."""
        self.exchange.drain()
        await self.end_calls()
        self.door.close()
        await self.runner.cleanup()
        await self.exchange.stop()

    async def end_calls(self) -> None:
        """Let every call say goodbye, until the grace is over or somebody is in a hurry."""
        goodbye = asyncio.ensure_future(self.engine.close(self.config.calls.grace))
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


async def serve(config: Config) -> None:
    """Run until SIGTERM or SIGINT; a second one while calls are ending ends them at once. SIGHUP renews certificates."""
    server = Server(config)
    stopping = asyncio.Event()

    def stop() -> None:
        (server.hurry if stopping.is_set() else stopping).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    # Every phone on a stream is an open file: as many as we are allowed.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    loop.add_signal_handler(signal.SIGHUP, server.engine.renew_certificates)
    await server.start()
    log.info("ready", http=config.api.listen, sip=config.sip.listen)
    await stopping.wait()
    log.info("stopping", calls=server.engine.counts["calls"], grace=config.calls.grace)
    await server.stop()
    log.info("stopped")
