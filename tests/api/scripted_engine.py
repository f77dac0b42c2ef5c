"""An engine without SIP: it keeps the orders it gets, and a test says what becomes of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from c2c_b2bua.call.news import CallBridged, CallEnded, CallNews, LegAnswered, LegRinging
from c2c_b2bua.call.order import CallOrder, Party
from c2c_b2bua.call.record import CallRecord, EndedBy, LegName, LegRecord
from c2c_b2bua.kept_calls import KeptCalls
from c2c_b2bua.registration.binding import Binding, Bound, Unbound
from c2c_b2bua.registration.registrar import Registrar
from c2c_b2bua.registration.trunk import TrunkChanged, TrunkOrder
from c2c_b2bua.sip.flow import Interface, Interfaces
from c2c_b2bua.sip.tokens import Tokens


class ScriptedEngine:
    """`then` is done to every new call at once; `clock` None is the real one."""

    def __init__(self) -> None:
        self.orders: list[CallOrder] = []
        self.records: dict[str, CallRecord] = {}
        self.listeners: list[Callable[[CallNews], None]] = []
        self.registrar = Registrar(Tokens(b"phones"))
        self.interfaces = Interfaces([Interface("UDP", "192.0.2.1", 5060), Interface("TCP", "192.0.2.1", 5060, 1)])
        self.phone_listeners: list[Callable[[Bound | Unbound], None]] = []
        self.welcomed: list[str] = []
        self.trunk_orders: list[TrunkOrder] = []
        self.trunk_listener: Callable[[TrunkChanged], None] = lambda news: None
        self.clock: float | None = None
        self.late = 0.0
        self.kept: KeptCalls | None = None
        self.transfers: list[tuple[str, LegName, str, tuple[Party, ...]]] = []
        self.refusals: list[tuple[str, LegName, str, int, str]] = []
        self.then: Callable[[ScriptedEngine, str], None] = lambda engine, call_id: None

    def watch(self, orders: Iterable[TrunkOrder]) -> None:
        self.trunk_orders = [*orders]

    def subscribe_trunks(self, listener: Callable[[TrunkChanged], None]) -> None:
        self.trunk_listener = listener

    def subscribe(self, listener: Callable[[CallNews], None]) -> None:
        self.listeners.append(listener)

    def subscribe_phones(self, listener: Callable[[Bound | Unbound], None]) -> None:
        self.phone_listeners.append(listener)

    def restore(self, bindings: Iterable[Binding]) -> None:
        self.registrar.restore(bindings, self.now())

    def welcome(self, hosts: Iterable[str]) -> None:
        self.welcomed += hosts

    def bind(self, binding: Binding) -> None:
        """A phone has registered."""
        self.registrar.keep(binding.aor, [*self.registrar.of(binding.aor, self.now()), binding])
        for listener in self.phone_listeners:
            listener(Bound(binding, True))

    def lag(self) -> float:
        return self.late

    def now(self) -> float:
        return time.time() if self.clock is None else self.clock

    @property
    def counts(self) -> dict[str, int]:
        return {"calls": 0, "legs": 0, "transactions": 0, "timers": 0}

    async def recount(self) -> None:
        """It always knows."""

    def connect(self, order: CallOrder) -> None:
        self.orders.append(order)
        record = CallRecord(call_id=order.call_id, accepted_at=self.now(), legs=[])
        self.records[order.call_id] = record
        self.dial("a", order.call_id)
        self.then(self, order.call_id)

    async def rehearse(self, order: CallOrder) -> str:
        return f"INVITE {order.a.uri} SIP/2.0\r\n"

    def dial(self, leg: LegName, call_id: str) -> None:
        order = next(order for order in self.orders if order.call_id == call_id)
        party = order.a if leg == "a" else order.b
        legs = self.records[call_id].legs
        legs.append(LegRecord(leg=leg, call_id=f"{leg}-{call_id}", target=party.target, trunk=party.trunk or None))
        legs[-1].invited_at = self.now()

    def tell(self, kind: Callable[..., CallNews], call_id: str, **rest: str) -> None:
        known = {"record": self.records[call_id]} if kind is CallEnded else {}
        news = kind(call_id=call_id, at=self.now(), **known, **rest)
        for listener in self.listeners:
            listener(news)

    def ring(self, call_id: str, leg: LegName = "a") -> None:
        self.records[call_id].legs[-1].ringing_at = self.now()
        self.tell(LegRinging, call_id, leg=leg)

    def answer(self, call_id: str, leg: LegName = "a") -> None:
        self.records[call_id].legs[-1].answered_at = self.now()
        self.records[call_id].legs[-1].sip_code = 200
        self.tell(LegAnswered, call_id, leg=leg)

    def bridge(self, call_id: str) -> None:
        """A answers, B is dialled and answers, both are joined."""
        self.ring(call_id)
        self.answer(call_id)
        self.dial("b", call_id)
        self.ring(call_id, "b")
        self.answer(call_id, "b")
        self.records[call_id].bridged_at = self.now()
        self.tell(CallBridged, call_id)

    def end(self, call_id: str, cause: str, ended_by: EndedBy, code: int | None = None, reason: str = "") -> None:
        record = self.records[call_id]
        record.ended_at, record.cause, record.ended_by = self.now(), cause, ended_by
        record.sip_code, record.reason = code, reason or None
        leg = record.legs[-1]
        leg.ended_at, leg.cause, leg.sip_code, leg.reason = self.now(), cause, code or leg.sip_code, reason or None
        self.tell(CallEnded, call_id)

    def inherit(self) -> None:
        """It has no calls of others."""

    def transfer(self, call_id: str, leg: LegName, key: str, parties: tuple[Party, ...]) -> None:
        self.transfers.append((call_id, leg, key, parties))

    def refuse_transfer(self, call_id: str, leg: LegName, key: str, status: int, reason: str) -> None:
        self.refusals.append((call_id, leg, key, status, reason))

    def hang_up(self, call_id: str) -> bool:
        record = self.records.get(call_id)
        if record is None or record.ended_at is not None:
            return False
        self.end(call_id, "NORMAL_CLEARING", "api")
        return True
