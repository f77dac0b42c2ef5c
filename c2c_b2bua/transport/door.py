"""Listening sockets of one address: opened or taken over, and handed on to another process (a listener can have two)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from socket import socket
from ssl import SSLContext

BACKLOG = 1024


class Door:
    """Connections go to the protocols that `accept` makes, from `serve` on."""

    def __init__(
        self,
        accept: Callable[[], asyncio.BaseProtocol],
        ssl: SSLContext | None = None,
        handshake: float | None = None,
    ) -> None:
        self.accept = accept
        self.ssl = ssl
        self.handshake = handshake
        self.servers: list[asyncio.Server] = []
        self.paused: list[socket] = []
        """The same sockets, while they are not ours to accept from."""

    async def open(self, host: str, port: int) -> None:
        """Listen; OSError when the port is taken."""
        server = await asyncio.get_running_loop().create_server(
            self.accept,
            host,
            port,
            backlog=BACKLOG,
            start_serving=False,
            ssl=self.ssl,
            ssl_handshake_timeout=self.handshake,
        )
        self.servers = [server]

    async def adopt(self, handed: Sequence[socket]) -> None:
        """Take over sockets that listen."""
        loop = asyncio.get_running_loop()
        self.servers = [
            await loop.create_server(
                self.accept,
                sock=opened,
                backlog=BACKLOG,
                start_serving=False,
                ssl=self.ssl,
                ssl_handshake_timeout=self.handshake,
            )
            for opened in handed
        ]

    async def serve(self) -> None:
        for server in self.servers:
            await server.start_serving()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens first."""
        name = (self.servers[0].sockets if self.servers else self.paused)[0].getsockname()
        return str(name[0]), int(name[1])

    def others(self) -> list[socket]:
        """The same sockets once more, for another process."""
        if self.paused:
            return [opened.dup() for opened in self.paused]
        return [opened.dup() for server in self.servers for opened in server.sockets]

    def pause(self) -> None:
        """Accept no more, and leave who comes to whoever has the sockets too."""
        self.paused = self.others()
        for server in self.servers:
            server.close()
        self.servers = []

    async def resume(self) -> None:
        """Accept again."""
        paused, self.paused = self.paused, []
        if paused:
            await self.adopt(paused)
        await self.serve()

    def close(self) -> None:
        for server in self.servers:
            server.close()
        for opened in self.paused:
            opened.close()
        self.servers, self.paused = [], []
