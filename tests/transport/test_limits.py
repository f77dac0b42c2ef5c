"""Who takes too much, or too long: closed, refused, or not read at all; and everybody else is served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from c2c_b2bua.config import Limits
from c2c_b2bua.transport.flood import Flood
from c2c_b2bua.transport.networks import Networks
from tests.transport.peers import PATIENCE, TcpPeer, UdpPeer, engine, options

SHORT = Limits(message=0.2, idle=0.4, handshake=0.2)


async def test_half_a_message() -> None:
    async with engine("tcp:127.0.0.1:0", limits=SHORT) as running:
        peer = await TcpPeer.connect(running.core.interfaces.interfaces[0])
        peer.send(options(1))
        await peer.next()
        peer.send(options(2)[:100])
        assert await peer.closed()
        await peer.close()


async def test_a_message_byte_by_byte() -> None:
    """Slow-loris: every byte in time, the message never."""
    async with engine("tcp:127.0.0.1:0", limits=SHORT) as running:
        peer = await TcpPeer.connect(running.core.interfaces.interfaces[0])

        async def drip() -> None:
            for byte in options(1) * 10:
                peer.send(bytes([byte]))
                await asyncio.sleep(0.01)

        dripping = asyncio.ensure_future(drip())
        assert await peer.closed()
        dripping.cancel()
        await peer.close()


async def test_nothing_at_all() -> None:
    async with engine("tcp:127.0.0.1:0", limits=SHORT) as running:
        peer = await TcpPeer.connect(running.core.interfaces.interfaces[0])
        assert await peer.closed()
        await peer.close()
        assert not running.connections.by_number and not running.connections.callers


async def test_idle() -> None:
    """A keep-alive is enough to stay."""
    async with engine("tcp:127.0.0.1:0", limits=SHORT) as running:
        peer = await TcpPeer.connect(running.core.interfaces.interfaces[0])
        begun = asyncio.get_running_loop().time()
        for _ in range(4):
            peer.send(b"\r\n\r\n")
            assert await peer.exactly(2) == b"\r\n"
            await asyncio.sleep(0.2)
        assert await peer.closed()
        assert asyncio.get_running_loop().time() - begun >= 0.8
        await peer.close()


async def test_a_pause_between_two_bytes_of_many_messages() -> None:
    """A busy stream, that never is between two messages, is nobody's slow-loris."""
    async with engine("tcp:127.0.0.1:0", limits=SHORT) as running:
        peer = await TcpPeer.connect(running.core.interfaces.interfaces[0])
        peer.send(options(0)[:50])
        for number in range(8):
            await asyncio.sleep(0.1)
            peer.send(options(number)[50:] + options(number + 1)[:50])
            assert (await peer.next()).cseq.number == number
        await peer.close()


@pytest.mark.parametrize(("exempt", "stay"), [([], 2), (["127.0.0.0/8"], 4)])
async def test_connections_of_one_address(exempt: list[str], stay: int) -> None:
    limits = Limits(connections_per_address=2, connections=4, exempt=exempt)
    async with engine("tcp:127.0.0.1:0", limits=limits) as running:
        interface = running.core.interfaces.interfaces[0]
        peers = []
        for number in range(stay):
            peers.append(await TcpPeer.connect(interface))
            peers[-1].send(options(number))
            await peers[-1].next()
        refused = await TcpPeer.connect(interface)
        assert await refused.closed()
        await refused.close()
        # One leaves, another may come.
        await peers.pop().close()
        await until(lambda: len(running.connections.by_number) < stay)
        another = await TcpPeer.connect(interface)
        another.send(options(99))
        assert (await another.next()).cseq.number == 99
        for peer in [*peers, another]:
            await peer.close()


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not what():  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.01)


# ── datagrams ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def answers(limits: Limits, count: int) -> int:
    """How many of so many OPTIONS at once are answered."""
    async with engine("udp:127.0.0.1:0", limits=limits) as running, UdpPeer.open() as peer:
        interface = running.core.interfaces.interfaces[0]
        for number in range(count):
            peer.send(options(number, "UDP"), interface)
        got = 0
        try:
            while True:
                async with asyncio.timeout(0.5):
                    await peer.got.get()
                got += 1
        except TimeoutError:
            return got


@pytest.mark.parametrize(
    ("most", "exempt", "answered"), [(20, [], range(20, 41)), (20, ["127.0.0.0/8"], [100]), (0, [], [100])]
)
async def test_datagrams_of_one_address(most: int, exempt: list[str], answered: range | list[int]) -> None:
    """Twenty a second, which may fall into two seconds."""
    assert await answers(Limits(datagrams_per_second=most, exempt=exempt), 100) in answered


async def test_the_flood_of_one_is_not_that_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("c2c_b2bua.transport.flood.SECOND", 0.1)
    flood = Flood(Limits(datagrams_per_second=2, exempt=[]))
    assert [flood.passes("192.0.2.1") for _ in range(4)] == [True, True, False, False]
    assert flood.passes("192.0.2.2")
    await until(lambda: not flood.counts)
    assert flood.passes("192.0.2.1")


async def test_many_sources_are_not_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("c2c_b2bua.transport.flood.MAX_SOURCES", 100)
    flood = Flood(Limits())
    for number in range(1000):
        assert flood.passes(f"host {number}")
        assert len(flood.counts) <= 102


def test_networks() -> None:
    networks = Networks(["10.0.0.0/8", "2001:db8::/32"])
    inside = [
        host
        for host in ("10.1.2.3", "11.0.0.1", "2001:db8::1", "::1", "::ffff:10.0.0.1", "fe80::1%eth0")
        if host in networks
    ]
    assert inside == ["10.1.2.3", "2001:db8::1", "::ffff:10.0.0.1"]
