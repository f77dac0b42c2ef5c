"""The core: all calls of one engine. Finds whose event it is, and hands it there; the transaction layer settles the rest."""

from __future__ import annotations

from collections.abc import Iterable

from c2c_b2bua.call import transfer
from c2c_b2bua.call.call import ENDED, Call
from c2c_b2bua.call.ledger import Ledger
from c2c_b2bua.call.order import CallOrder
from c2c_b2bua.call.record import EndedBy, LegName
from c2c_b2bua.call.snapshot import KeptCall
from c2c_b2bua.call.takeover import resume, revived
from c2c_b2bua.dialog import events
from c2c_b2bua.dialog.actions import ForgetLeg, KeepLeg
from c2c_b2bua.dialog.leg import DOWN, INVITING, Leg
from c2c_b2bua.dialog.leg_requests import acknowledged, cancelled, is_of_dialog, receive_request
from c2c_b2bua.dialog.leg_responses import receive_response
from c2c_b2bua.dialog.neighbours import Neighbours
from c2c_b2bua.dialog.party import Party
from c2c_b2bua.dialog.stranger import answer_stranger
from c2c_b2bua.dialog.stray import Strays
from c2c_b2bua.registration.binding import Binding
from c2c_b2bua.registration.registrar import REGISTRAR, Registrar
from c2c_b2bua.registration.trunk import TrunkLine, TrunkOrder
from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.flow import Flow, Hop, Interfaces
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reason import HUNG_UP, Why
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.sip.trail import AGAIN, RECEIVED, SENT
from c2c_b2bua.sip.uri import Uri
from c2c_b2bua.transaction.actions import Action, Reply, Send, Work
from c2c_b2bua.transaction.layer import TransactionLayer
from c2c_b2bua.transaction.matching import server_key

EVENTS = (
    events.Ringing, events.Described, events.Answered, events.Refused, events.RangOut, events.Offered,
    events.OfferWanted, events.Reanswered, events.Rerefused, events.Refreshed, events.Acknowledged, events.Informed,
    events.InformAnswered, events.ReferAnswered, events.Notified, events.HungUp, events.Down,
)  # fmt: skip


