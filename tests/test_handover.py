"""Two engines behind one set of sockets: what comes for the old one reaches it, and its answers come back."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from c2c_b2bua.config import Sip
from c2c_b2bua.engine import Engine
from c2c_b2bua.handover import Predecessor, take_in
from c2c_b2bua.transport.link import Answer, Astray, Handed, Letters, Link
from tests.transport.peers import TcpPeer, UdpPeer

SETTINGS = Sip(listen=["udp:127.0.0.1:0", "tcp:127.0.0.1:0"], answer_strangers=True)


@asynccontextmanager
async def swapped() -> AsyncIterator[tuple[Engine, Engine]]:
    """An old engine, and a new one that has its sockets."""
    old, new = Engine(SETTINGS), Engine(SETTINGS)
    await old.start()
    async with succeeded(old, new):
        yield old, new
    await old.close(0)


@asynccontextmanager
async def succeeded(old: Engine, new: Engine) -> AsyncIterator[Predecessor]:
    old.pause()
    listening = old.sockets()
    new.handed = {listen: [opened] for listen, opened in listening}
    await new.start()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)

    def heard_by_new(_: Link, letter: Letters, __: list[socket.socket]) -> None:
        assert isinstance(letter, Answer)
        known.answer(letter)

    def heard_by_old(link: Link, letter: Letters, _: list[socket.socket]) -> None:
        assert isinstance(letter, Astray)
        take_in(old, link, letter)

    behind, ahead = Link(ours, heard_by_new, lambda _: None), Link(theirs, heard_by_old, lambda _: None)
    names = [old.name, *old.core.others]
    places = [str(listen) for listen in old.listen]
    known = Predecessor(new, behind, Handed(names, places, places, []))
    await new.resume()
    yield known
    behind.close()
    ahead.close()
    await new.close(0)


def options(call_id: str, transport: str, branch: str) -> bytes:
    return (
        f"OPTIONS sip:c2c@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1:9;branch=z9hG4bK{branch};rport\r\n"
        f"From: <sip:x@127.0.0.1>;tag=x\r\nTo: <sip:c2c@127.0.0.1>\r\nCall-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\n"
        "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def answered_by(to_tag: str | None) -> str:
    return (to_tag or "").partition("-")[0]


@asynccontextmanager
async def phone(transport: str, engine: Engine) -> AsyncIterator[Callable[[bytes], Awaitable[str]]]:
    """Says something over this transport to the sockets of `engine`, and tells which engine answers."""
    interface = engine.interfaces.interfaces[transport == "TCP"]
    if transport == "UDP":
        async with UdpPeer.open() as datagrams:

            async def by_datagram(data: bytes) -> str:
                datagrams.send(data, interface)
                return answered_by((await datagrams.next()).to_tag)

            yield by_datagram
        return
    stream = await TcpPeer.connect(interface)

    async def by_stream(data: bytes) -> str:
        stream.send(data)
        return answered_by((await stream.next()).to_tag)

    yield by_stream
    await stream.close()


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_what_names_an_engine_is_answered_by_it_over_the_way_it_came(transport: str) -> None:
    async with swapped() as (old, new), phone(transport, new) as ask:
        for number, engine in enumerate((old, new, old)):
            assert await ask(options(f"{engine.name}-1", transport, f"b{number}")) == engine.name


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_the_oldest_of_three(transport: str) -> None:
    async with swapped() as (oldest, older):
        new = Engine(SETTINGS)
        async with succeeded(older, new), phone(transport, new) as ask:
            for number, engine in enumerate((oldest, older, new)):
                assert await ask(options(f"{engine.name}-1", transport, f"b{number}")) == engine.name


async def test_an_engine_that_is_gone_has_no_messages() -> None:
    old, new = Engine(SETTINGS), Engine(SETTINGS)
    await old.start()
    async with succeeded(old, new) as known, phone("UDP", new) as ask:
        known.is_gone()
        assert await ask(options(f"{old.name}-1", "UDP", "b")) == new.name
    await old.close(0)


async def test_who_takes_its_place_back_reads_again() -> None:
    old, new = Engine(SETTINGS), Engine(SETTINGS)
    await old.start()
    async with succeeded(old, new):
        pass
    await old.resume()
    for transport in ("UDP", "TCP"):
        async with phone(transport, old) as ask:
            assert await ask(options("nobodys", transport, f"b{transport}")) == old.name
    await old.close(0)
