"""The service as a process: engine, exchange and HTTP door started in order, and stopped in order."""

from __future__ import annotations

import asyncio
import gc
import signal

import structlog
from aiohttp import web

from api.app import make_app
from c2c_b2bua.config import Config
from c2c_b2bua.engine import Engine
from c2c_b2bua.service.exchange import Exchange

log = structlog.get_logger()


class Server:
    """Everything that `c2c serve` runs; `start` raises OSError or StorageError and leaves nothing open."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.engine = Engine(config.sip)
        self.exchange = Exchange(config, self.engine)
        self.runner = web.AppRunner(make_app(self.exchange), access_log=None, handle_signals=False)

    async def start(self) -> None:
        await self.exchange.start()
        try:
            await self.engine.start()
            try:
                await self.listen()
            except BaseException:
                await self.engine.close(0)
                raise
        except BaseException:
            await self.exchange.stop()
            raise
        # What lives as long as the process need not be looked at by the collector again. Calls are freed by
        # reference counts; the collector is there for the rare cycle, and would else walk all calls all the time.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 50)

    async def listen(self) -> None:
        host, port = self.config.api.address()
        await self.runner.setup()
        try:
            await web.TCPSite(self.runner, host, port, backlog=1024).start()
        except OSError as error:
            await self.runner.cleanup()
            reason = error.strerror or str(error)
            raise OSError(error.errno, f"cannot listen on tcp:{host}:{port} (HTTP): {reason}") from error

    @property
    def http_port(self) -> int:
        return int(self.runner.addresses[0][1])

    async def stop(self) -> None:
        """No new calls; those that run are hung up within the grace; their records are written; everything is closed."""
        self.exchange.drain()
        await self.engine.close(self.config.calls.grace)
        await self.runner.cleanup()
        await self.exchange.stop()


async def serve(config: Config) -> None:
    """Run until SIGTERM or SIGINT."""
    server = Server(config)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await server.start()
    log.info("ready", http=config.api.listen, sip=config.sip.listen)
    await stopping.wait()
    log.info("stopping", calls=server.engine.counts["calls"], grace=config.calls.grace)
    await server.stop()
    log.info("stopped")
