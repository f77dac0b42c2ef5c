"""One release takes the place of another, and no call is dropped: the new process reads, the old one goes on with its calls.

new -> HandOver      the old one lets requests end that are under way, writes, and reads its sockets no more
    <- Handed        the sockets, and what lives here
       …             the new one reads the database; what comes meanwhile waits in the sockets
new -> Taken         it reads; the old one passes HTTP connections that stand on, and ends with its last call
new -> Astray        what comes for calls of the old one
    <- end of file   it has ended: what it may have left open is the new one's

Until `Taken` the old one can go on as if nothing had been, and does so when the new one is gone; after it, it reads again
so that its calls can end, but takes no new ones. Unless there is a third that reads: when the middle one is killed,

oldest -> Handed     to whoever answers at the control socket, without sockets: it goes on with these calls
    <- Taken         what comes for them is passed on from there
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from socket import socket

import structlog
from aiohttp import web

from api.relay import Gate
from c2c_b2bua import handover
from c2c_b2bua.control import Control, take_over
from c2c_b2bua.engine import Engine
from c2c_b2bua.handover import Predecessor
from c2c_b2bua.service.exchange import Exchange
from c2c_b2bua.transport import link
from c2c_b2bua.transport.door import Door
from c2c_b2bua.transport.link import (
    VERSION,
    Answer,
    Astray,
    Drain,
    Drained,
    Handed,
    HandOver,
    Letters,
    Link,
    Refused,
    Taken,
    close_all,
)

HTTP = "http:"
LINGER = 10.0
"""Seconds that HTTP clients get to use their connection once more, so that it can be closed with the answer."""
PATIENCE = 30.0
"""Seconds in which the sockets that are handed over have to be taken."""
LAST_WORDS = 5.0
"""Seconds for closing what a process that has ended left open, should we be stopped meanwhile."""
ORPHANED = 2.0
"""Seconds in which a process says so that lives on while the one between it and us was killed."""
LOOK = 0.2
"""Seconds between two looks at them."""

log = structlog.get_logger()


class Swap:
    """Both sides of it: of the process before us, and of the one that takes our place."""

    def __init__(self, engine: Engine, exchange: Exchange, gate: Gate, path: Path | None) -> None:
        self.engine = engine
        self.exchange = exchange
        self.gate = gate
        self.path = path
        self.control = Control(path, self.heard, self.lost) if path else None
        self.refusal = ""
        """Why the process before us wants its place back, before we have taken it."""
        self.stays = ""
        """Why nobody can take our place, ever."""
        self.door: Door | None = None
        self.http = ""
        self.handed: tuple[Link, Handed] | None = None
        self.predecessor: Predecessor | None = None
        self.orphan: asyncio.Future[tuple[Link, Handed]] = asyncio.get_running_loop().create_future()
        """The one before the process before us, once that is gone."""
        self.is_free = asyncio.Event()
        """Set: no process before us needs us."""
        self.is_free.set()
        self.successor: Link | None = None
        self.is_succeeded = False
        self.held_from = 0.0
        """Since when nobody answers."""
        self.succeeded_at = 0.0
        self.is_closing = False
        self.tasks: set[asyncio.Task[None]] = set()
        self.adoption: asyncio.Task[None] | None = None

    # ── taking a place ───────────────────────────────────────────────────────────────────────────────────────────

    async def take_over(self, http: str) -> list[socket]:
        """Have the process that runs hand over; its sockets for HTTP. OSError, and then it goes on."""
        if self.path is None:
            raise OSError(None, "cannot replace anybody: set socket of [control], as there is no SQLite file")
        found = await take_over(self.path)
        if found is None:
            log.info("nobody to replace", socket=str(self.path))
            return []
        one, letter, sockets = found
        self.handed = one, letter
        one.heard, one.lost = self.heard, self.lost
        self.is_free.clear()
        ours: dict[str, list[socket]] = {str(listen): [] for listen in self.engine.listen}
        ours[f"{HTTP}{http}"] = []
        for listen, opened in zip(letter.listens, sockets, strict=True):
            if listen in ours:
                ours[listen].append(opened)
            else:
                log.warning("nobody listens there any more", listen=listen)
                opened.close()
        of_http = ours.pop(f"{HTTP}{http}")
        self.engine.handed = ours
        return of_http

    def know_predecessor(self) -> None:
        """From now on messages for the process before us are passed on."""
        if self.handed is not None:
            self.predecessor = Predecessor(self.engine, *self.handed)

    @property
    def calls_before(self) -> list[str] | None:
        """History ids of the calls with which the process before us goes on; None: there is no such process."""
        return None if self.handed is None else self.handed[1].calls

    def require_alone(self) -> None:
        """OSError when another process has our database."""
        end = link.connect(self.path) if self.path and self.path.parent.is_dir() else None
        if end is not None:
            end.close()
            raise OSError(
                None,
                f"another process has this database ({self.path} answers): stop it, or take its place by --replace",
            )

    def begin(self, door: Door) -> None:
        """We serve: whoever was before us learns it, and whoever comes after us can. OSError when it is too late."""
        if self.refusal:
            raise OSError(None, f"the process that runs goes on: {self.refusal}")
        if self.predecessor is None or not self.predecessor.link.is_open:
            # That one was killed meanwhile: the one before it may have gone back to work.
            self.require_alone()
        self.door = door
        if self.control is not None:
            # Before the process before us hears of it, which then removes its socket from there, if it is still its own.
            self.control.listen()
        if self.predecessor is not None:
            log.info("replaced a running service", its_calls=len(self.calls_before or []))
            self.predecessor.link.send(Taken(door.address))

    # ── handing on ───────────────────────────────────────────────────────────────────────────────────────────────

    def heard(self, one: Link, letter: Letters, sockets: list[socket]) -> None:
        """What another process says."""
        close_all(sockets)
        match letter:
            case Drain():
                self.exchange.drain()
                log.info("drained by command", calls=len(self.exchange.calls.live))
                one.send(Drained(len(self.exchange.calls.live)))
            case HandOver(version):
                if version != VERSION or self.successor is not None or self.stays:
                    busy = "it is being replaced" if self.successor is not None else "it is of another version"
                    one.send(Refused(self.stays or busy))
                    return
                self.successor = one
                self.start(self.hand_over(one))
            case Handed() if not self.orphan.done():
                self.orphan.set_result((one, letter))
                if self.adoption is None:
                    self.adoption = self.start(self.adopt())
            case Taken(http) if one is self.successor:
                self.succeeded(*http)
            case Astray():
                handover.take_in(self.engine, one, letter)
            case Refused(reason):
                self.refusal = reason
            case Answer() if self.predecessor is not None:
                self.predecessor.answer(letter)

    async def hand_over(self, one: Link) -> None:
        """Come to rest, and give away the sockets; go on as before unless they are taken in time."""
        try:
            await self.give_away(one)
        except Exception:
            log.exception("not handed over")
            one.close()
            return
        await asyncio.sleep(PATIENCE)
        if not self.is_succeeded and one is self.successor:
            one.send(Refused("it took too long"))
            one.close()

    async def give_away(self, one: Link) -> None:
        assert self.door is not None
        self.held_from = self.engine.now()
        self.gate.shut()
        await self.exchange.flush()
        if not one.is_open:
            return
        self.engine.pause()
        self.door.pause()
        listening = self.engine.sockets()
        listening += [(f"{HTTP}{self.exchange.settings.api.listen}", opened) for opened in self.door.others()]
        one.send(self.all_of_ours([listen for listen, _ in listening]), [opened for _, opened in listening])

    def all_of_ours(self, listens: list[str]) -> Handed:
        return Handed(
            engines=[self.engine.name, *self.engine.core.others],
            listens=listens,
            places=[str(listen) for listen in self.engine.listen],
            calls=[*self.exchange.own_calls(), *(self.calls_before or [])],
        )

    def succeeded(self, host: str, port: int) -> None:
        """Another process has taken our place, or that of the one which had."""
        self.gate.move(host, port)
        if self.is_succeeded:
            return
        self.is_succeeded = True
        if self.control is not None:
            self.control.deafen()
        self.engine.succeeded()
        self.exchange.registrations.succeeded()
        self.exchange.drained.set()
        self.succeeded_at = self.engine.now()
        held = round(self.succeeded_at - self.held_from, 3)
        log.info("replaced", calls=len(self.exchange.calls.live), held=held)

    def lost(self, one: Link) -> None:
        """Another process is gone."""
        if self.is_closing:
            return
        if self.handed is not None and one is self.handed[0]:
            self.adoption = self.start(self.adopt())
        elif one is self.successor:
            self.start(self.take_back())

    async def adopt(self) -> None:
        """The process before us has ended; if it was killed, the one before that may go on without it."""
        calls = frozenset(self.calls_before or [])
        if self.handed is not None:
            await self.handed[0].until_gone(LAST_WORDS)
            if len(self.handed[1].engines) > 1:
                await asyncio.wait([self.orphan], timeout=ORPHANED)
        if self.predecessor is not None:
            self.predecessor.is_gone()
        self.handed = self.predecessor = None
        if self.orphan.done():
            calls -= frozenset(self.look_after(*self.orphan.result()).calls)
        await self.exchange.adopt(calls)
        if self.handed is None:
            self.is_free.set()

    def look_after(self, one: Link, letter: Handed) -> Handed:
        """A process goes on with its calls, and we are all that it has."""
        assert self.door is not None
        log.warning("looks after the process before the one that is gone", its_calls=len(letter.calls))
        self.handed, self.adoption = (one, letter), None
        self.orphan = asyncio.get_running_loop().create_future()
        self.is_free.clear()
        self.know_predecessor()
        one.send(Taken(self.door.address))
        return letter

    async def take_back(self) -> None:
        """The one that wanted our place, or had it, is gone: read again."""
        assert self.door is not None
        log.error("the process that was to replace this one is gone", calls=len(self.exchange.calls.live))
        after = self.next_successor() if self.is_succeeded else None
        if after is not None:
            self.successor = after
            after.send(self.all_of_ours([]))
            return
        if self.control is not None:
            # Again, even if it had not taken our place: it may have been killed when its own socket was there already.
            # And at once, so that nobody else begins who was to take the place of that one.
            self.control.listen()
        try:
            if self.door.paused:
                await self.engine.resume()
                await self.door.resume()
        finally:
            # Only now may another one ask for our place, and all the more if that has failed.
            self.successor = None
        self.gate.open()
        if self.is_succeeded:
            self.exchange.drain()

    def next_successor(self) -> Link | None:
        """The process that has taken the place of the one that had ours; None: it had it to the last."""
        try:
            end = link.connect(self.path) if self.path else None
        except OSError:
            return None
        return None if end is None else Link(end, self.heard, self.lost)

    def start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def until_free(self, server: web.Server) -> None:
        """Returns when nobody before us needs us, and, once we are replaced, HTTP clients have gone over."""
        await self.is_free.wait()
        if self.is_succeeded and self.successor is not None:
            while server.connections and self.engine.now() < self.succeeded_at + LINGER:  # noqa: ASYNC110 (nobody tells)
                await asyncio.sleep(LOOK)

    async def finish(self) -> None:
        """Take on nothing more; what was taken on is finished, as long as there is a database."""
        self.is_closing = True
        if self.adoption is not None:
            await asyncio.wait([self.adoption], timeout=LAST_WORDS)

    def close(self) -> None:
        self.is_closing = True
        if self.control is not None:
            self.control.close()
        for one in (self.handed[0] if self.handed is not None else None, self.successor):
            if one is not None:
                one.close()
        for task in self.tasks:
            task.cancel()
