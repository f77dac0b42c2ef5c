"""SIP over UDP: one socket, one message a datagram (RFC 3261 §18), STUN beside it (RFC 5626 §3.5.2).

The socket is read here and not by a transport of the loop: only so are ICMP errors heard, and it costs less.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable
from errno import EMSGSIZE
from socket import (
    AF_INET,
    IPPROTO_IP,
    IPPROTO_IPV6,
    MSG_ERRQUEUE,
    SO_RCVBUF,
    SO_SNDBUF,
    SOCK_DGRAM,
    SOL_SOCKET,
    socket,
)
from typing import Any

from c2c_b2bua.sip.flow import Flow, Interface
from c2c_b2bua.transport import stun
from c2c_b2bua.transport.flood import Flood

Receive = Callable[[bytes, Flow], None]
Unreachable = Callable[[Flow, bytes], None]
MAX_FLOWS = 10_000
BUFFER = 4 * 1024 * 1024
LONGEST = 65_536
REST = 0.005
"""Seconds that what comes is left to gather while more keeps coming.

After each sleep code and data are gone from the processor's caches: a call costs a fifth to a quarter less if many messages
find them so together, and not each for itself.
"""
AT_ONCE = 64
"""Datagrams taken in before they are answered."""
BATCHES = 4
"""As many times that, before others on the loop have their turn."""
MOST_UNSENT = 10_000
"""Datagrams that wait for room in the kernel; beyond them they are lost, as datagrams may be."""

# Linux's numbers (linux/in.h, linux/in6.h), which Python does not have.
IP_MTU_DISCOVER, IP_PMTUDISC_DONT, IP_RECVERR, IPV6_MTU, IPV6_RECVERR = 10, 0, 11, 24, 25
SMALLEST_IPV6_MTU = 1280
UNREACHABLE = ((2, 3), (3, 1))
"""(ee_origin, ee_type): Destination Unreachable of ICMP and of ICMPv6."""


class UdpSocket:
    """A bound socket; what it receives goes to `receive` with the flow it came over, then `settle` is called once for all
    that came together.

    What the network could not deliver goes to `unreachable`, as much of it as ICMP brings back.
    """

    def __init__(
        self, opened: socket, receive: Receive, settle: Callable[[], None], unreachable: Unreachable, flood: Flood
    ) -> None:
        self.opened = opened
        self.receive = receive
        self.settle = settle
        self.unreachable = unreachable
        self.flood = flood
        self.interface: Interface | None = None
        """Set once there is somebody to receive; until then nothing is taken in."""
        self.flows: dict[Any, Flow] = {}
        self.unsent: deque[tuple[bytes, tuple[str, int]]] = deque()
        self.loop = asyncio.get_running_loop()
        self.is_closed = False
        self.is_paused = True
        """Somebody else reads it."""
        self.is_listening = False
        """The loop calls `readable` when something comes."""
        self.resting: asyncio.TimerHandle | None = None
        """Calls it instead."""
        self.behind_since: float | None = None
        """By the loop's clock: since then there has always been more than was taken in."""

    @classmethod
    async def bind(
        cls,
        host: str,
        port: int,
        receive: Receive,
        settle: Callable[[], None],
        unreachable: Unreachable,
        flood: Flood,
    ) -> UdpSocket:
        """Open it, and read it; OSError when the port is taken. One that is open already is read from `resume` on."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=SOCK_DGRAM)
        family, kind, protocol, _, address = found[0]
        opened = socket(family, kind, protocol)
        try:
            opened.setblocking(False)
            # A burst waits in the kernel rather than being lost; the kernel may grant less.
            opened.setsockopt(SOL_SOCKET, SO_RCVBUF, BUFFER)
            opened.setsockopt(SOL_SOCKET, SO_SNDBUF, BUFFER)
            if sys.platform == "linux":
                set_up(opened)
            opened.bind(address)
        except OSError:
            opened.close()
            raise
        udp = cls(opened, receive, settle, unreachable, flood)
        udp.resume()
        return udp

    def another(self) -> socket:
        """The same socket once more, for another process."""
        return self.opened.dup()

    def pause(self) -> None:
        """Read no more, and leave what comes to whoever has the socket too; sending goes on."""
        self.is_paused = True
        self.behind_since = None
        self.stop_listening()

    def resume(self) -> None:
        """Read, from now on or again."""
        if self.is_paused:
            self.is_paused = False
            self.listen()

    @property
    def address(self) -> tuple[str, int]:
        """Where it is bound."""
        name = self.opened.getsockname()
        return str(name[0]), int(name[1])

    # ── in ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def listen(self) -> None:
        """Have the loop say when something comes."""
        self.is_listening = True
        self.loop.add_reader(self.opened.fileno(), self.readable)

    def stop_listening(self) -> None:
        """Neither that, nor look by ourselves."""
        if self.resting is not None:
            self.resting.cancel()
            self.resting = None
        if self.is_listening:
            self.is_listening = False
            self.loop.remove_reader(self.opened.fileno())

    def readable(self) -> None:
        """Take in what has come, group after group; if that was something, and all, let more gather before the next time."""
        self.stop_listening()
        taken = 0
        try:
            for _ in range(BATCHES):
                group = self.take_some(not taken)
                taken += group
                if group < AT_ONCE:
                    self.behind_since = None
                    break
            else:
                if self.behind_since is None:
                    self.behind_since = self.loop.time()
        finally:
            if not self.is_closed and not self.is_paused:
                if taken and self.behind_since is None:
                    self.resting = self.loop.call_later(REST, self.readable)
                else:
                    self.listen()

    def take_some(self, is_first: bool) -> int:
        """A group; how many it had: AT_ONCE if there may be more.

        An error that is pending comes out first; of the first group, should it have nothing, it is looked for.
        """
        taken, take = 0, self.opened.recvfrom
        try:
            while taken < AT_ONCE:
                try:
                    data, source = take(LONGEST)
                except BlockingIOError:
                    if not taken and is_first:
                        self.take_errors()
                    return taken
                except OSError:
                    self.take_errors()
                    return taken
                self.take(data, source)
                if self.is_closed or self.is_paused:
                    return 0
                taken += 1
            return taken
        finally:
            self.settle()

    def take(self, data: bytes, source: Any) -> None:
        if not self.flood.passes(source[0]):
            return
        if data[:1] < b"@" and stun.is_stun(data):
            answer = stun.answer(data, source[0], source[1])
            if answer is not None:
                self.put(answer, source)
            return
        flow = self.flows.get(source) or self.flow_of(source)
        if flow is not None:
            self.receive(data, flow)

    def flow_of(self, source: Any) -> Flow | None:
        flow = self.flows.get(source)
        if flow is None:
            if self.interface is None:
                return None
            if len(self.flows) >= MAX_FLOWS:
                self.flows.clear()
            flow = self.flows[source] = Flow(self.interface, source[0], source[1])
        return flow

    def take_errors(self) -> None:
        """What ICMP says of datagrams of ours. uvloop listens no more to a socket that had an error, until told again."""
        if self.is_closed:
            return
        came_back: list[tuple[bytes, Any]] = []
        while sys.platform == "linux":
            try:
                data, more, _, destination = self.opened.recvmsg(LONGEST, 512, MSG_ERRQUEUE)
            except OSError:
                break
            if any(is_unreachable(value) for _, _, value in more):
                came_back.append((data, destination))
        if self.is_listening:
            self.stop_listening()
            self.listen()
        for data, destination in came_back:
            # Later: it may be that just now something is being sent.
            self.loop.call_soon(self.give_back, data, destination)

    def give_back(self, data: bytes, destination: Any) -> None:
        flow = self.flow_of(destination) if destination else None
        if data and flow is not None and not self.is_closed:
            self.unreachable(flow, data)

    # ── out ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def send(self, data: bytes, flow: Flow) -> None:
        self.put(data, (flow.host, flow.port))

    def put(self, data: bytes, destination: Any) -> None:
        if self.is_closed:
            return
        if self.unsent:
            self.keep(data, destination)
            return
        try:
            self.opened.sendto(data, destination)
        except BlockingIOError:
            self.keep(data, destination)
            self.loop.add_writer(self.opened.fileno(), self.writable)
        except OSError:
            self.put_again(data, destination)

    def put_again(self, data: bytes, destination: Any) -> None:
        """It may have been the error of an earlier datagram; a second one is its own, and nothing will come of it."""
        self.take_errors()
        try:
            self.opened.sendto(data, destination)
        except OSError:
            self.loop.call_soon(self.give_back, data, destination)

    def keep(self, data: bytes, destination: Any) -> None:
        if len(self.unsent) < MOST_UNSENT:
            self.unsent.append((data, destination))

    def writable(self) -> None:
        """There is room again."""
        while self.unsent:
            data, destination = self.unsent[0]
            try:
                self.opened.sendto(data, destination)
            except BlockingIOError:
                return
            except OSError:
                self.put_again(data, destination)
            self.unsent.popleft()
        self.loop.remove_writer(self.opened.fileno())

    def close(self) -> None:
        if self.is_closed:
            return
        if self.unsent:
            self.writable()
        self.is_closed = True
        self.stop_listening()
        self.loop.remove_writer(self.opened.fileno())
        self.opened.close()


def set_up(opened: socket) -> None:
    """Hear of what cannot be delivered; and let a long message be cut up on its way to a network with a small MTU.

    By default Linux forbids that to find out what fits; where a firewall drops the ICMP that would say so, it never does.
    """
    if opened.family == AF_INET:
        opened.setsockopt(IPPROTO_IP, IP_RECVERR, 1)
        opened.setsockopt(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
    else:
        opened.setsockopt(IPPROTO_IPV6, IPV6_RECVERR, 1)
        opened.setsockopt(IPPROTO_IPV6, IPV6_MTU, SMALLEST_IPV6_MTU)


def is_unreachable(error: bytes) -> bool:
    """Whether a sock_extended_err says that host, network, port or protocol cannot be reached (RFC 3261 §18.4)."""
    number, origin, kind = int.from_bytes(error[:4], sys.byteorder), error[4], error[5]
    return number != EMSGSIZE and (origin, kind) in UNREACHABLE
