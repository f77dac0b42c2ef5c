"""One loop: bytes, due timers and commands go into the core; what it wants done is carried out here.

The only place that knows both the core and the world: sockets, the clock, randomness, the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Literal

import structlog

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.news import CallEnded, CallNews
from c2c_b2bua.call.order import CallOrder, Party
from c2c_b2bua.call.record import LegName
from c2c_b2bua.config import HOST_PORT, Listen, Sip
from c2c_b2bua.dialog.leg import CANCELLING
from c2c_b2bua.kept_calls import KeptCalls
from c2c_b2bua.recording.recorder import Recorded, Recorder
from c2c_b2bua.registration.binding import Binding, Bound, Unbound
from c2c_b2bua.registration.registrar import Registrar
from c2c_b2bua.registration.trunk import TrunkChanged, TrunkOrder
from c2c_b2bua.sip.flow import DEFAULT_PORTS, Flow, Interface, Interfaces
from c2c_b2bua.sip.message import call_id_of
from c2c_b2bua.sip.reason import Why
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.storage.recordings import Recordings
from c2c_b2bua.transaction.actions import Action, Locate, Send
from c2c_b2bua.transaction.layer import TransactionLayer
from c2c_b2bua.transport.connections import Connections
from c2c_b2bua.transport.default_route import default_address
from c2c_b2bua.transport.flood import Flood
from c2c_b2bua.transport.resolver import Resolver
from c2c_b2bua.transport.udp import UdpSocket

SIGN_OF_LIFE = 2.0
"""Seconds that a phone which said nothing yet has, when we stop, to say it rings, so that it can be told not to."""
Direction = Literal["<-", "->"]
"""As in a ladder: `<-` to the phone, `->` from the phone."""
Trace = Callable[[Direction, bytes, Flow], None]
OUR_FAULT = Why("NORMAL_TEMPORARY_FAILURE", 500, "internal error")
LEAVING = 2.0
"""Seconds that registrars of trunks get to say goodbye."""
SHUTTING_DOWN = Why("NORMAL_CLEARING", None, "the service is shutting down")

log = structlog.get_logger()


class Shell:
    """Sockets and a clock around one core; what the core says beside bytes goes to `heard`."""

    def __init__(self, sip: Sip, user: str = "c2c") -> None:
        self.listen = sip.addresses()
        self.advertise = sip.advertise
        self.user = user
        self.offset = time.time() - time.monotonic()
        self.resolver = Resolver(sip.nameservers)
        self.connections = Connections(sip, self.receive, self.unreachable)
        self.flood = Flood(sip.limits)
        self.udp: dict[int, UdpSocket] = {}
        self.traces: list[Trace] = []
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

    async def start(self) -> None:
        """Open all sockets, then take in messages. OSError names the address or the file that could not be had."""
        self.loop = asyncio.get_running_loop()
        interfaces: list[Interface] = []
        if any(listen.transport in ("tls", "wss") for listen in self.listen):
            self.connections.load_certificates()
        for index, listen in enumerate(self.listen):
            try:
                if listen.transport == "udp":
                    udp = await UdpSocket.bind(listen.host, listen.port, self.receive, self.unreachable, self.flood)
                    self.udp[index] = udp
                    interfaces.append(self.interface(listen, *udp.address, index))
                elif listen.transport == "tls" and self.connections.server_tls is None:
                    log.info("no certificate: TLS only connects out", listen=str(listen))
                    port = listen.port or DEFAULT_PORTS["TLS"]
                    interfaces.append(self.interface(listen, listen.host, port, index))
                else:
                    transport = listen.transport.upper()
                    server, tell = await self.connections.listen(transport, listen.host, listen.port)
                    name = server.sockets[0].getsockname()
                    interfaces.append(self.interface(listen, name[0], name[1], index))
                    tell(interfaces[-1])
            except OSError as error:
                await self.close_sockets()
                reason = error.strerror or str(error)
                raise OSError(error.errno, f"cannot listen on {listen}: {reason}") from error
        self.core = self.make_core(Interfaces(interfaces), Tokens(secrets.token_bytes(32)))
        for index, udp in self.udp.items():
            udp.interface = interfaces[index]
        await self.connections.serve()

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
        self.carry_out(actions)

    def tick(self) -> None:
        """Let due timers act; each on its own, so that the fault of one is nobody else's."""
        self.armed = None
        now = self.now()
        while (due := self.core.next_due) is not None and due <= now:
            try:
                actions = self.core.tick(now)
            except Exception:
                log.exception("failed over a timer", machine=self.core.acting)
                actions = self.blame(self.core.acting)
            self.carry_out(actions)
        self.arm()

    def unreachable(self, flow: Flow, back: bytes = b"") -> None:
        self.carry_out(
            self.core.undelivered(back, flow, self.now()) if back else self.core.unreachable(flow, self.now())
        )

    # ── out of the core ──────────────────────────────────────────────────────────────────────────────────────────

    def carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            if type(action) is Send:
                self.send(action.data, action.flow)
            elif type(action) is Locate:
                self.locate(action)
            else:
                self.heard(action)
        self.arm()

    def send(self, data: bytes, flow: Flow) -> None:
        for trace in self.traces:
            trace("<-", data, flow)
        if flow.interface.transport == "UDP":
            self.udp[flow.interface.index].send(data, flow)
        else:
            self.connections.send(data, flow)

    def locate(self, action: Locate) -> None:
        targets = self.resolver.recall(action.hop, self.core.interfaces.kinds)
        if targets is not None:
            self.carry_out(self.core.located(action.ticket, targets, self.now()))
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
        self.armed = self.loop.call_later(max(0.0, due - self.now()), self.tick)

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


