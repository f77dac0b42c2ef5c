"""All streams: those that listen, those in use, those being opened (RFC 3261 §18.1.1, RFC 5923 for reuse)."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from socket import socket
from typing import Protocol

import structlog

from c2c_b2bua.config import Limits, Sip
from c2c_b2bua.sip.flow import SECURE_TRANSPORTS, Flow, Interface
from c2c_b2bua.transport.door import Door
from c2c_b2bua.transport.networks import Networks
from c2c_b2bua.transport.stream import StreamConnection
from c2c_b2bua.transport.tls import check_name, client_context, renew, server_context
from c2c_b2bua.transport.websocket import WebSocketConnection

CONNECT_TIMEOUT = 4.0
GOODBYE = 0.5
"""Seconds that peers get, when we stop, to take leave of TLS."""
Peer = tuple[str, str, int, str]
"""Transport, address, port, and the name that TLS has proved; `""`: whoever it is."""

log = structlog.get_logger()


class Proxy(Protocol):
    """A connection that another process has."""

    @property
    def is_open(self) -> bool: ...
    def send(self, data: bytes) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...


class Connections:
    """Sends over the connection a flow names, else over any to that peer, else over a new one."""

    def __init__(self, sip: Sip, receive: Callable[[bytes, Flow], None], unreachable: Callable[[Flow], None]) -> None:
        self.receive = receive
        self.unreachable = unreachable
        self.tls = sip.tls
        self.origins = sip.websocket_origins
        self.limits: Limits = sip.limits
        self.exempt = Networks(sip.limits.exempt)
        self.server_tls: ssl.SSLContext | None = None
        self.client_tls: ssl.SSLContext | None = None
        self.doors: list[Door] = []
        self.by_number: dict[int, StreamConnection | Proxy] = {}
        self.by_peer: dict[Peer, StreamConnection] = {}
        self.waiting: dict[Peer, list[bytes]] = {}
        """Peer -> what shall be sent once the connection stands."""
        self.callers: dict[str, int] = {}
        """Address -> connections it has opened to us."""
        self.tasks: set[asyncio.Task[None]] = set()
        self.count = 0
        self.is_closing = False
        self.all_gone = asyncio.Event()
        """Set, while closing, once no connection is left."""

    def load_certificates(self) -> None:
        """Read what TLS needs. OSError names the file that cannot be used."""
        self.server_tls = server_context(self.tls)
        self.client_tls = client_context(self.tls)

    def renew_certificates(self) -> None:
        """Read our certificates again, for connections to come."""
        if self.client_tls is not None:
            renew(self.tls, self.server_tls, self.client_tls)

    async def listen(
        self, transport: str, host: str, port: int, handed: Sequence[socket] = ()
    ) -> tuple[asyncio.Server, Callable[[Interface], None]]:
        """Open a listening socket; OSError when the port is taken. It accepts once it was told its interface.

        `handed`: sockets that listen there already.
        """
        known: list[Interface] = []
        is_secure = transport in SECURE_TRANSPORTS

        def accept() -> StreamConnection:
            self.count += 1
            if transport in ("WS", "WSS"):
                return WebSocketConnection(self.count, known[0], self, self.origins)
            return StreamConnection(self.count, known[0], self)

        door = Door(
            accept, ssl=self.server_tls if is_secure else None, handshake=self.limits.handshake if is_secure else None
        )
        self.doors.append(door)
        await (door.adopt(handed) if handed else door.open(host, port))
        return door.servers[0], known.append

    async def serve(self) -> None:
        for door in self.doors:
            await door.serve()

    def opened(self, connection: StreamConnection) -> bool:
        """Take a connection in; False when the peer, or everybody together, has too many, or it is not whom we called."""
        flow = connection.flow
        if connection.is_ours:
            if flow.transport == "TLS" and self.tls.verify and connection.transport is not None:
                try:
                    check_name(connection.transport.get_extra_info("peercert"), flow.name or flow.host)
                except OSError as error:
                    connection.refused = error
                    return False
        else:
            callers = self.callers.get(flow.host, 0)
            if len(self.by_number) >= self.limits.connections or (
                callers >= self.limits.connections_per_address and flow.host not in self.exempt
            ):
                log.warning("connection refused", transport=flow.transport, peer=flow.host, open=callers)
                return False
            self.callers[flow.host] = callers + 1
        self.by_number[connection.number] = connection
        for peer in peers_of(flow):
            self.by_peer.setdefault(peer, connection)
        return True

    def lost(self, connection: StreamConnection) -> None:
        if self.by_number.pop(connection.number, None) is None:
            return  # never taken in
        flow = connection.flow
        if not connection.is_ours:
            left = self.callers.pop(flow.host) - 1
            if left:
                self.callers[flow.host] = left
        for peer in peers_of(flow):
            if self.by_peer.get(peer) is connection:
                del self.by_peer[peer]
        if not self.is_closing:
            self.unreachable(flow)
        elif not self.by_number:
            self.all_gone.set()

    def send(self, data: bytes, flow: Flow) -> None:
        if flow.connection:
            connection = self.by_number.get(flow.connection)
            if connection is not None and connection.is_open:
                connection.send(data)
            else:
                # Nobody listens at the port that a peer connected from.
                asyncio.get_running_loop().call_soon(self.unreachable, flow)
            return
        peer = peer_of(flow)
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
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                connection = await self.connect(flow)
        except OSError as error:
            log.warning(
                "no connection",
                transport=flow.transport,
                peer=f"{flow.host}:{flow.port}",
                name=flow.name,
                reason=str(error) or type(error).__name__,
            )
            self.waiting.pop(peer, None)
            self.unreachable(flow)
            return
        for data in self.waiting.pop(peer, []):
            connection.send(data)

    async def connect(self, flow: Flow) -> StreamConnection:
        """A new connection; OSError without one."""
        self.count += 1
        number = self.count
        if flow.transport not in ("TCP", "TLS"):
            raise OSError(None, "only a browser opens a WebSocket")
        is_secure = flow.transport == "TLS"
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: StreamConnection(number, flow.interface, self, True, flow.name),
            flow.host,
            flow.port,
            ssl=self.client_tls if is_secure else None,
            server_hostname=(flow.name or flow.host) if is_secure else None,
        )
        if connection.refused is not None:
            raise connection.refused
        return connection

    def close_all_but(self, flows: Iterable[Flow]) -> None:
        """Close the streams that none of these flows goes over."""
        reliable = [flow for flow in flows if flow.is_reliable]
        numbers = {flow.connection for flow in reliable}
        peers = {peer_of(flow) for flow in reliable}
        for connection in [*self.by_number.values()]:
            if not isinstance(connection, StreamConnection) or connection.number in numbers:
                continue
            if not peers_of(connection.flow) & peers:
                connection.close()

    async def close(self) -> None:
        for door in self.doors:
            door.close()
        for task in list(self.tasks):
            task.cancel()
        self.is_closing = True
        self.by_number = {
            number: connection
            for number, connection in self.by_number.items()
            if isinstance(connection, StreamConnection)
        }
        for connection in list(self.by_number.values()):
            connection.close()
        if self.by_number:
            with suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE):
                    await self.all_gone.wait()
        for connection in list(self.by_number.values()):
            connection.abort()


def peer_of(flow: Flow) -> Peer:
    """What has to fit for a connection to be used; one to an address, without a name, may be to anybody there."""
    return (flow.transport, flow.host, flow.port, "" if is_address(flow.name) else flow.name)


def peers_of(flow: Flow) -> set[Peer]:
    """All under which a connection can be found."""
    return {peer_of(flow), (flow.transport, flow.host, flow.port, "")}


@lru_cache(maxsize=1024)
def is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
