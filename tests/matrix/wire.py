"""A simulated wire with its own clock: our core at one end, the phones of a ladder at the other, and one fault on it."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from functools import cached_property

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.news import CallEnded, CallNews, TransferAsked
from c2c_b2bua.call.order import CallOrder
from c2c_b2bua.sip.flow import Flow, Interface, Interfaces
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action, Send
from tests.call.phone_memory import OURS, PHONES, PORTS
from tests.matrix.fault import DELAYED, DOUBLED, GONE, LOST, Fault
from tests.matrix.phone import Asked, Asking, Phone, Repetition, Said

LATENCY = 0.01
"""Seconds from one end of the wire to the other."""
SKEW = 1e-5
"""Seconds by which each datagram takes longer than the one before: no two arrive at once, or overtake each other."""
HELD = 2.0
"""Seconds after which a delayed message comes, when no other comes before."""
MOST_EVENTS = 5000


@dataclass(slots=True)
class Datagram:
    """One message on the wire. `way` is `<-` to the phone and `->` from it."""

    at: float
    phone: str
    way: str
    data: bytes
    said: Said | None = None
    """What a phone sent."""
    note: str = ""
    """What became of it, unless it arrived."""
    by: str = ""
    """What made us send it: `message`, `timer` or `api`."""
    is_new: bool = True
    """These bytes were not sent before."""


@dataclass(slots=True)
class Event:
    """What the core saw and did, in its order: `in`, `out`, `api`, `news`."""

    at: float
    kind: str
    datagram: Datagram | None = None
    news: CallNews | None = None


class Wire:
    """One call. What its phones do is for `advance` and the methods below it to say."""

    def __init__(self, order: CallOrder, fault: Fault | None, core: type[B2bua] = B2bua) -> None:
        self.order = order
        self.fault = fault
        interfaces = Interfaces([Interface("UDP", OURS, 5060)])
        self.core = core(interfaces, Tokens(b"ladder"))
        self.now = self.started = 1000.0
        self.phones = {name: Phone(name, self) for name in PORTS}
        self.flows = {
            name: Flow(interfaces.interfaces[0], phone.memory.host, PORTS[name]) for name, phone in self.phones.items()
        }
        self.queue: list[tuple[float, int, Datagram | Repetition]] = []
        self.count = 0
        self.wire: list[Datagram] = []
        self.sent: set[bytes] = set()
        self.gone = b""
        self.held: list[Datagram] = []
        self.events: list[Event] = []
        self.arriving: Datagram | None = None
        self.has_moved = True
        """Something has happened to a phone, or to the ladder, since `advance`."""
        self.empty_at: float | None = None
        """When nothing was left of the call."""

    # ── what phones do ───────────────────────────────────────────────────────────────────────────────────────────

    def advance(self) -> float | None:
        """Have the phones do what is due; when to look again."""
        raise NotImplementedError

    def is_lost_by_the_ladder(self, datagram: Datagram) -> bool:
        raise NotImplementedError

    def answer_refer(self, asked: TransferAsked) -> None:
        raise NotImplementedError

    def foresees(self, phone: Phone, message: Request | Response, asked: Asked | None) -> bool:
        raise NotImplementedError

    def foresees_ack(self, phone: Phone, asking: Asking) -> bool:
        raise NotImplementedError

    def heard_again(self, phone: Phone, what: str, asked: Asked | None = None) -> None:
        raise NotImplementedError

    # ── the clock ────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> None:
        self.take(self.core.connect(self.order, self.now), "api")
        events = 0
        cue: float | None = None
        while True:
            if self.has_moved or (cue is not None and cue <= self.now):
                self.has_moved = False
                cue = self.advance()
            due = self.core.next_due
            times = [at for at in (cue, due, self.queue[0][0] if self.queue else None) if at is not None]
            if not times:
                break
            at = min(times)
            events += 1
            assert events < MOST_EVENTS, "it never ends"
            self.now = max(self.now, at)
            if self.queue and self.queue[0][0] == at:
                self.happen(heapq.heappop(self.queue)[2])
            elif due == at:
                self.take(self.core.tick(self.now), "timer")

    def happen(self, what: Datagram | Repetition) -> None:
        if isinstance(what, Repetition):
            self.has_moved = True
            what.due()
        elif what.way == "->":
            self.events.append(Event(self.now, "in", what))
            self.take(self.core.receive(what.data, self.flows[what.phone], self.now), "message")
        elif not (phone := self.phones[what.phone]).is_dead:
            self.arriving = what
            self.has_moved = True
            phone.receive(what.data)
        else:
            what.note = what.note or "nobody there"

    def later(self, at: float, what: Datagram | Repetition) -> None:
        self.count += 1
        heapq.heappush(self.queue, (at, self.count, what))

    # ── the wire ─────────────────────────────────────────────────────────────────────────────────────────────────

    def take(self, actions: list[Action], by: str) -> None:
        """What the core puts out."""
        for action in actions:
            if isinstance(action, Send):
                datagram = Datagram(self.now, PHONES[action.flow.port], "<-", action.data, by=by)
                self.events.append(Event(self.now, "out", datagram))
                if self.is_lost_by_the_ladder(datagram):
                    datagram.note = "lost, as in the ladder"
                self.carry(datagram)
            else:
                assert isinstance(action, CallNews), action
                self.events.append(Event(self.now, "news", news=action))
                if isinstance(action, TransferAsked):
                    self.answer_refer(action)
        core = self.core
        if not (core.calls or core.legs or core.clients or core.servers):
            if self.empty_at is None:
                self.empty_at = self.now
        else:
            self.empty_at = None

    def transmit(self, phone: Phone, said: Said) -> None:
        if not phone.is_dead:
            self.carry(Datagram(self.now, phone.name, "->", said.data, said))

    def carry(self, datagram: Datagram) -> None:
        number = len(self.wire)
        self.wire.append(datagram)
        datagram.is_new = datagram.data not in self.sent
        self.sent.add(datagram.data)
        at = self.now + LATENCY + number * SKEW
        fault = self.fault
        if self.gone and datagram.data == self.gone:
            datagram.note = GONE
        elif fault is not None and number == fault.number and fault.kind in (LOST, GONE, DOUBLED, DELAYED):
            datagram.note = fault.kind
            if fault.kind == GONE:
                self.gone = datagram.data
            elif fault.kind == DOUBLED:
                self.later(at, datagram)
                self.later(at + 3 * LATENCY, datagram)
            elif fault.kind == DELAYED:
                self.held.append(datagram)
                self.later(at + HELD, datagram)
            return
        if datagram.note:
            return
        self.later(at, datagram)
        for held in self.held:
            if (held.phone, held.way) == (datagram.phone, datagram.way):
                self.queue = [entry for entry in self.queue if entry[2] is not held]
                heapq.heapify(self.queue)
                self.later(at + LATENCY / 10, held)
                self.held.remove(held)
                break

    def call_back(self, at: float, repetition: Repetition) -> None:
        self.later(at, repetition)

    # ── what came of it ──────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def ended(self) -> list[tuple[float, CallEnded]]:
        return [(event.at, event.news) for event in self.events if isinstance(event.news, CallEnded)]

    def drawn(self) -> str:
        """All that crossed the wire, and the news, as a ladder."""
        lines = [
            (one.at, f"{one.at - self.started:9.3f}  {one.phone} {one.way} {start_line(one.data)}"
                     + (f"   [{one.note}]" if one.note else ""))
            for one in self.wire
        ]  # fmt: skip
        for event in self.events:
            if event.kind == "api":
                lines.append((event.at, f"{event.at - self.started:9.3f}  api: hang up"))
            if event.news is not None:
                lines.append((event.at, f"{event.at - self.started:9.3f}  {type(event.news).__name__}"))
        return "\n".join(text for _, text in sorted(lines, key=lambda line: line[0]))


def start_line(data: bytes) -> str:
    head = data.partition(b"\r\n\r\n")[0].decode()
    first, *rest = head.split("\r\n")
    cseq = next(line for line in rest if line.startswith("CSeq:"))
    return first.removeprefix("SIP/2.0 ").removesuffix(" SIP/2.0") + f"  ({cseq.removeprefix('CSeq: ')})"
