"""One loop: bytes and due timers go into a core; what it wants sent is sent here.

The only place that knows both the core and the world: sockets, the clock, randomness, the log.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from socket import socket
from typing import Literal

import structlog

from c2c_b2bua.config import HOST_PORT, Listen, Sip
from c2c_b2bua.sip.flow import DEFAULT_PORTS, Flow, Interface, Interfaces
from c2c_b2bua.sip.reading import call_id_of
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action, Locate, Send
from c2c_b2bua.transaction.layer import TransactionLayer
from c2c_b2bua.transport.connections import Connections
from c2c_b2bua.transport.default_route import default_address
from c2c_b2bua.transport.door import Door
from c2c_b2bua.transport.flood import Flood
from c2c_b2bua.transport.resolver import Resolver
from c2c_b2bua.transport.udp import UdpSocket

Direction = Literal["<-", "->"]
"""As in a ladder: `<-` to the phone, `->` from the phone."""
Trace = Callable[[Direction, bytes, Flow], None]
LATE = 0.01
"""Seconds that a timer is late, with all that are due by then: each turn of the loop costs more than what a timer does.

Nothing in SIP is that exact; and to come early, as the loop counts in thousandths, is to go in circles until it is due.
"""

log = structlog.get_logger()


class Shell:
    """Sockets and a clock around one core; what the core says beside bytes goes to `heard`."""

    def __init__(self, sip: Sip, user: str = "c2c") -> None:
        self.listen = sip.addresses()
        self.advertise = sip.advertise
        self.user = user
        self.name = secrets.token_hex(3)
        """By which its branches, tags and Call-IDs are known from those of other engines."""
        self.offset = time.time() - time.monotonic()
        self.resolver = Resolver(sip.nameservers)
        self.connections = Connections(sip, self.receive, self.unreachable)
        self.flood = Flood(sip.limits)
        self.udp: dict[int, UdpSocket] = {}
        self.doors: dict[int, Door] = {}
        self.handed: Mapping[str, Sequence[socket]] | None = None
        """Sockets that are open already, by what they listen to; with those, nothing is taken in until `resume`."""
        self.traces: list[Trace] = []
        self.unsent: list[Send] = []
        """What the core has sent and `settle` is to send."""
        self.tasks: set[asyncio.Task[None]] = set()
        self.armed: asyncio.TimerHandle | None = None
        self.armed_for = 0.0
        self.core: TransactionLayer

    def make_core(self, interfaces: Interfaces, tokens: Tokens) -> TransactionLayer:
        raise NotImplementedError

    def heard(self, news: Action) -> None:
        """News of the core."""

    def blame(self, name: str) -> list[Action]:
        """The core failed over a message (`name` is its SIP Call-ID) or a timer (its machine's key): limit the damage."""
        return []

    def now(self) -> float:
        """Seconds since 1970 by a clock that never jumps."""
        return time.monotonic() + self.offset

    def lag(self) -> float:
        """Seconds for which more has come than could be taken in."""
        since = [udp.behind_since for udp in self.udp.values() if udp.behind_since is not None]
        return self.loop.time() - min(since) if since else 0.0

    async def start(self) -> None:
        """Open all sockets, then take in messages. OSError names the address or the file that could not be had."""
        handed = self.handed or {}
        self.loop = asyncio.get_running_loop()
        interfaces: list[Interface] = []
        if any(listen.transport in ("tls", "wss") for listen in self.listen):
            self.connections.load_certificates()
        for index, listen in enumerate(self.listen):
            try:
                if listen.transport == "udp":
                    if opened := handed.get(str(listen)):
                        udp = UdpSocket(opened[0], self.take_in, self.settle, self.unreachable, self.flood)
                    else:
                        what = (self.take_in, self.settle, self.unreachable, self.flood)
                        udp = await UdpSocket.bind(listen.host, listen.port, *what)
                    self.udp[index] = udp
                    interfaces.append(self.interface(listen, *udp.address, index))
                elif listen.transport == "tls" and self.connections.server_tls is None:
                    log.info("no certificate: TLS only connects out", listen=str(listen))
                    port = listen.port or DEFAULT_PORTS["TLS"]
                    interfaces.append(self.interface(listen, listen.host, port, index))
                else:
                    transport = listen.transport.upper()
                    server, tell = await self.connections.listen(
                        transport, listen.host, listen.port, handed.get(str(listen), ())
                    )
                    self.doors[index] = self.connections.doors[-1]
                    name = server.sockets[0].getsockname()
                    interfaces.append(self.interface(listen, name[0], name[1], index))
                    tell(interfaces[-1])
            except OSError as error:
                await self.close_sockets()
                reason = error.strerror or str(error)
                raise OSError(error.errno, f"cannot listen on {listen}: {reason}") from error
        self.core = self.make_core(Interfaces(interfaces), Tokens(secrets.token_bytes(32), self.name))
        for index, udp in self.udp.items():
            udp.interface = interfaces[index]
        if self.handed is None:
            await self.connections.serve()

    def pause(self) -> None:
        """Take nothing in, but go on sending: another process reads our sockets."""
        for udp in self.udp.values():
            udp.pause()
        for door in self.doors.values():
            door.pause()

    async def resume(self) -> None:
        """Take in again."""
        for udp in self.udp.values():
            udp.resume()
        for door in self.doors.values():
            await door.resume()

    def sockets(self) -> list[tuple[str, socket]]:
        """All that we listen to, once more, and what each is in the configuration."""
        found = [(index, udp.another()) for index, udp in self.udp.items()]
        found += [(index, opened) for index, door in self.doors.items() for opened in door.others()]
        return [(str(self.listen[index]), opened) for index, opened in found]

    def renew_certificates(self) -> None:
        """Read our certificates again, for connections to come; a file that cannot be used changes nothing."""
        try:
            self.connections.renew_certificates()
        except OSError as error:
            log.error("certificates not renewed", reason=str(error))
        else:
            log.info("certificates renewed")

    def interface(self, listen: Listen, host: str, port: int, index: int) -> Interface:
        """What peers are told of a socket: the advertised address, or for a wildcard the address of the default route."""
        if self.advertise:
            found = HOST_PORT.fullmatch(self.advertise)
            if found is None:
                raise ValueError(f'expected host or host:port to advertise, got "{self.advertise}"')
            host = found["host"].strip("[]")
            if listen.transport in ("udp", "tcp"):
                port = int(found["port"] or port)
        elif host in ("0.0.0.0", "::"):
            host = default_address(host)
        return Interface(listen.transport.upper(), host, port, index, self.user)

    # ── into the core ────────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, data: bytes, flow: Flow) -> None:
        """One message."""
        try:
            self.take_in(data, flow)
        finally:
            self.settle()

    def take_in(self, data: bytes, flow: Flow) -> None:
        """One of several messages; `settle` follows the last of them."""
        if len(data) < 12:
            # A keep-alive (RFC 5626 §3.5.2), or nothing that could be a message.
            return
        for trace in self.traces:
            trace("->", data, flow)
        try:
            actions = self.core.receive(data, flow, self.now())
        except Exception:
            log.exception("failed over a message", peer=f"{flow.host}:{flow.port}")
            actions = self.blame(call_id_of(data))
        self.perform(actions)

    def tick(self) -> None:
        """Let due timers act; each on its own, so that the fault of one is nobody else's."""
        self.armed = None
        now = self.now()
        try:
            while (due := self.core.next_due) is not None and due <= now:
                try:
                    actions = self.core.tick(now)
                except Exception:
                    log.exception("failed over a timer", machine=self.core.acting)
                    actions = self.blame(self.core.acting)
                self.perform(actions)
        finally:
            self.settle()

    def unreachable(self, flow: Flow, back: bytes = b"") -> None:
        self.carry_out(
            self.core.undelivered(back, flow, self.now()) if back else self.core.unreachable(flow, self.now())
        )

    # ── out of the core ──────────────────────────────────────────────────────────────────────────────────────────

    def carry_out(self, actions: list[Action]) -> None:
        """Do what the core says."""
        try:
            self.perform(actions)
        finally:
            self.settle()

    def perform(self, actions: list[Action]) -> None:
        """The same, but for what it sends: that waits for `settle`."""
        for action in actions:
            if type(action) is Send:
                for trace in self.traces:
                    trace("<-", action.data, action.flow)
                self.unsent.append(action)
            elif type(action) is Locate:
                self.locate(action)
            else:
                self.heard(action)

    def settle(self) -> None:
        """Send all that waits, and have the timers act when they are due."""
        unsent, self.unsent = self.unsent, []
        for send in unsent:
            flow = send.flow
            try:
                if flow.interface.transport == "UDP":
                    self.udp[flow.interface.index].send(send.data, flow)
                else:
                    self.connections.send(send.data, flow)
            except Exception:
                log.exception("failed to send", peer=f"{flow.host}:{flow.port}")
        self.arm()

    def locate(self, action: Locate) -> None:
        targets = self.resolver.recall(action.hop, self.core.interfaces.kinds)
        if targets is not None:
            self.perform(self.core.located(action.ticket, targets, self.now()))
            return
        task = asyncio.ensure_future(self.look_up(action))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def look_up(self, action: Locate) -> None:
        targets = await self.resolver.targets(action.hop, self.core.interfaces.kinds)
        self.carry_out(self.core.located(action.ticket, targets, self.now()))

    def arm(self) -> None:
        """Have the loop call `tick` when the first timer is due; an earlier call than needed does no harm."""
        due = self.core.next_due
        if due is None or (self.armed is not None and self.armed_for <= due):
            return
        if self.armed is not None:
            self.armed.cancel()
        self.armed_for = due
        self.armed = self.loop.call_later(max(0.0, due - self.now()) + LATE, self.tick)

    async def close_sockets(self) -> None:
        if self.armed is not None:
            self.armed.cancel()
            self.armed = None
        for task in list(self.tasks):
            task.cancel()
        self.resolver.close()
        for udp in self.udp.values():
            udp.close()
        await self.connections.close()
