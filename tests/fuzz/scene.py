"""A core and the phones around it, who may say anything at any time; the witness listens."""

from __future__ import annotations

from typing import Any

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.news import CallEnded, TransferAsked
from c2c_b2bua.call.order import CallOrder
from c2c_b2bua.dialog.party import Party
from c2c_b2bua.sip.flow import Flow, Interface, Interfaces, Target
from c2c_b2bua.sip.message import Request
from c2c_b2bua.sip.reading import parse
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action, Locate, Send
from tests.fuzz.witness import Witness

UDP = Interface("UDP", "192.0.2.1", 5060, 0)
TCP = Interface("TCP", "192.0.2.1", 5060, 1)
HOST = "192.0.2.9"
LONGEST_CALL = 600.0
RECENT = 12
"""Requests that a phone may still answer, calls and dialogs it may still speak in."""
SOUND = frozenset(
    {"<sip:bob@192.0.2.9>", "<sip:bob@192.0.2.10:5070;transport=tcp>", "<sip:p@192.0.2.8;lr>", "<sip:p@192.0.2.8>"}
)
"""Contacts and Record-Routes where an ACK can go without a look-up."""


def party(name: str, **more: Any) -> Party:
    return Party(
        **({"target": name, "uri": f"sip:{name}@{HOST}", "from_uri": "sip:c2c@example.com", "password": "p"} | more)
    )