class Engine(Shell):
    """The B2BUA on real sockets; with `recordings` every call is recorded there."""

    core: B2bua

    def __init__(self, sip: Sip, recordings: Recordings | None = None, kept: KeptCalls | None = None) -> None:
        super().__init__(sip)
        self.recordings = recordings
        self.kept = kept
        self.answer_strangers = sip.answer_strangers
        self.subscribers: list[Callable[[CallNews], None]] = []
        self.phone_subscribers: list[Callable[[Bound | Unbound], None]] = []
        self.trunk_subscribers: list[Callable[[TrunkChanged], None]] = []
        self.idle = asyncio.Event()
        self.left = asyncio.Event()
        """No trunk has us registered any more."""
        self.is_closing = False
        self.cancelled = asyncio.Event()
        """Set, while closing, once no leg is left that waits to be cancelled."""

    def make_core(self, interfaces: Interfaces, tokens: Tokens) -> B2bua:
        kind = Recorder if self.recordings else B2bua
        self.core = kind(interfaces, tokens, self.answer_strangers, self.kept is not None)
        if self.kept is not None:
            self.kept.take_over(self.core, self.now(), self.carry_out)
        return self.core

    @property
    def registrar(self) -> Registrar:
        return self.core.registrar

    @property
    def interfaces(self) -> Interfaces:
        return self.core.interfaces

    def restore(self, bindings: Iterable[Binding]) -> None:
        """Take back what phones had registered before a restart."""
        self.carry_out(self.core.restore(bindings, self.now()))

    def welcome(self, hosts: Iterable[str]) -> None:
        """Requests from these hosts get an answer."""
        self.core.neighbours.welcome(hosts)

    def subscribe_phones(self, listener: Callable[[Bound | Unbound], None]) -> None:
        """Call `listener` with all news of registrations, on the loop, as it happens."""
        self.phone_subscribers.append(listener)

    def watch(self, orders: Iterable[TrunkOrder]) -> None:
        """Register with trunks, and see whether they are there, until `close`."""
        self.carry_out(self.core.watch(orders, self.now()))

    def subscribe_trunks(self, listener: Callable[[TrunkChanged], None]) -> None:
        """Call `listener` with all news of trunks, on the loop, as it happens."""
        self.trunk_subscribers.append(listener)

    def subscribe(self, listener: Callable[[CallNews], None]) -> None:
        """Call `listener` with all news of all calls, on the loop, as it happens."""
        self.subscribers.append(listener)

    def connect(self, order: CallOrder) -> None:
        """Start a call; returns at once. What goes wrong with it comes as news, `CallEnded` exactly once."""
        self.idle.clear()
        self.carry_out(self.core.connect(order, self.now()))

    async def rehearse(self, order: CallOrder) -> str:
        """The INVITE that `connect` would send first, nothing being sent; `""` when its next hop has no address."""
        core = B2bua(self.core.interfaces, Tokens(secrets.token_bytes(32)))
        actions = core.connect(order, self.now())
        for action in actions:
            if type(action) is Locate:
                targets = await self.resolver.targets(action.hop, core.interfaces.kinds)
                actions = core.located(action.ticket, targets, self.now())
        return next((action.data.decode(errors="replace") for action in actions if type(action) is Send), "")

    def hang_up(self, call_id: str) -> bool:
        """End a call; False: there is none of that id."""
        if call_id not in self.core.calls:
            return False
        self.carry_out(self.core.hang_up(call_id, self.now()))
        return True

    def transfer(self, call_id: str, leg: LegName, key: str, parties: tuple[Party, ...]) -> None:
        """Ring these in the place of the phone that asked for it by `TransferAsked`."""
        self.carry_out(self.core.transfer(call_id, leg, key, parties, self.now()))

    def refuse_transfer(self, call_id: str, leg: LegName, key: str, status: int, reason: str) -> None:
        """It may not have that."""
        self.carry_out(self.core.refuse_transfer(call_id, leg, key, status, reason, self.now()))

    def heard(self, news: Action) -> None:
        if self.kept is not None and self.kept.hear(news):
            return
        if isinstance(news, (Bound, Unbound)):
            for listener in self.phone_subscribers:
                listener(news)
            return
        if isinstance(news, TrunkChanged):
            for hearer in self.trunk_subscribers:
                hearer(news)
            if all(line.is_over for line in self.core.lines.values()):
                self.left.set()
            return
        if isinstance(news, Recorded):
            if self.recordings:
                self.recordings.keep(news.call_id, news.line, news.is_last)
            return
        assert isinstance(news, CallNews)
        for subscriber in self.subscribers:
            subscriber(news)
        if type(news) is CallEnded and not self.core.calls:
            self.idle.set()

    def blame(self, name: str) -> list[Action]:
        core = self.core
        call_id = core.call_of(name)
        if call_id is None:
            return []
        log.error("call ended by an internal error", call_id=call_id)
        try:
            return core.hang_up(call_id, self.now(), OUR_FAULT, "error")
        except Exception:
            log.exception("call abandoned", call_id=call_id)
            return core.abandon(call_id, OUR_FAULT, self.now())

    @property
    def counts(self) -> dict[str, int]:
        """How much is alive: calls, legs that are not down, transactions, timers set."""
        core = self.core
        legs = sum(not leg.is_over for leg in core.legs.values())
        transactions = len(core.clients) + len(core.servers)
        return {"calls": len(core.calls), "legs": legs, "transactions": transactions, "timers": len(core.timers)}

    async def close(self, grace: float = 10.0) -> None:
        """Hang up every call, wait at most `grace` seconds for the phones to say yes, leave trunks, close the sockets."""
        if self.core.calls:
            self.idle.clear()
            for call_id in list(self.core.calls):
                self.carry_out(self.core.hang_up(call_id, self.now(), SHUTTING_DOWN))
        if self.core.calls:
            try:
                async with asyncio.timeout(grace):
                    await self.idle.wait()
            except TimeoutError:
                for call_id in list(self.core.calls):
                    self.carry_out(self.core.abandon(call_id, SHUTTING_DOWN, self.now()))
        if grace:
            self.carry_out(self.core.leave(self.now()))
        if grace and not all(line.is_over for line in self.core.lines.values()):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(grace, LEAVING)):
                    await self.left.wait()
        if grace and self.cancelling:
            # An INVITE is out that had no response yet: its CANCEL has to wait for one (RFC 3261 §9.1).
            self.is_closing = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(grace, SIGN_OF_LIFE)):
                    await self.cancelled.wait()
        await self.close_sockets()

    @property
    def cancelling(self) -> bool:
        return any(leg.state == CANCELLING for leg in self.core.legs.values())

    def carry_out(self, actions: list[Action]) -> None:
        super().carry_out(actions)
        if self.is_closing and not self.cancelling:
            self.cancelled.set()
