"""What the bench puts around a server, tried without one: its client, which must lose no count, and its phones."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.bench import load as client
from tests.bench.load import Load
from tests.bench.phones import Phones
from tests.bench.processes import LOAD_CORE
from tests.sipp.ports import LOOPBACK

Answer = Callable[[int, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@contextlib.asynccontextmanager
async def door(answer: Answer) -> AsyncIterator[int]:
    """A port where each request is answered as told; `answer` gets its number."""
    number = 0
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal number
        writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(len(b'{"data":{"contact":"2002"}}'))
                number += 1
                await answer(number, writer)

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await server.wait_closed()


async def test_answers_in_pieces_are_one_each() -> None:
    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        for piece in (OK[:5], OK[5:-3], OK[-3:]) if number % 2 else (OK,):
            writer.write(piece)
            await writer.drain()

    async with door(answer) as port:
        load = Load(port, "/")
        took = await load.at(500, 0.2)
        assert (load.offered, load.accepted, load.refused.total(), load.unanswered) == (100, 100, 0, 0)
        assert took >= 0.19
        assert await load.flat_out(0.1) > 0
        assert load.offered == load.accepted > 100


async def test_what_is_refused_is_counted_by_its_status() -> None:
    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        if number % 10 == 0:
            writer.close()
        else:
            status = b"503 Service Unavailable" if number % 10 < 3 else b"200 OK"
            writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n")

    async with door(answer) as port:
        load = Load(port, "/")
        await load.at(500, 0.2)
    assert (load.offered, load.accepted, dict(load.refused)) == (100, 70, {503: 20, 0: 10})


async def test_it_waits_for_nobody_and_no_longer_than_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests go out when they are due though none is answered; those without a connection wait, and are counted."""
    monkeypatch.setattr(client, "PATIENCE", 0.5)
    monkeypatch.setattr(client, "MOST", 80)
    seen = []

    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        seen.append(number)

    async with door(answer) as port:
        load = Load(port, "/")
        await load.at(1000, 0.2)
    assert (load.offered, load.accepted, dict(load.refused)) == (200, 0, {0: 200})
    assert 0 < len(seen) <= 80


async def test_it_can_be_stopped() -> None:
    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        if number == 10:
            load.stop()

    async with door(answer) as port:
        load = Load(port, "/")
        await load.at(100, 60)
    assert 10 <= load.offered < 1000
    assert load.unanswered == 0


async def test_nobody_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PATIENCE", 0.1)
    async with door(lambda number, writer: asyncio.sleep(0)) as port:
        pass
    load = Load(port, "/")
    await load.at(100, 0.05)
    assert (load.offered, load.accepted, dict(load.refused)) == (5, 0, {0: 5})


class Caller(asyncio.DatagramProtocol):
    """Keeps what comes."""

    def __init__(self) -> None:
        self.came: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.came.put_nowait(data)

    async def next(self) -> tuple[str, str]:
        """First line and CSeq of the next datagram."""
        async with asyncio.timeout(20):
            lines = (await self.came.get()).decode().split("\r\n")
        return lines[0], next(line for line in lines if line.startswith("CSeq: "))[6:]


def request(method: str, sequence: int, port: int, to_tag: str = "") -> bytes:
    return (
        f"{method} sip:phone@{LOOPBACK} SIP/2.0\r\nVia: SIP/2.0/UDP {LOOPBACK}:{port};branch=z9hG4bK{method}{sequence}\r\n"
        f"From: <sip:c2c@{LOOPBACK}>;tag=us\r\nTo: <sip:phone@{LOOPBACK}>{to_tag}\r\nCall-ID: one\r\n"
        f"CSeq: {sequence} {method}\r\nContact: <sip:c2c@{LOOPBACK}:{port}>\r\nContent-Length: 0\r\n\r\n"
    ).encode()


async def test_our_phones(tmp_path: Path) -> None:
    """One waits for the BYE, one hangs up; what was not heard is said again."""
    loop = asyncio.get_running_loop()
    async with Phones(tmp_path, LOAD_CORE, None, 0.05) as phones:
        waits, hangs_up = ((LOOPBACK, int(uri.rpartition(":")[2])) for uri in phones.uris)
        transport, caller = await loop.create_datagram_endpoint(Caller, local_addr=(LOOPBACK, 0))
        port = transport.get_extra_info("sockname")[1]
        for phone in (waits, hangs_up):
            tag = f";tag=t{phone[1]}"
            transport.sendto(request("INVITE", 1, port), phone)
            assert await caller.next() == ("SIP/2.0 180 Ringing", "1 INVITE")
            assert await caller.next() == ("SIP/2.0 200 OK", "1 INVITE")
            assert await caller.next() == ("SIP/2.0 200 OK", "1 INVITE")  # again, for want of an ACK
            transport.sendto(request("ACK", 1, port, tag), phone)
            if phone is waits:
                transport.sendto(request("INVITE", 2, port, tag), phone)
                assert await caller.next() == ("SIP/2.0 200 OK", "2 INVITE")
                transport.sendto(request("ACK", 2, port, tag), phone)
                transport.sendto(request("BYE", 3, port, tag), phone)
                assert await caller.next() == ("SIP/2.0 200 OK", "3 BYE")
            else:
                bye = f"BYE sip:c2c@{LOOPBACK}:{port} SIP/2.0"
                assert await caller.next() == (bye, "1 BYE")
                assert await caller.next() == (bye, "1 BYE")
                transport.sendto(b"SIP/2.0 200 OK\r\nCall-ID: one\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n", phone)
        transport.close()
