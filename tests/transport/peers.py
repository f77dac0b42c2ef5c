"""Raw sockets that talk to an engine: what they get waits in a queue, so that no test has to sleep."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from c2c_b2bua.config import Sip
from c2c_b2bua.engine import Engine
from c2c_b2bua.sip.flow import Interface
from c2c_b2bua.sip.framing import Framer
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reading import parse

PATIENCE = 5.0


class UdpPeer(asyncio.DatagramProtocol):
    """A datagram socket of a phone."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[bytes] = asyncio.Queue()
        self.transport: Any = None

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.got.put_nowait(data)

    @classmethod
    @asynccontextmanager
    async def open(cls, host: str = "127.0.0.1") -> AsyncIterator[UdpPeer]:
        loop = asyncio.get_running_loop()
        transport, peer = await loop.create_datagram_endpoint(cls, local_addr=(host, 0))
        peer.transport = transport
        try:
            yield peer
        finally:
            transport.close()

    @property
    def port(self) -> int:
        return int(self.transport.get_extra_info("sockname")[1])

    def send(self, data: bytes, interface: Interface) -> None:
        self.transport.sendto(data, (interface.host, interface.port))

    async def next(self) -> Request | Response:
        async with asyncio.timeout(PATIENCE):
            return parse(await self.got.get())


class TcpPeer:
    """One end of a stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.framer = Framer()
        self.frames: list[bytes] = []

    @classmethod
    async def connect(cls, interface: Interface, tls: ssl.SSLContext | None = None) -> TcpPeer:
        return cls(*await asyncio.open_connection(interface.host, interface.port, ssl=tls))

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def next(self) -> Request | Response:
        async with asyncio.timeout(PATIENCE):
            while not self.frames:
                data = await self.reader.read(65536)
                assert data, "the stream was closed"
                self.frames += self.framer.feed(data)
        return parse(self.frames.pop(0))

    async def exactly(self, count: int) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readexactly(count)

    async def closed(self) -> bool:
        """Wait until the other side closes; True when nothing came before that."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self.reader.read() == b""
            except ConnectionResetError:
                # What it closes with when something of ours came that it has not read.
                return True

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


class TcpPhone:
    """A listening socket of a phone; each connection that comes in is put into the queue."""

    def __init__(self) -> None:
        self.connections: asyncio.Queue[TcpPeer] = asyncio.Queue()
        self.port = 0

    @classmethod
    @asynccontextmanager
    async def open(
        cls, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> AsyncIterator[TcpPhone]:
        phone = cls()
        opened: list[TcpPeer] = []

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            opened.append(TcpPeer(reader, writer))
            phone.connections.put_nowait(opened[-1])

        server = await asyncio.start_server(accept, host, port, ssl=tls)
        phone.port = server.sockets[0].getsockname()[1]
        try:
            yield phone
        finally:
            server.close()
            for peer in opened:
                await peer.close()

    async def next(self) -> TcpPeer:
        async with asyncio.timeout(PATIENCE):
            return await self.connections.get()


@asynccontextmanager
async def engine(*listen: str, **sip: Any) -> AsyncIterator[Engine]:
    """An engine on free ports; `sip` are settings of `[sip]`."""
    running = Engine(Sip(listen=list(listen), answer_strangers=True, **sip))
    await running.start()
    try:
        yield running
    finally:
        await running.close(0.2)


def options(number: int, transport: str = "TCP", host: str = "127.0.0.1", port: int = 5060, more: str = "") -> bytes:
    host = f"[{host}]" if ":" in host else host
    return (
        f"OPTIONS sip:c2c@localhost SIP/2.0\r\nVia: SIP/2.0/{transport} {host}:{port};branch=z9hG4bK{number};rport\r\n"
        f"From: <sip:x@y>;tag=1\r\nTo: <sip:c2c@localhost>\r\nCall-ID: {number}\r\nCSeq: {number} OPTIONS\r\n{more}"
        "Content-Length: 0\r\n\r\n"
    ).encode()
