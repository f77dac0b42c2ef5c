"""All streams: those that listen, those in use, those being opened (RFC 3261 §18.1.1, RFC 5923 for reuse)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from c2c_b2bua.sip.flow import Flow, Interface
from c2c_b2bua.transport.stream import StreamConnection

CONNECT_TIMEOUT = 4.0
Peer = tuple[str, str, int]

log = structlog.get_logger()


class Connections:
    """Sends over the connection a flow names, else over any to that peer, else over a new one."""

    def __init__(self, receive: Callable[[bytes, Flow], None], unreachable: Callable[[Flow], None]) -> None:
        self.receive = receive
        self.unreachable = unreachable
        self.servers: list[asyncio.Server] = []
        self.by_number: dict[int, StreamConnection] = {}
        self.by_peer: dict[Peer, StreamConnection] = {}
        self.waiting: dict[Peer, list[bytes]] = {}
        """Peer -> what shall be sent once the connection stands."""
        self.tasks: set[asyncio.Task[None]] = set()
        self.count = 0

    async def listen(self, host: str, port: int) -> tuple[asyncio.Server, Callable[[Interface], None]]:
        """Open a listening socket; OSError when the port is taken. It accepts once it was told its interface."""
        known: list[Interface] = []

        def accept() -> StreamConnection:
            return self.new(known[0])

        server = await asyncio.get_running_loop().create_server(accept, host, port, start_serving=False)
        self.servers.append(server)
        return server, known.append

    async def serve(self) -> None:
        for server in self.servers:
            await server.start_serving()

    def new(self, interface: Interface) -> StreamConnection:
        self.count += 1
        return StreamConnection(self.count, interface, self.receive, self.opened, self.lost)

    def opened(self, connection: StreamConnection) -> None:
        self.by_number[connection.number] = connection
        self.by_peer.setdefault(peer_of(connection.flow), connection)

    def lost(self, connection: StreamConnection) -> None:
        self.by_number.pop(connection.number, None)
        peer = peer_of(connection.flow)
        if self.by_peer.get(peer) is connection:
            del self.by_peer[peer]
        self.unreachable(connection.flow)

    def send(self, data: bytes, flow: Flow) -> None:
        connection = self.by_number.get(flow.connection) if flow.connection else None
        peer = peer_of(flow)
        if connection is None:
            connection = self.by_peer.get(peer)
        if connection is not None and connection.is_open:
            connection.send(data)
        elif peer in self.waiting:
            self.waiting[peer].append(data)
        else:
            self.waiting[peer] = [data]
            task = asyncio.ensure_future(self.open(flow, peer))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def open(self, flow: Flow, peer: Peer) -> None:
        """Connect, then send what has gathered; a peer that does not take the connection is unreachable."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                _, connection = await loop.create_connection(lambda: self.new(flow.interface), flow.host, flow.port)
        except OSError as error:
            log.warning("no connection", transport=flow.transport, peer=f"{flow.host}:{flow.port}", reason=str(error))
            self.waiting.pop(peer, None)
            self.unreachable(flow)
            return
        for data in self.waiting.pop(peer, []):
            connection.send(data)

    async def close(self) -> None:
        for server in self.servers:
            server.close()
        for task in list(self.tasks):
            task.cancel()
        for connection in list(self.by_number.values()):
            connection.close()


def peer_of(flow: Flow) -> Peer:
    return (flow.transport, flow.host, flow.port)
