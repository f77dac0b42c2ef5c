"""A worker: an engine in a process of its own, which does what the desk tells it and tells what happens to its calls.

When the link breaks the desk is gone: nobody is told anything, the calls stay in the journal for the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from c2c_b2bua.call.news import CallBridged, CallEnded, CallNews, LegAnswered, LegRinging
from c2c_b2bua.call.record import CallRecord
from c2c_b2bua.engine import OUR_FAULT, Engine
from c2c_b2bua.kept_calls import KeptCalls
from c2c_b2bua.storage.journal import Found, Journal
from c2c_b2bua.storage.recordings import Recordings
from c2c_b2bua.workers.link import Link
from c2c_b2bua.workers.messages import (
    Begin,
    Behind,
    Close,
    Closed,
    Connect,
    Count,
    Counted,
    Failed,
    Forget,
    FromDesk,
    HangUp,
    Ready,
    RefuseTransfer,
    Release,
    Renew,
    Survivors,
    Transfer,
    Used,
    Welcome,
    told,
)
from c2c_b2bua.workers.process import spare_collector

PATIENCE = 3.0
"""Seconds for a worker before us, whose desk was killed, to let go of its port and its journal."""
TAKEN = (errno.EADDRINUSE, errno.EWOULDBLOCK)
SOME = 500
"""Survivors that go into one message."""
MAY_WAIT: dict[type[CallNews], float] = {LegRinging: 0.02, LegAnswered: 0.02, CallBridged: 0.02, CallEnded: 0.002}
"""Seconds after what was told last that such news is told, if nothing more urgent is; all other news at once."""
LOOKED = 0.1
"""Seconds between two looks at whether more comes than can be taken in."""
WEIGHED = 1.0
"""Seconds between two times that the desk is told how busy we are, while calls end."""

log = structlog.get_logger()


class OwnCalls(KeptCalls):
    """The calls of this worker, and of the one before it; nobody else's."""

    def open(self, ours: Journal | None = None) -> dict[str, Found]:
        try:
            return self.journal.open()
        except OSError as error:
            raise OSError(error.errno, f"cannot use {self.path}: {error.strerror or error}") from error


class Worker:
    """Hears the desk; `run` returns when it is gone."""

    def __init__(self) -> None:
        self.link: Link
        self.engine: Engine
        self.kept: OwnCalls
        self.recordings: Recordings | None = None
        self.is_open = False
        self.weighed_at = 0.0
        self.lag = 0.0
        """As the desk knows it."""
        self.work: asyncio.Task[None] | None = None
        """The beginning, then the end."""
        self.dispatch: dict[type, Callable[[Any], object]] = {
            Connect: self.connect,
            HangUp: lambda message: self.engine.hang_up(message.call_id),
            Forget: lambda message: self.kept.forget(message.call_id),
            Transfer: lambda message: self.engine.transfer(message.call_id, message.leg, message.key, message.parties),
            RefuseTransfer: lambda message: self.engine.refuse_transfer(
                message.call_id, message.leg, message.key, message.status, message.reason
            ),
            Release: lambda message: self.kept.release(self.tell),
            Welcome: lambda message: self.engine.welcome(message.hosts),
            Renew: lambda message: self.engine.renew_certificates(),
            Count: lambda message: self.link.send(Counted(self.engine.counts)),
            Begin: lambda message: self.start(self.begin(message)),
            Close: lambda message: self.start(self.close(message.grace, self.work)),
        }

    async def run(self, end: socket.socket) -> None:
        self.link = await Link.over(end, FromDesk, lambda message: self.dispatch[type(message)](message))
        await self.link.lost.wait()
        if self.is_open:
            await self.engine.close_sockets()
        if self.recordings is not None:
            self.recordings.close()

    def start(self, work: Any) -> None:
        self.work = asyncio.ensure_future(work)

    async def begin(self, message: Begin) -> None:
        """Open everything, and say what was found."""
        try:
            if message.replays:
                self.recordings = Recordings(Path(message.replays), message.replays_kept)
            self.engine = await self.opened(message)
        except Exception as error:
            if not isinstance(error, OSError):
                log.exception("cannot begin")
            number = error.errno if isinstance(error, OSError) else None
            self.link.send(Failed(number, getattr(error, "strerror", None) or str(error)))
            return
        self.is_open = True
        self.engine.subscribe(self.tell)
        survivors = [*self.kept.survivors().values()]
        for at in range(0, len(survivors), SOME):
            self.link.send(Survivors(survivors[at : at + SOME]))
        self.link.send(Ready())
        spare_collector()
        self.look_back()

    async def opened(self, message: Begin) -> Engine:
        """The engine, once it has its port and its journal; OSError when others have them and do not let go."""
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE
        while True:
            self.kept = OwnCalls(Path(message.journal), message.passwords)
            engine = Engine(message.sip, self.recordings, self.kept)
            try:
                await engine.start()
            except OSError as error:
                await engine.close_sockets()
                self.kept.close()
                if error.errno not in TAKEN or loop.time() >= until:
                    raise
            else:
                return engine
            await asyncio.sleep(0.05)

    def tell(self, news: CallNews) -> None:
        self.link.send(told(news), MAY_WAIT.get(type(news), 0.0))
        if type(news) is CallEnded and (now := self.engine.now()) >= self.weighed_at + WEIGHED:
            self.weighed_at = now
            self.link.send(Used(time.process_time()), MAY_WAIT[CallEnded])

    def look_back(self) -> None:
        """Tell when we are behind with what comes, so that others get the new calls, or nobody."""
        lag = self.engine.lag()
        if lag != self.lag:
            self.lag = lag
            self.link.send(Behind(lag))
        asyncio.get_running_loop().call_later(LOOKED, self.look_back)

    def connect(self, message: Connect) -> None:
        order = message.order
        try:
            self.engine.connect(order)
        except Exception:
            log.exception("a call cannot be made", call_id=order.call_id)
            now = self.engine.now()
            if order.call_id in self.engine.core.calls:
                self.engine.carry_out(self.engine.core.abandon(order.call_id, OUR_FAULT, now))
                return
            record = CallRecord(call_id=order.call_id, accepted_at=now, ended_at=now, ended_by="error")
            record.cause, record.sip_code, record.reason = OUR_FAULT.cause, OUR_FAULT.sip_code, OUR_FAULT.text
            self.tell(CallEnded(order.call_id, now, record))

    async def close(self, grace: float, before: asyncio.Task[None] | None) -> None:
        """End all calls; then wait to be told which records are safe."""
        if before is not None and not before.done():
            before.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await before
        await self.engine.close(grace)
        self.link.send(Closed())
