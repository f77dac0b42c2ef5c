"""One release takes the place of another, and no call is dropped: the new process reads, the old one goes on with its calls.

new -> HandOver      the old one lets requests end that are under way, writes, and reads its sockets no more
    <- Handed        the sockets, and what lives here
       …             the new one reads the database; what comes meanwhile waits in the sockets
new -> Taken         it reads; the old one passes HTTP connections that stand on, and ends with its last call
new -> Astray        what comes for calls of the old one
    <- end of file   it has ended: what it may have left open is the new one's

Until `Taken` the old one can go on as if nothing had been, and does so when the new one is gone; after it, it reads again
so that its calls can end, but takes no new ones.
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
        self.door = door
        if self.predecessor is not None:
            log.info("replaced a running service", its_calls=len(self.calls_before or []))
            self.predecessor.link.send(Taken(door.address))
        if self.control is not None:
            self.control.listen()

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
        letter = Handed(
            engines=[self.engine.name, *self.engine.core.others],
            listens=[listen for listen, _ in listening],
            places=[str(listen) for listen in self.engine.listen],
            calls=[*self.exchange.own_calls(), *(self.calls_before or [])],
        )
        one.send(letter, [opened for _, opened in listening])

    def succeeded(self, host: str, port: int) -> None:
        """Another process has taken our place."""
        self.is_succeeded = True
        self.gate.move(host, port)
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
        """The process before us has ended."""
        calls = self.calls_before or []
        if self.handed is not None:
            await self.handed[0].until_gone(LAST_WORDS)
        if self.predecessor is not None:
            self.predecessor.is_gone()
        self.handed = self.predecessor = None
        await self.exchange.adopt(frozenset(calls))
        self.is_free.set()

    async def take_back(self) -> None:
        """The one that wanted our place, or had it, is gone: read again."""
        assert self.door is not None
        log.error("the process that was to replace this one is gone", calls=len(self.exchange.calls.live))
        self.successor = None
        if self.door.paused:
            await self.engine.resume()
            await self.door.resume()
        self.gate.open()
        if self.is_succeeded:
            self.exchange.drain()
            if self.control is not None:
                self.control.listen()

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
        if self.handed is not None:
            self.handed[0].close()
        for task in self.tasks:
            task.cancel()
