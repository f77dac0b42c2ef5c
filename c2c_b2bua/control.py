"""The service's control socket: who has it drained, and who takes its place."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
import structlog

from c2c_b2bua.config import Config
from c2c_b2bua.transport import link
from c2c_b2bua.transport.link import VERSION, Drain, Drained, Handed, HandOver, Letters, Link, Refused

PATIENCE = 15.0
"""Seconds for an answer of the process that runs."""

log = structlog.get_logger()


def path_of(config: Config) -> Path | None:
    """Where the control socket is; None: there is none."""
    if config.control.socket:
        return Path(config.control.socket)
    url = sa.make_url(config.storage.url)
    return Path(f"{url.database}.sock") if url.drivername == "sqlite" and url.database else None


class Control:
    """Listens at `path` for other processes of ours; what they say goes to `heard`."""

    def __init__(
        self,
        path: Path,
        heard: Callable[[Link, Letters, list[socket.socket]], None],
        lost: Callable[[Link], None],
    ) -> None:
        self.path = path
        self.heard = heard
        self.lost = lost
        self.links: set[Link] = set()
        self.listener: socket.socket | None = None
        self.inode = 0

    def listen(self) -> None:
        """From now on, in the place of whoever was there; where that cannot be, the service goes on without."""
        try:
            listener, inode = link.listen(self.path)
        except OSError as error:
            log.warning("no control socket", path=str(self.path), reason=error.strerror or str(error))
            return
        self.close_listener()
        self.listener, self.inode = listener, inode
        asyncio.get_running_loop().add_reader(listener, self.accept)

    def accept(self) -> None:
        assert self.listener is not None
        try:
            end, _ = self.listener.accept()
        except OSError:
            return
        self.links.add(Link(end, self.heard, self.gone))

    def gone(self, one: Link) -> None:
        self.links.discard(one)
        self.lost(one)

    def deafen(self) -> None:
        """Listen no more; those who are connected stay."""
        if self.listener is not None:
            # First, as who finds nobody listening there may put its own there at once.
            link.forget(self.path, self.inode)
            self.close_listener()

    def close_listener(self) -> None:
        if self.listener is not None:
            asyncio.get_running_loop().remove_reader(self.listener)
            self.listener.close()
            self.listener = None

    def close(self) -> None:
        self.deafen()
        for one in [*self.links]:
            one.close()


class Asked:
    """A question to the process that runs: `async with Asked(end) as asked`, or `keep` the link."""

    def __init__(self, end: socket.socket) -> None:
        self.answer: asyncio.Future[tuple[Letters, list[socket.socket]]] = asyncio.get_running_loop().create_future()
        self.link = Link(end, self.hear, self.lost)

    def hear(self, _link: Link, letter: Letters, sockets: list[socket.socket]) -> None:
        if not self.answer.done():
            self.answer.set_result((letter, sockets))

    def lost(self, _link: Link) -> None:
        if not self.answer.done():
            self.answer.set_exception(OSError(None, "the process that runs has ended the conversation"))

    async def ask(self, letter: Letters) -> tuple[Letters, list[socket.socket]]:
        """What it says to that; OSError when it says nothing or no."""
        self.link.send(letter)
        try:
            async with asyncio.timeout(PATIENCE):
                said, sockets = await self.answer
        except TimeoutError:
            self.link.close()
            raise OSError(None, "the process that runs does not answer") from None
        if isinstance(said, Refused):
            self.link.close()
            raise OSError(None, f"the process that runs refuses: {said.reason}")
        return said, sockets


async def drain(path: Path) -> int | None:
    """Have the service drained; how many calls go on. None: there is none. OSError."""
    end = link.connect(path)
    if end is None:
        return None
    asked = Asked(end)
    said, _ = await asked.ask(Drain())
    asked.link.close()
    return said.calls if isinstance(said, Drained) else 0


async def take_over(path: Path) -> tuple[Link, Handed, list[socket.socket]] | None:
    """Have the process that runs hand its sockets over. None: there is none. OSError, and then it goes on as before."""
    end = link.connect(path)
    if end is None:
        return None
    asked = Asked(end)
    said, sockets = await asked.ask(HandOver(VERSION))
    if not isinstance(said, Handed) or len(sockets) != len(said.listens):
        asked.link.close()
        raise OSError(None, "the process that runs says something else than it should")
    return asked.link, said, sockets