class Scene:
    """`asked` are the requests that phones have to answer, `dialogs` what they know to speak in one."""

    def __init__(self, keeps: bool = False) -> None:
        self.core = B2bua(Interfaces([UDP, TCP]), Tokens(b"x" * 32), answer_strangers=True, keeps=keeps)
        self.witness = Witness(self.core)
        self.now = 1000.0
        self.asked: list[tuple[Request, Flow]] = []
        self.dialogs: list[tuple[str, str, str]] = []
        """(Call-ID, From, To) as the phone writes them."""
        self.heard: list[tuple[bytes, Flow]] = []
        self.lookups: list[int] = []
        self.transfers: list[TransferAsked] = []
        self.ended: list[CallEnded] = []
        self.calls = 0
        self.count = 0

    def take(self, actions: list[Action]) -> list[Request]:
        """What comes of anything; the requests in it."""
        requests = []
        for action in actions:
            match action:
                case Send(data=data, flow=flow):
                    message = self.witness.sees(data)
                    if isinstance(message, Request):
                        requests.append(message)
                        if message.method != "ACK":
                            self.asked.append((message, flow))
                case Locate(ticket=ticket):
                    self.lookups.append(ticket)
                case TransferAsked():
                    self.transfers.append(action)
                case CallEnded():
                    self.ended.append(action)
        if self.core.ledger is not None:
            self.core.ledger.due()
        return requests

    # ── what our side does ───────────────────────────────────────────────────────────────────────────────────────

    def connect(self, a: dict[str, Any], b: dict[str, Any], beside: int, instead: int, bridge: Any) -> None:
        self.calls += 1
        order = CallOrder(
            call_id=f"call-{self.calls}",
            a=party("a", **a),
            b=party("b", **b),
            a_beside=tuple(party(f"a{number}", **a) for number in range(beside)),
            b_instead=tuple((party(f"b{number}", **(b | {"trunk": "t"})),) for number in range(instead)),
            bridge=bridge,
            max_duration=LONGEST_CALL,
        )
        self.take(self.core.connect(order, self.now))

    def hang_up(self, which: int) -> None:
        self.take(self.core.hang_up(f"call-{1 + which % max(1, self.calls)}", self.now))

    def locate(self, which: int, targets: list[Target]) -> None:
        """A look-up ends; the ticket may be one that is over, or never was."""
        ticket = self.lookups.pop(which % len(self.lookups)) if self.lookups else which
        self.take(self.core.located(ticket, targets, self.now))
        self.take(self.core.located(ticket, targets, self.now))

    def break_stream(self, which: int) -> None:
        flows = [flow for _, flow in self.asked] or [Flow(TCP, HOST, 5060)]
        self.take(self.core.unreachable(flows[-1 - which % len(flows)], self.now))

    def settle_transfer(self, accept: bool, party_of: dict[str, Any]) -> None:
        asked = self.transfers.pop()
        key, leg, call_id = asked.key, asked.leg, asked.call_id
        if accept:
            self.take(self.core.transfer(call_id, leg, key, (party("c", **party_of),), self.now))
        else:
            self.take(self.core.refuse_transfer(call_id, leg, key, 403, "No", self.now))

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def wait(self, seconds: float) -> None:
        """Timers act when they are due, or a little late."""
        until = self.now + seconds
        while (due := self.core.next_due) is not None and due <= until:
            self.now = max(self.now, due)
            self.take(self.core.tick(self.now))
        self.now = until

    def tick(self, late: float) -> None:
        """Timers act late, all at once, or too early; then the clock stands still."""
        self.now += late
        for _ in range(3):
            self.take(self.core.tick(self.now))

    # ── what phones do ───────────────────────────────────────────────────────────────────────────────────────────

    def say(self, data: bytes, flow: Flow) -> list[Request]:
        self.heard.append((data, flow))
        return self.take(self.core.receive(data, flow, self.now))

    def respond(self, which: int, status: int, tag: str, body: bytes, headers: dict[str, str]) -> None:
        if not self.asked:
            return
        request, flow = self.asked[-1 - which % min(RECENT, len(self.asked))]
        response = request.response(status, to_tag=tag if status > 100 else "")
        response.headers.update({name: [value] for name, value in headers.items()})
        if body:
            response.headers.setdefault("Content-Type", ["application/sdp"])
            response.body = body
        if tag and request.method == "INVITE" and status > 100:
            self.dialogs.append((request.call_id, response.headers["To"][0], request.headers["From"][0]))
        routes = {headers[name] for name in ("Contact", "Record-Route") if name in headers}
        branch = self.witness.hears(response, "Contact" in headers and routes <= SOUND)
        answered = self.say(bytes(response), flow)
        if branch:
            assert [ack.method for ack in answered if ack.branch == branch][:1] == ["ACK"], f"no ACK to a {status}"

    def ask(
        self, which: int, method: str, sequence: int, body: bytes, headers: dict[str, str], branch: str = ""
    ) -> None:
        """A request in a dialog, or what looks like one."""
        if not self.dialogs:
            return
        call_id, sender, target = self.dialogs[-1 - which % min(RECENT, len(self.dialogs))]
        self.count += 1
        given = {
            "Via": f"SIP/2.0/UDP {HOST};branch=z9hG4bK{branch or f'peer{self.count}'};rport",
            "From": sender,
            "To": target,
            "Call-ID": call_id,
            "CSeq": f"{sequence} {method}",
            "Contact": f"<sip:bob@{HOST}>",
        }
        if body:
            given["Content-Type"] = "application/sdp"
        lines = {name: [value] for name, value in {**given, **headers}.items()}
        request = Request(method, "sip:c2c@192.0.2.1", lines, body)
        self.witness.is_asked(request)
        self.say(bytes(request), Flow(UDP, HOST, 5060))

    def repeat(self, which: int) -> None:
        """A message comes twice."""
        if self.heard:
            data, flow = self.heard[-1 - which % min(RECENT, len(self.heard))]
            found = parse(data)
            if not isinstance(found, Request):
                self.witness.hears(found, False)
            self.say(data, flow)

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────

    def check(self) -> None:
        """Tables are bounded by what there is to remember."""
        core = self.core
        assert len(core.calls) <= self.calls
        assert set(core.searches) <= set(core.clients)
        assert sum(core.open_clients.values()) == len(core.clients)
        assert core.ledger is None or not core.ledger.touched
        assert not core.out
        ended = [news.call_id for news in self.ended]
        assert len(ended) == len(set(ended))
        assert not set(ended) & set(core.calls)

    def finish(self, hangs_up: bool) -> None:
        """Left alone, all comes to its end: each call was told once, and nothing is left."""
        core = self.core
        for number in range(self.calls if hangs_up else 0):
            self.hang_up(number)
        until = self.now + 3 * LONGEST_CALL
        while self.lookups or core.next_due is not None:
            while self.lookups:
                self.take(core.located(self.lookups.pop(), [], self.now))
            if (due := core.next_due) is not None:
                self.now = max(self.now, due)
                self.take(core.tick(self.now))
            assert self.now < until, f"timers for ever: {list(core.timers)[:5]}"
        self.check()
        tables = {
            name: getattr(core, name)
            for name in ("calls", "legs", "clients", "servers", "open_clients", "searches", "located_later")
        }
        if core.ledger is not None:
            core.ledger.rest()
            tables |= {name: getattr(core.ledger, name) for name in ("remains", "lingering", "written")}
        left = {name: table for name, table in tables.items() if table}
        assert not left and not core.timers, left
        assert sorted(news.call_id for news in self.ended) == sorted(
            f"call-{number + 1}" for number in range(self.calls)
        )
        for news in self.ended:
            record = news.record
            assert record.ended_by and record.cause and record.ended_at is not None, record
            assert all(leg.ended_at is not None and leg.cause for leg in (*record.legs, *record.attempts)), record
        left_alone = self.witness.unacknowledged()
        assert not left_alone, left_alone