class B2bua(TransactionLayer):
    """Takes commands (`connect`, `hang_up`) beside what the transaction layer takes; news of calls leave beside bytes.

    `answer_strangers`: say no to those who have no business here, instead of nothing. `keeps`: have a ledger of what has
    to be remembered of calls, so that another process can take them over.
    """

    def __init__(
        self, interfaces: Interfaces, tokens: Tokens, answer_strangers: bool = False, keeps: bool = False
    ) -> None:
        super().__init__(interfaces, tokens)
        self.answer_strangers = answer_strangers
        self.registrar = Registrar(tokens)
        self.neighbours = Neighbours()
        self.strays = Strays()
        self.lines: dict[str, TrunkLine] = {}
        """What is done with trunks besides calls, by the keys of the machines."""
        self.calls: dict[str, Call] = {}
        self.legs: dict[str, Leg] = {}
        """SIP Call-ID -> leg, until its INVITE can bring no more 2xx."""
        self.ledger = Ledger(self, self.legs) if keeps else None
        self.open_clients: dict[str, int] = {}
        """SIP Call-ID -> how many client transactions of that leg are not over."""
        self.carry_out |= {
            **dict.fromkeys(EVENTS, self.leg_event),
            events.TransferWanted: self.transfer_wanted,
            KeepLeg: self.keep_leg,
            ForgetLeg: self.forget_leg,
        }

    # ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────

    def connect(self, order: CallOrder, now: float) -> list[Action]:
        """Start a call. SipError when A's next hop is no SIP URI."""
        hop = Hop.of(order.a.hop)
        call = Call(order, self.tokens_for(order), self.interfaces.address_for(hop), now)
        self.calls[order.call_id] = call
        self.legs[call.a.key] = call.a
        self.legs[call.b.key] = call.b
        if self.ledger is not None:
            self.ledger.touched[call.id] = call
        return self.settle(call.start(now), now)

    def tokens_for(self, order: CallOrder) -> Tokens:
        """Where a call draws its tokens."""
        return self.tokens

    def hang_up(self, call_id: str, now: float, why: Why = HUNG_UP, ended_by: EndedBy = "api") -> list[Action]:
        """End a call; one that is not there, or is ending, is left alone."""
        call = self.calls.get(call_id)
        return [] if call is None else self.settle(call.end(ended_by, why, now), now)

    def take_over(self, kept: KeptCall, now: float) -> list[Action]:
        """Go on with a call of a process that was killed, or end it. SipError when a leg of it cannot be reached any more."""
        call, lingering, work = revived(kept, self, now)
        if call.state != ENDED:
            self.calls[call.id] = call
        if self.ledger is not None:
            if call.state == ENDED:
                self.ledger.remains[call.id] = call
            if lingering:
                self.ledger.lingering[call.id] = lingering
        for leg in (*call.legs, *lingering) if call.state != ENDED else lingering:
            if leg.state == DOWN:
                continue
            self.legs[leg.key] = leg
            if leg.dialog is not None:
                self.neighbours.meet(leg.dialog.hop.host)
            elif leg.way is not None:
                self.neighbours.meet(leg.way.host)
        return self.settle([*work, *resume(call, self, now)], now)

    def transfer(self, call_id: str, leg: LegName, key: str, parties: tuple[Party, ...], now: float) -> list[Action]:
        """The phone that asked by `TransferAsked` may have these in its place: ring them at once."""
        call = self.calls.get(call_id)
        return [] if call is None else self.settle(transfer.start(call, leg, key, parties, now), now)

    def refuse_transfer(
        self, call_id: str, leg: LegName, key: str, status: int, reason: str, now: float
    ) -> list[Action]:
        """It may not."""
        call = self.calls.get(call_id)
        return [] if call is None else self.settle(transfer.refuse(call, leg, key, status, reason), now)

    def restore(self, bindings: Iterable[Binding], now: float) -> list[Action]:
        """Take back what phones had registered before a restart."""
        return self.settle(self.registrar.restore(bindings, now), now)

    def watch(self, orders: Iterable[TrunkOrder], now: float) -> list[Action]:
        """Register with trunks, and see whether they are there, until `leave`."""
        lines = [TrunkLine(order, self.tokens) for order in orders]
        self.lines |= {line.key: line for line in lines}
        return self.settle([action for line in lines for action in line.start(now)], now)

    def leave(self, now: float) -> list[Action]:
        """Take the registrations with trunks back."""
        return self.settle([action for line in self.lines.values() for action in line.stop(now)], now)

    # ── who is listened to ───────────────────────────────────────────────────────────────────────────────────────

    def request(self, request: Request, flow: Flow, now: float) -> Work:
        return TransactionLayer.request(self, request, flow, now) if self.is_heard(request, flow, now) else []

    def malformed(self, error: SipError, request: Request | None, flow: Flow) -> Work:
        return super().malformed(error, request, flow) if self.knows(flow) else []

    def is_heard(self, request: Request, flow: Flow, now: float) -> bool:
        """Whether a request is for one of our dialogs, or from somebody who is no stranger; scanners hear nothing."""
        if request.method == "REGISTER" and self.registrar.domains:
            return self.registrar.listens_to(request, flow, now, self.knows(flow))
        return self.knows(flow) or bool(self.owner_of(request)) or server_key(request) in self.servers

    def knows(self, flow: Flow) -> bool:
        return flow.host in self.neighbours or self.answer_strangers or self.registrar.is_registered(flow)

    def unreachable(self, flow: Flow, now: float) -> list[Action]:
        self.registrar.lost(flow)
        return super().unreachable(flow, now)

    # ── what the transaction layer brings ────────────────────────────────────────────────────────────────────────

    def owner_of(self, request: Request) -> str:
        leg = self.legs.get(request.call_id)
        return leg.key if leg is not None and is_of_dialog(leg, request) else ""

    def requested(self, owner: str, key: str, request: Request, now: float) -> Work:
        leg = self.legs.get(owner)
        if leg is None:
            if request.method == "REGISTER" and self.registrar.domains:
                return self.registrar.receive(key, request, now)
            return [Reply(key, answer_stranger(request, self.tokens_of(request.call_id).tag()))]
        if request.method == "UPDATE":
            self.touch(leg)
        return receive_request(leg, key, request, now)

    def acknowledged(self, owner: str, request: Request, now: float) -> Work:
        leg = self.legs.get(owner)
        if leg is None:
            return []
        leg.saw(RECEIVED["ACK"] if leg.unacked is not None else RECEIVED["ACK"] | AGAIN, now)
        return acknowledged(leg, request, now)

    def cancelled(self, owner: str, key: str, now: float) -> Work:
        leg = self.legs.get(owner)
        return cancelled(leg, key) if leg is not None else []

    def responded(self, owner: str, request: Request, response: Response, is_local: bool, now: float) -> Work:
        flow = response.flow
        if flow is not None and flow.host not in self.neighbours.met:
            self.neighbours.meet(flow.host)
        leg = self.legs.get(owner)
        if leg is not None:
            status = response.status
            leg.saw(RECEIVED[request.method] | status | (AGAIN if is_local else 0), now)
            if status >= 300:
                leg.remember(status, response.reason)
            return receive_response(leg, request, response, is_local, now)
        line = self.lines.get(owner)
        return line.responded(request, response, is_local, now) if line is not None else []

    def stray(self, response: Response) -> Work:
        """Only what we once sent can be answered so: its From tag tells, long after its leg is forgotten."""
        leg, flow = self.legs.get(response.call_id), response.flow
        if response.from_tag != (leg.tag if leg is not None else self.tokens.seal(response.call_id)) or flow is None:
            return []
        dialog = leg.dialog if leg is not None else None
        is_ours = dialog is not None and dialog.remote_tag == (response.to_tag or "")
        return self.strays.hang_up(response, flow if self.registrar.is_registered(flow) else None, is_ours)

    def leg_event(self, event: events.LegEvent, now: float) -> Work:
        call = self.calls.get(event.call)
        if call is None:
            return []
        if self.ledger is not None:
            self.ledger.touched[call.id] = call
        return call.receive(event, now)

    # ── what has to be remembered ────────────────────────────────────────────────────────────────────────────────

    def settle(self, work: Work, now: float) -> list[Action]:
        """What has changed of calls is in the ledger when this returns."""
        out = TransactionLayer.settle(self, work, now)
        ledger = self.ledger
        if ledger is not None and ledger.touched:
            ledger.settle(Send in map(type, out))
        return out

    def touch(self, leg: Leg) -> None:
        """Something about a leg has changed that is not told as an event."""
        ledger = self.ledger
        if ledger is not None and leg.call not in ledger.touched:
            call = self.calls.get(leg.call) or ledger.remains.get(leg.call)
            if call is not None:
                ledger.touched[call.id] = call

    def let_go(self, key: str) -> None:
        """A leg is over."""
        leg = self.legs.pop(key, None)
        if self.ledger is not None and leg is not None:
            self.ledger.let_go(leg)

    def transfer_wanted(self, event: events.TransferWanted, now: float) -> Work:
        """A REFER; one that names another dialog of ours joins two calls."""
        call = self.calls.get(event.call)
        replaced = transfer.replaced_by(event.replaces, self.legs) if event.replaces else None
        second = self.calls.get(replaced.call) if replaced is not None else None
        if call is not None and second is not None and replaced is not None:
            if self.ledger is not None:
                self.ledger.touched |= {call.id: call, second.id: second}
            return transfer.attended(call, event, second, replaced, now)
        return self.leg_event(event, now)

    # ── when we err ──────────────────────────────────────────────────────────────────────────────────────────────

    def call_of(self, name: str) -> str | None:
        """The id of the call that a SIP Call-ID or the key of a machine belongs to."""
        if name in self.calls:
            return name
        transaction = self.clients.get(name) or self.servers.get(name)
        leg = self.legs.get(transaction.owner if transaction is not None else name)
        return leg.call if leg is not None else None

    def abandon(self, call_id: str, why: Why, now: float) -> list[Action]:
        """Give a call up where it stands, without another word to its phones: its record is closed, its state dropped."""
        call = self.calls.get(call_id)
        if call is None:
            return []
        self.drop(call.legs)
        return self.settle(call.abandon(why, now), now)

    # ── what lives how long ──────────────────────────────────────────────────────────────────────────────────────

    def machine(self, key: str) -> Leg | Call | Registrar | TrunkLine | None:
        if key == REGISTRAR:
            return self.registrar
        return self.legs.get(key) or self.calls.get(key) or self.lines.get(key)

    def is_wanted(self, owner: str, request: Request) -> bool:
        leg = self.legs.get(owner)
        if leg is None:
            return owner in self.lines or request.method == "BYE"
        return request is not leg.invite or leg.state == INVITING

    def way_for(self, owner: str, hop: Uri, flow: Flow, now: float) -> Flow | None:
        leg = self.legs.get(owner)
        if leg is None or not leg.party.aor:
            return flow
        return self.registrar.way_to(leg.party.aor, leg.party.uri, hop, flow, now)

    def saw(self, owner: str, code: int, now: float) -> None:
        leg = self.legs.get(owner)
        if leg is not None:
            leg.saw(code, now)

    def opened(self, owner: str, method: str, now: float) -> None:
        self.open_clients[owner] = self.open_clients.get(owner, 0) + 1
        leg = self.legs.get(owner)
        if leg is not None:
            leg.saw(SENT[method], now)
            self.touch(leg)

    def adopted(self, owner: str) -> None:
        self.open_clients[owner] = self.open_clients.get(owner, 0) + 1

    def over(self, owner: str) -> None:
        left = self.open_clients.get(owner, 0) - 1
        if left > 0:
            self.open_clients[owner] = left
            return
        self.open_clients.pop(owner, None)
        leg = self.legs.get(owner)
        if leg is not None:
            leg.travel_light()
            if leg.state == DOWN:
                self.let_go(owner)

    def keep_leg(self, action: KeepLeg, now: float) -> Work:
        leg = self.legs[action.leg.key] = action.leg
        if self.ledger is not None:
            self.ledger.rung(leg)
        return []

    def forget_leg(self, action: ForgetLeg, now: float) -> Work:
        if action.owner not in self.open_clients:
            self.let_go(action.owner)
        return []

    def forgotten(self, key: str) -> None:
        call = self.calls.pop(key, None)
        if call is not None:
            if self.ledger is not None:
                self.ledger.touched[key] = call
            self.drop(leg for leg in call.legs if leg.key not in self.open_clients)

    def drop(self, legs: Iterable[Leg]) -> None:
        """Nobody is to find them any more; of one that went over to another call, only what was left behind."""
        for leg in legs:
            if self.legs.get(leg.key) is leg:
                del self.legs[leg.key]
