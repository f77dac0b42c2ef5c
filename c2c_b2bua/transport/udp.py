"""SIP over UDP: one socket, one message a datagram (RFC 3261 §18), STUN beside it (RFC 5626 §3.5.2)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from socket import AF_INET, IPPROTO_IP, IPPROTO_IPV6, SO_RCVBUF, SOCK_DGRAM, SOL_SOCKET, socket
from typing import Any, cast

from c2c_b2bua.sip.flow import Flow, Interface
from c2c_b2bua.transport import stun
from c2c_b2bua.transport.flood import Flood

Receive = Callable[[bytes, Flow], None]
MAX_FLOWS = 10_000
RECEIVE_BUFFER = 4 * 1024 * 1024
IP_MTU_DISCOVER, IP_PMTUDISC_DONT, IPV6_MTU = 10, 0, 24
"""Linux's numbers (linux/in.h, linux/in6.h), which Python does not have."""
SMALLEST_IPV6_MTU = 1280


class UdpSocket(asyncio.DatagramProtocol):
    """A bound socket; what it receives goes to `receive` with the flow it came over."""

    def __init__(self, receive: Receive, flood: Flood) -> None:
        self.receive = receive
        self.flood = flood
        self.interface: Interface | None = None
        """Set once there is somebody to receive; until then nothing is taken in."""
        self.flows: dict[Any, Flow] = {}
        self.transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def bind(cls, host: str, port: int, receive: Receive, flood: Flood) -> UdpSocket:
        """Open it; OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        family, kind, protocol, _, address = (await loop.getaddrinfo(host, port, type=SOCK_DGRAM))[0]
        # Bound by ourselves: uvloop hides why it could not, and leaves its transport open.
        opened = socket(family, kind, protocol)
        try:
            opened.setblocking(False)
            # A burst waits in the kernel rather than being lost; the kernel may grant less.
            opened.setsockopt(SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER)
            allow_fragments(opened)
            opened.bind(address)
        except OSError:
            opened.close()
            raise
        transport, udp = await loop.create_datagram_endpoint(lambda: cls(receive, flood), sock=opened)
        udp.transport = transport
        return udp

    @property
    def address(self) -> tuple[str, int]:
        """Where it is bound."""
        assert self.transport is not None
        name = self.transport.get_extra_info("sockname")
        return str(name[0]), int(name[1])

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if not self.flood.passes(addr[0]):
            return
        if stun.is_stun(data):
            answer = stun.answer(data, addr[0], addr[1])
            if answer is not None and self.transport is not None:
                self.transport.sendto(answer, addr)
            return
        flow = self.flows.get(addr)
        if flow is None:
            if self.interface is None:
                return
            if len(self.flows) >= MAX_FLOWS:
                self.flows.clear()
            flow = self.flows[addr] = Flow(self.interface, addr[0], addr[1])
        self.receive(data, flow)

    def error_received(self, exc: Exception) -> None:
        """An ICMP error: it does not say for which datagram, so the transaction's timers decide."""

    def send(self, data: bytes, flow: Flow) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.sendto(data, (flow.host, flow.port))

    def close(self) -> None:
        if self.transport is not None:
            cast(Any, self.transport).close()


def allow_fragments(opened: socket) -> None:
    """Let a long message be cut up on its way, rather than lost on the way to a network with a small MTU.

    By default Linux forbids that to find out what fits; where a firewall drops the ICMP that would say so, it never does.
    """
    if sys.platform != "linux":
        return
    if opened.family == AF_INET:
        opened.setsockopt(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
    else:
        opened.setsockopt(IPPROTO_IPV6, IPV6_MTU, SMALLEST_IPV6_MTU)
