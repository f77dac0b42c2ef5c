"""What the network could not deliver over UDP is known at once, by ICMP; and the socket is none the worse for it."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest

from c2c_b2bua.sip.message import Request
from c2c_b2bua.transport.udp import EMSGSIZE, UdpSocket, is_unreachable
from tests.transport.peers import UdpPeer, engine, options
from tests.transport.test_sockets import FAMILIES, Ends, answered, at, order

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")


def closed_port(host: str) -> int:
    """Where nobody listens."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("host", FAMILIES)
async def test_nobody_listens_there(host: str) -> None:
    async with engine(f"udp:{at(host)}:0") as running:
        ends = Ends(running)
        async with asyncio.timeout(1.0):
            running.connect(order(f"sip:x@{at(host)}:{closed_port(host)}"))
            record = (await ends.next()).record
    assert (record.sip_code, record.ended_by, record.cause) == (503, "error", "NORMAL_TEMPORARY_FAILURE")


@pytest.mark.parametrize("host", FAMILIES)
async def test_whoever_is_there_is_heard_all_the_while(host: str) -> None:
    """An error that is pending comes out of the next send or receive, whoever that is for."""
    async with engine(f"udp:{at(host)}:0") as running, UdpPeer.open(host) as peer:
        ends = Ends(running)
        interface = running.core.interfaces.interfaces[0]
        nobody = closed_port(host)
        for number in range(1, 60):
            for index in range(number % 4):
                running.connect(order(f"sip:x@{at(host)}:{nobody}", f"call-{number}-{index}"))
            if number % 3:
                peer.send(options(number, "UDP", host, 9), interface)
                await answered(peer, number)
            for _ in range(number % 4):
                assert (await ends.next()).record.sip_code == 503
        peer.send(options(100, "UDP", host, 9), interface)
        await answered(peer, 100)


async def test_the_others_get_what_is_sent_while_an_error_is_pending() -> None:
    async with engine("udp:127.0.0.1:0") as running, UdpPeer.open() as peer:
        udp = running.udp[0]
        udp.put(b"OPTIONS nobody", ("127.0.0.1", closed_port("127.0.0.1")))  # its error is there when this returns
        running.connect(order(f"sip:x@127.0.0.1:{peer.port}"))
        invite = await peer.next()
        assert isinstance(invite, Request) and invite.method == "INVITE"


async def test_a_network_that_cannot_be_reached() -> None:
    """Loopback reaches nobody else, and sending says so itself."""
    async with engine("udp:127.0.0.1:0") as running:
        ends = Ends(running)
        async with asyncio.timeout(1.0):
            running.connect(order("sip:x@192.0.2.1:5060"))
            assert (await ends.next()).record.sip_code == 503


async def test_a_datagram_that_is_too_long_hurts_nobody() -> None:
    async with engine("udp:127.0.0.1:0") as running, UdpPeer.open() as peer:
        running.udp[0].put(b"x" * 70_000, ("127.0.0.1", peer.port))
        interface = running.core.interfaces.interfaces[0]
        peer.send(options(1, "UDP"), interface)
        await answered(peer, 1)


async def test_what_finds_no_room_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel has no room twice; then all goes out, in its order."""
    async with engine("udp:127.0.0.1:0") as running, UdpPeer.open() as peer:
        udp = running.udp[0]
        full = FullSocket(udp.opened, 2)
        monkeypatch.setattr(udp, "opened", full)
        for number in range(5):
            udp.put(options(number + 1, "UDP"), ("127.0.0.1", peer.port))
        numbers = [(await peer.next()).cseq.number for _ in range(5)]
        assert (numbers, full.refusals, len(udp.unsent)) == ([1, 2, 3, 4, 5], 0, 0)


class FullSocket:
    """A socket whose next sends find no room."""

    def __init__(self, real: socket.socket, refusals: int) -> None:
        self.real = real
        self.refusals = refusals

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)

    def sendto(self, data: bytes, destination: tuple[str, int]) -> int:
        if self.refusals:
            self.refusals -= 1
            raise BlockingIOError
        return self.real.sendto(data, destination)


async def test_closed_is_closed() -> None:
    async with engine("udp:127.0.0.1:0") as running:
        udp = running.udp[0]
        udp.close()
        udp.close()
        udp.put(b"x", ("127.0.0.1", 9))
        udp.take_errors()
        assert isinstance(udp, UdpSocket) and udp.is_closed


@pytest.mark.parametrize(
    ("number", "origin", "kind", "wanted"),
    [
        (111, 2, 3, True),  # port unreachable
        (113, 2, 3, True),  # host unreachable
        (111, 3, 1, True),  # the same of ICMPv6
        (113, 2, 11, False),  # time exceeded: §18.4 says to ignore it
        (EMSGSIZE, 2, 3, False),  # fragmentation needed
        (EMSGSIZE, 3, 2, False),  # packet too big
        (EMSGSIZE, 1, 0, False),  # our own kernel
    ],
)
def test_which_errors_count(number: int, origin: int, kind: int, wanted: bool) -> None:
    assert is_unreachable(number.to_bytes(4, sys.byteorder) + bytes((origin, kind)) + bytes(26)) is wanted
