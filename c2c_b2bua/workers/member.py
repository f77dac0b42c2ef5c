"""One worker as the desk sees it: its process, started again whenever it dies, its link, and the calls that it has."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from c2c_b2bua.call.news import CallBridged, CallEnded, CallNews, LegAnswered, LegRinging
from c2c_b2bua.call.record import CallRecord
from c2c_b2bua.sip.reason import Why
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
    FromWorker,
    HangUp,
    Message,
    Ready,
    Release,
    Survivors,
    Told,
    Used,
    Welcome,
    news_of,
)

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0
"""Seconds before it is started a second time, and how far that grows; the first time is at once."""
SETTLED = 30.0
"""Seconds after which one that dies is started at once again."""
GIVEN_UP = 60.0
"""Seconds without it after which its calls are told as lost."""
HASTE = 5.0
"""Seconds that it gets to close beyond what it was given."""
ANSWER = 1.0
"""Seconds that it gets to count, and to end once it is not needed any more."""
MAY_WAIT = 0.1
"""Seconds after what it was told last that it is told which records are safe, if nothing else is to be told."""
LOST = Why("RECOVERY_ON_TIMER_EXPIRE", None, "the process that had this call was killed")

log = structlog.get_logger()


class Member:
    """`hear` is told the news of its calls, `weigh` its number and the seconds of CPU it has used, now and then."""

    def __init__(
        self,
        number: int,
        begin: Begin,
        command: Sequence[str],
        hear: Callable[[CallNews], None],
        weigh: Callable[[int, float], None],
        now: Callable[[], float],
    ) -> None:
        self.number = number
        self.begin = begin
        self.command = command
        self.hear = hear
        self.now = now
        self.calls: dict[str, float] = {}
        """Those it was given or has taken over, until they have ended: when they were accepted."""
        self.joined: set[str] = set()
        """Those of them that are known to be bridged."""
        self.hung_up: set[str] = set()
        """Those of them that are to be ended."""
        self.unwritten: set[str] = set()
        """Those that have ended, and whose records are not safe yet."""
        self.found: dict[str, CallRecord] = {}
        """How calls stood when the process that is there now took them over."""
        self.hosts: list[str] = []
        self.counts: dict[str, int] = {}
        self.process: asyncio.subprocess.Process | None = None
        self.link: Link | None = None
        self.is_ready = False
        self.lag = 0.0
        """Seconds for which more has come to it than it could take in, as it said last."""
        self.is_released = False
        """Whoever the survivors of the first process concern knows them: news may come."""
        self.is_leaving = False
        """When its process ends, no other one is started."""
        self.began: asyncio.Future[None] | None = None
        self.counted: asyncio.Future[None] | None = None
        self.closed = asyncio.Event()
        self.supervision: asyncio.Task[None] | None = None
        self.dispatch: dict[type, Callable[[Any], None]] = {
            Told: lambda message: self.told(news_of(message)),
            Used: lambda message: weigh(number, message.seconds),
            Counted: self.has_counted,
            Behind: self.is_behind,
            Survivors: lambda message: self.found.update({record.call_id: record for record in message.records}),
            Ready: lambda message: self.ready(),
            Failed: self.failed,
            Closed: lambda message: self.closed.set(),
        }

    def send(self, message: Message, patience: float = 0.0) -> None:
        """As `Link.send`; what a worker that is not there cannot hear is made up for when it is there again."""
        if self.link is not None and self.is_ready:
            self.link.send(message, patience)

    # ── the process ──────────────────────────────────────────────────────────────────────────────────────────────

    async def spawn(self) -> None:
        """Start the process; it waits to be told to begin."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                # A session of its own: Ctrl-C is for the desk, which tells the workers.
                self.process = await asyncio.create_subprocess_exec(
                    *self.command,
                    *(str(theirs.fileno()), str(self.number)),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            except BaseException:
                ours.close()
                raise
        self.link = await Link.over(ours, FromWorker, lambda message: self.dispatch[type(message)](message))

    async def start(self) -> None:
        """Have it begin; returns when it takes calls. OSError when it cannot."""
        assert self.link is not None
        self.found = {}
        self.began = asyncio.get_running_loop().create_future()
        self.link.send(self.begin)
        gone = asyncio.ensure_future(self.end_beginning(self.link))
        try:
            await self.began
        finally:
            gone.cancel()

    async def end_beginning(self, link: Link) -> None:
        """It has no end when the process ends before it is ready."""
        await link.lost.wait()
        self.failed(Failed(errno.ECHILD, "it ended before it was ready"))

    def supervise(self) -> None:
        """From now on there is always a process, until `close` or `dismiss`."""
        self.supervision = asyncio.ensure_future(self.keep_alive())

    async def keep_alive(self) -> None:
        loop = asyncio.get_running_loop()
        pause, settled = 0.0, loop.time() + SETTLED
        while True:
            assert self.link is not None
            await self.link.lost.wait()
            self.is_ready = False
            code = await self.end_process()
            self.closed.set()
            if self.is_leaving:
                return
            log.error("worker has died", worker=self.number, code=code, calls=len(self.calls))
            given_up = loop.call_later(GIVEN_UP, self.lose_calls)
            while not self.is_ready:
                pause = 0.0 if loop.time() > settled else pause
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE) or FIRST_PAUSE
                settled = loop.time() + SETTLED
                try:
                    await self.spawn()
                    await self.start()
                except OSError as error:
                    log.error("worker cannot be started", worker=self.number, reason=error.strerror or str(error))
                    await self.end_process()
            given_up.cancel()
            log.warning("worker is there again", worker=self.number, calls=len(self.calls))

    async def end_process(self) -> int | None:
        """Its exit code; one that has not ended is ended."""
        if self.link is not None:
            self.link.close()
        if self.process is None:
            return None
        if self.process.returncode is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ANSWER):
                    return await self.process.wait()
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        return await self.process.wait()

    # ── what it says ─────────────────────────────────────────────────────────────────────────────────────────────

    def failed(self, message: Failed) -> None:
        if self.began is not None and not self.began.done():
            reason = message.reason or (os.strerror(message.number) if message.number else "")
            self.began.set_exception(OSError(message.number, f"worker {self.number}: {reason}"))

    def ready(self) -> None:
        """It takes calls; what it has found is compared with what is known."""
        self.is_ready, self.lag = True, 0.0
        self.send(Welcome(self.hosts))
        if self.is_released:
            self.compare()
        else:
            self.calls = {name: record.accepted_at for name, record in self.found.items() if record.ended_at is None}
            self.joined = {name for name, record in self.found.items() if record.bridged_at is not None}
            self.unwritten = self.found.keys() - self.calls.keys()
        if self.began is not None and not self.began.done():
            self.began.set_result(None)

    def compare(self) -> None:
        """After a death: what happened to the calls that we know, and an end to those that we do not."""
        found, self.found = self.found, {}
        for call_id in list(self.calls):
            record = found.pop(call_id, None)
            if record is None:
                self.lose(call_id)
                continue
            if call_id not in self.joined:
                self.tell_again(record)
            if record.ended_at is not None:
                self.told(CallEnded(call_id, record.ended_at, record))
            elif call_id in self.hung_up:
                self.send(HangUp(call_id))
        for call_id, record in found.items():
            if record.ended_at is None:
                self.send(HangUp(call_id))
            elif call_id not in self.unwritten:
                self.send(Forget(call_id))
        self.send(Release())

    def tell_again(self, record: CallRecord) -> None:
        """How a call came to where it is: the process that died may not have told all of it, and twice does no harm."""
        call_id = record.call_id
        for leg in record.legs:
            if leg.ringing_at is not None:
                self.told(LegRinging(call_id, leg.ringing_at, leg.leg))
            if leg.answered_at is not None:
                self.told(LegAnswered(call_id, leg.answered_at, leg.leg))
        if record.bridged_at is not None:
            self.told(CallBridged(call_id, record.bridged_at))

    def release(self) -> None:
        """The survivors of the first process are known: news may come."""
        self.is_released = True
        self.found = {}
        self.send(Release())

    def told(self, news: CallNews) -> None:
        call_id = news.call_id
        if call_id not in self.calls:
            # It was given up as lost, and lived.
            if type(news) is CallEnded and call_id not in self.unwritten:
                self.send(Forget(call_id))
            return
        if type(news) is CallEnded:
            self.drop(call_id)
        elif type(news) is CallBridged:
            self.joined.add(call_id)
        self.hear(news)

    def drop(self, call_id: str) -> None:
        """The call has ended."""
        del self.calls[call_id]
        self.joined.discard(call_id)
        self.hung_up.discard(call_id)
        self.unwritten.add(call_id)

    def lose(self, call_id: str) -> None:
        """Nobody knows what became of the call."""
        now = self.now()
        record = CallRecord(call_id=call_id, accepted_at=self.calls[call_id], ended_at=now, ended_by="error")
        record.cause, record.reason = LOST.cause, LOST.text
        if call_id in self.joined:
            record.bridged_at = now
        self.drop(call_id)
        self.hear(CallEnded(call_id, now, record))

    def lose_calls(self) -> None:
        for call_id in list(self.calls):
            self.lose(call_id)

    def is_behind(self, message: Behind) -> None:
        self.lag = message.seconds

    def has_counted(self, message: Counted) -> None:
        self.counts = message.counts
        if self.counted is not None and not self.counted.done():
            self.counted.set_result(None)

    # ── what it is told ──────────────────────────────────────────────────────────────────────────────────────────

    def connect(self, message: Connect, now: float) -> None:
        self.calls[message.order.call_id] = now
        self.send(message)

    def hang_up(self, call_id: str) -> bool:
        if call_id not in self.calls:
            return False
        self.hung_up.add(call_id)
        self.send(HangUp(call_id))
        return True

    def forget(self, call_id: str) -> None:
        self.unwritten.discard(call_id)
        self.send(Forget(call_id), MAY_WAIT)

    def welcome(self, hosts: list[str]) -> None:
        self.hosts += hosts
        self.send(Welcome(hosts))

    async def count(self) -> None:
        """Have `counts` as they are now."""
        if not self.is_ready:
            self.counts = {}
            return
        if self.counted is None or self.counted.done():
            self.counted = asyncio.get_running_loop().create_future()
            self.send(Count())
        await asyncio.wait([self.counted], timeout=ANSWER)

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def close(self, grace: float) -> None:
        """End all calls; a worker that is not there, or does not answer, leaves them to whoever starts after us."""
        self.is_leaving = True
        if self.is_ready:
            self.send(Close(grace))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace + HASTE):
                    await self.closed.wait()
        self.lose_calls()

    async def dismiss(self) -> None:
        """It is not needed any more; returns when its process has ended."""
        self.is_leaving = True
        if self.supervision is not None and not self.is_ready:
            self.supervision.cancel()
        await self.end_process()
