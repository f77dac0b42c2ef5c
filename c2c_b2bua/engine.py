"""The B2BUA at work: commands go into the core beside bytes and timers, and its news to whoever listens."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Iterable, Iterator

import structlog

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.news import CallEnded, CallNews
from c2c_b2bua.call.order import CallOrder, Party
from c2c_b2bua.call.record import LegName
from c2c_b2bua.config import Sip
from c2c_b2bua.dialog.leg import CANCELLING
from c2c_b2bua.kept_calls import KeptCalls
from c2c_b2bua.recording.recorder import Recorded, Recorder
from c2c_b2bua.registration.binding import Binding, Bound, Unbound
from c2c_b2bua.registration.registrar import Registrar
from c2c_b2bua.registration.trunk import TrunkChanged, TrunkOrder
from c2c_b2bua.shell import Shell
from c2c_b2bua.sip.flow import Flow, Interfaces
from c2c_b2bua.sip.reason import Why
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.storage.recordings import Recordings
from c2c_b2bua.transaction.actions import Action, Locate, Misdirected, Send

SIGN_OF_LIFE = 2.0
"""Seconds that a phone which said nothing yet has, when we stop, to say it rings, so that it can be told not to."""
OUR_FAULT = Why("NORMAL_TEMPORARY_FAILURE", 500, "internal error")
TOGETHER = 0.001
"""Seconds after a connect within which others count as having come with it."""
MOMENT, SAVES = 0.05, 3
"""Seconds; how often in these it is written at once what has changed of calls without anything being sent for it.

Whoever has more to do than that writes the rest at their end, all together.
"""
PARTING = 1.0
"""Seconds between two looks at the streams that nobody needs, once another engine has taken our place."""
LEAVING = 2.0
"""Seconds that registrars of trunks get to say goodbye."""
OF_NO_CALL = frozenset({Bound, Misdirected, Recorded, TrunkChanged, Unbound})
SHUTTING_DOWN = Why("NORMAL_CLEARING", None, "the service is shutting down")

log = structlog.get_logger()


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
        self.pass_on: Callable[[Misdirected], None] = lambda message: None
        """What becomes of a message for one of `core.others`."""
        self.idle = asyncio.Event()
        self.left = asyncio.Event()
        """No trunk has us registered any more."""
        self.connected_at = 0.0
        """When a call was started last, by the loop's clock."""
        self.is_settling = False
        """`settle` is going to be called for those that have come with it."""
        self.is_saving = False
        """`save` is going to be called."""
        self.moment, self.saves = 0.0, 0
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
        """Start a call; returns at once. What goes wrong with it comes as news, `CallEnded` exactly once.

        Of several in one turn of the loop the first is rung at once, the others all together at its end.
        """
        self.idle.clear()
        actions = self.core.connect(order, self.now())
        before, self.connected_at = self.connected_at, self.loop.time()
        if self.connected_at > before + TOGETHER:
            self.carry_out(actions)
            return
        if not self.is_settling:
            self.is_settling = True
            self.loop.call_soon(self.settle)
        self.perform(actions)

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
        if type(news) in OF_NO_CALL:
            self.heard_beside(news)
            return
        assert isinstance(news, CallNews)
        for subscriber in self.subscribers:
            subscriber(news)
        if type(news) is CallEnded and not self.core.calls:
            self.idle.set()

    def heard_beside(self, news: Action) -> None:
        """What is no news of a call."""
        match news:
            case Misdirected():
                self.pass_on(news)
            case Bound() | Unbound():
                for listener in self.phone_subscribers:
                    listener(news)
            case TrunkChanged():
                for hearer in self.trunk_subscribers:
                    hearer(news)
                if all(line.is_over for line in self.core.lines.values()):
                    self.left.set()
            case Recorded():
                if self.recordings:
                    self.recordings.keep(news.call_id, news.line, news.is_last)

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

    async def recount(self) -> None:
        """Have `counts` as they are now, where they are counted elsewhere."""

    def save_soon(self) -> None:
        """Write what nothing was sent for: at once, unless there is much of that."""
        now = self.loop.time()
        if now >= self.moment + MOMENT:
            self.moment, self.saves = now, 0
        if self.saves < SAVES:
            self.saves += 1
            self.save()
        else:
            self.is_saving = True
            self.loop.call_at(self.moment + MOMENT, self.save)

    def save(self) -> None:
        self.is_saving = False
        if self.kept is not None:
            self.kept.save()

    def inherit(self) -> None:
        """Go on with the calls of a process that was killed beside us."""
        if self.kept is not None:
            self.kept.inherit(self.now(), self.carry_out)

    def succeeded(self) -> None:
        """Another engine has taken our place: trunks and phones are its business, only calls are still ours."""
        self.core.lines.clear()
        self.core.registrar.rest()
        self.part_with_streams()

    def part_with_streams(self) -> None:
        """Close the streams that no call needs, so that their phones go where they are listened to; once a second."""
        connections = self.connections
        if connections.by_number:
            connections.close_all_but(self.flows_of_calls())
            self.loop.call_later(PARTING, self.part_with_streams)

    def flows_of_calls(self) -> Iterator[Flow]:
        """The ways that what is said in calls takes."""
        for leg in self.core.legs.values():
            for flow in (leg.party.flow, leg.dialog.flow if leg.dialog is not None else None, leg.way):
                if flow is not None and not leg.is_over:
                    yield flow
        for transaction in (*self.core.clients.values(), *self.core.servers.values()):
            yield transaction.flow

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

    def settle(self) -> None:
        self.is_settling = False
        kept = self.kept
        if kept is not None:
            kept.write()
            if not self.is_saving and kept.waits:
                self.save_soon()
        super().settle()
        if self.is_closing and not self.cancelling:
            self.cancelled.set()
