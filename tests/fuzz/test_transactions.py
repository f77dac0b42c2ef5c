"""Any event in any state of the four transactions, and of the layer that has them all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from c2c_b2bua.sip.flow import Flow, Interface, Interfaces, Target
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reading import parse
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.sip.uri import Uri
from c2c_b2bua.transaction.actions import (
    Action,
    Elsewhere,
    Forget,
    Locate,
    Reply,
    Respond,
    Send,
    SendRequest,
    StartTimer,
    Unacknowledged,
    Work,
)
from c2c_b2bua.transaction.client import Client
from c2c_b2bua.transaction.invite_client import InviteClient, cancellation
from c2c_b2bua.transaction.invite_server import InviteServer
from c2c_b2bua.transaction.layer import TransactionLayer
from c2c_b2bua.transaction.server import Server
from c2c_b2bua.transaction.transaction import ABANDONED, CALLING, COMPLETED, PROCEEDING, TERMINATED, TRYING, Transaction
from tests.fuzz.effort import examples

UDP = Interface("UDP", "192.0.2.1", 5060, 0)
TCP = Interface("TCP", "192.0.2.1", 5060, 1)
HOST = "192.0.2.9"
FLOWS = {"UDP": Flow(UDP, HOST, 5060), "TCP": Flow(TCP, HOST, 40000, 7)}
STATUSES = st.sampled_from([100, 180, 199, 200, 202, 299, 300, 401, 486, 503, 603, 699])


def request(method: str, number: int = 1, branch: str = "z9hG4bKx", via: str = f"SIP/2.0/UDP {HOST}") -> Request:
    return Request(
        method,
        "sip:bob@192.0.2.9",
        {
            "Via": [f"{via};branch={branch}"] if branch else [],
            "From": ["<sip:a@b>;tag=1"],
            "To": ["<sip:bob@192.0.2.9>"],
            "Call-ID": ["c"],
            "CSeq": [f"{number} {method}"],
        },
    )


class OneTransaction(RuleBasedStateMachine):
    """One machine; its timers act early, late and twice."""

    machine: Any

    @initialize(
        kind=st.sampled_from([InviteClient, Client, InviteServer, Server]), transport=st.sampled_from(["UDP", "TCP"])
    )
    def begin(self, kind: type[Transaction], transport: str) -> None:
        flow = FLOWS[transport]
        self.request = request("INVITE" if kind in (InviteClient, InviteServer) else "BYE")
        self.is_client = kind in (InviteClient, Client)
        self.now = 0.0
        self.timers: list[StartTimer] = []
        self.known: list[str] = []
        self.forgotten = 0
        self.finals: list[int] = []
        self.machine = (
            kind("k", "owner", flow, self.request, bytes(self.request)) if self.is_client else kind("k", "owner", flow)  # type: ignore[call-arg]
        )
        if self.is_client:
            self.take(self.machine.start(self.now))

    def take(self, work: Work) -> Work:
        before = self.forgotten
        for action in work:
            match action:
                case Send(data=data, flow=flow):
                    assert parse(data) and flow is self.machine.flow
                case StartTimer(name=name, at=at):
                    assert at >= self.now
                    assert any(event == name for _, event in self.machine.table) or name == "next"
                    self.timers.append(action)
                    self.known = sorted({*self.known, name})
                case Respond(response=response):
                    if response.status >= 200:
                        self.finals.append(response.status)
                case Forget():
                    self.forgotten += 1
                case _:
                    assert isinstance(action, Elsewhere | Unacknowledged)
        assert before == 0 or not work, "alive after its end"
        return work

    @rule(status=STATUSES)
    def hear_or_say(self, status: int) -> None:
        """A response: of the peer to a client, of the user to a server."""
        response = self.request.response(status, to_tag="t")
        state = self.machine.state
        if not self.is_client:
            self.take(self.machine.respond(response, self.now))
            return
        work = self.take(self.machine.receive(response, self.now))
        if self.request.method == "INVITE" and status >= 300 and state in (CALLING, PROCEEDING, ABANDONED, COMPLETED):
            assert isinstance(work[0], Send) and work[0].data.startswith(b"ACK ")

    @precondition(lambda self: not self.is_client)
    @rule()
    def repeat(self) -> None:
        sent = self.machine.sent
        for action in self.take(self.machine.repeat(self.now)):
            assert isinstance(action, Send) and action.data == sent

    @precondition(lambda self: isinstance(self.machine, InviteServer))
    @rule()
    def acknowledge(self) -> None:
        self.take(self.machine.acknowledge(self.now))

    @precondition(lambda self: isinstance(self.machine, InviteClient) and self.machine.state == CALLING)
    @rule()
    def abandon(self) -> None:
        self.machine.abandon()

    @rule()
    def fail(self) -> None:
        self.take(self.machine.fail(self.now))

    @rule()
    def turn_back(self) -> None:
        self.machine.turn_back()

    @precondition(lambda self: self.known)
    @rule(which=st.integers(0, 9))
    def untimely_timer(self, which: int) -> None:
        """Early, or once more."""
        self.take(self.machine.timer(self.known[which % len(self.known)], self.now))

    @precondition(lambda self: self.timers)
    @rule(late=st.sampled_from([0.0, 3.0]))
    def due_timer(self, late: float) -> None:
        self.timers.sort(key=lambda timer: timer.at)
        timer = self.timers.pop(0)
        self.now = max(self.now, timer.at + late)
        self.take(self.machine.timer(timer.name, self.now))

    @invariant()
    def is_sound(self) -> None:
        if self.machine is None:
            return
        assert (self.machine.state == TERMINATED) == (self.forgotten == 1)
        if isinstance(self.machine, Client):
            assert len(self.finals) <= 1
        if isinstance(self.machine, InviteClient):
            assert sum(status >= 300 for status in self.finals) <= 1

    def teardown(self) -> None:
        """Left alone it ends, unless it waits for its user."""
        if self.machine is None:
            return
        while self.timers:
            self.due_timer(0.0)
            assert self.now < 1000
        waits = self.machine.state in (
            (PROCEEDING,) if isinstance(self.machine, InviteClient) else (TRYING, PROCEEDING)
        )
        if not isinstance(self.machine, Client) and waits:
            return
        assert self.machine.state == TERMINATED and self.forgotten == 1


OneTransaction.machine = None


class User(TransactionLayer):
    """Whoever sends and answers what the test says."""

    def __init__(self) -> None:
        super().__init__(Interfaces([UDP, TCP]), Tokens(b"x" * 32))
        self.pending: dict[str, Request] = {}
        self.alive: dict[str, int] = {}
        self.finals: dict[str, list[int]] = {}

    def owner_of(self, request: Request) -> str:
        return "user"

    def requested(self, owner: str, key: str, request: Request, now: float) -> Work:
        self.pending[key] = request
        return []

    def acknowledged(self, owner: str, request: Request, now: float) -> Work:
        return []

    def cancelled(self, owner: str, key: str, now: float) -> Work:
        invite = self.pending.pop(key, None)
        return [Reply(key, invite.response(487))] if invite is not None else []

    def responded(self, owner: str, request: Request, response: Response, is_local: bool, now: float) -> Work:
        if response.status >= 200:
            self.finals.setdefault(owner, []).append(response.status)
        return []

    def machine(self, key: str) -> None:
        return None

    def opened(self, owner: str, method: str, now: float) -> None:
        self.alive[owner] = self.alive.get(owner, 0) + 1

    def over(self, owner: str) -> None:
        self.alive[owner] -= 1


class Layer(RuleBasedStateMachine):
    """Requests of ours to one, several or no targets; requests of others, well or badly marked; streams that break."""

    def __init__(self) -> None:
        super().__init__()
        self.user = User()
        self.now = 0.0
        self.count = 0
        self.asked: list[tuple[Request, Flow]] = []
        self.invites: dict[str, tuple[Request, Uri]] = {}
        self.lookups: list[int] = []
        self.provisional: set[str] = set()

    def take(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send(data=data, flow=flow):
                    message = parse(data)
                    message.check()
                    if isinstance(message, Request) and message.method != "ACK":
                        self.asked.append((message, flow))
                        assert message.method != "CANCEL" or message.branch in self.provisional
                case Locate(ticket=ticket):
                    self.lookups.append(ticket)
                case _:
                    raise AssertionError(action)

    @rule(
        method=st.sampled_from(["INVITE", "INVITE", "BYE", "OPTIONS"]),
        long=st.booleans(),
        hop=st.sampled_from(
            [
                f"sip:{HOST}",
                f"sip:{HOST};transport=tcp",
                "sip:h.example",
                "sip:h.example",
                "sips:h.example",
                "tel:+1",
                "sip:[2001:db8::1]",
            ]
        ),
    )
    def send(self, method: str, long: bool, hop: str) -> None:
        self.count += 1
        made = request(method, self.count, branch="")
        if long:
            made.body = b"x" * 2000
        owner = str(self.count)
        if method == "INVITE":
            self.invites[owner] = (made, Uri.parse(hop))
        self.take(self.user.settle([SendRequest(owner, made, Uri.parse(hop))], self.now))

    @precondition(lambda self: self.invites)
    @rule(which=st.integers(0, 3))
    def cancel(self, which: int) -> None:
        """As a user does: once, and after a provisional response."""
        owner = list(self.invites)[which % len(self.invites)]
        made, hop = self.invites[owner]
        if made.headers["Via"] and made.branch in self.provisional:
            del self.invites[owner]
            self.take(self.user.settle([SendRequest(owner, cancellation(made), hop, made.flow)], self.now))

    @rule(which=st.integers(0, 5), status=STATUSES, retry=st.sampled_from(["", "1", "x"]))
    def respond(self, which: int, status: int, retry: str) -> None:
        if self.asked:
            asked, flow = self.asked[-1 - which % len(self.asked)]
            response = asked.response(status, to_tag="t")
            if retry:
                response.headers["Retry-After"] = [retry]
            if status < 200:
                self.provisional.add(asked.branch)
            self.take(self.user.receive(bytes(response), flow, self.now))

    @rule(
        method=st.sampled_from(["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS"]),
        number=st.integers(1, 3),
        flow=st.sampled_from(list(FLOWS)),
        branch=st.sampled_from(["z9hG4bK1", "z9hG4bK2", "1", "z9hG4bK"]),
        via=st.sampled_from(["SIP/2.0/UDP 192.0.2.9", "SIP/2.0/TCP h:1"]),
    )
    def ask(self, method: str, number: int, flow: str, branch: str, via: str) -> None:
        self.take(self.user.receive(bytes(request(method, number, branch, via)), FLOWS[flow], self.now))

    @rule(which=st.integers(0, 5), status=STATUSES)
    def reply(self, which: int, status: int) -> None:
        """To what waits, to what is over, or to nothing."""
        keys = list(self.user.pending) or ["nothing"]
        key = keys[which % len(keys)]
        waiting = self.user.pending.get(key) or request("BYE")
        if status >= 200:
            self.user.pending.pop(key, None)
        self.take(self.user.settle([Reply(key, waiting.response(status, to_tag="t"))], self.now))

    @rule(which=st.integers(0, 3), found=st.lists(st.sampled_from([
        Target("UDP", HOST, 5060), Target("UDP", "192.0.2.10", 5060), Target("TCP", HOST, 40000), Target("TLS", HOST, 1, "h"),
    ]), max_size=4))  # fmt: skip
    def locate(self, which: int, found: list[Target]) -> None:
        ticket = self.lookups.pop(which % len(self.lookups)) if self.lookups else which
        for _ in range(2):
            self.take(self.user.located(ticket, found, self.now))

    @rule(flow=st.sampled_from([*FLOWS.values(), Flow(TCP, HOST, 40000), Flow(TCP, HOST, 5060)]))
    def break_stream(self, flow: Flow) -> None:
        self.take(self.user.unreachable(flow, self.now))

    @rule(seconds=st.sampled_from([0.0, 0.5, 4.0, 33.0]))
    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while (due := self.user.next_due) is not None and due <= until:
            self.now = max(self.now, due)
            self.take(self.user.tick(self.now))
        self.now = until

    @rule()
    def stand_still(self) -> None:
        for _ in range(2):
            self.take(self.user.tick(self.now))

    @invariant()
    def is_sound(self) -> None:
        user = self.user
        assert set(user.searches) <= set(user.clients)
        assert sum(user.alive.values()) == len(user.clients)
        assert not user.out
        for owner, finals in user.finals.items():
            assert sum(status >= 300 for status in finals) <= 1 or owner not in self.invites, (owner, finals)

    def teardown(self) -> None:
        """When the phones have answered and the user has replied, nothing is left."""
        for _ in range(8):
            while self.lookups:
                self.take(self.user.located(self.lookups.pop(), [], self.now))
            for key in list(self.user.pending):
                self.take(
                    self.user.settle([Reply(key, self.user.pending.pop(key).response(500, to_tag="t"))], self.now)
                )
            for client in list(self.user.clients.values()):
                if client.state == PROCEEDING:
                    response = parse(client.sent or bytes(client.request)).response(487, to_tag="t")  # type: ignore[union-attr]
                    self.take(self.user.receive(bytes(response), client.flow, self.now))
            self.wait(100.0)
        user = self.user
        assert not (user.clients or user.servers or user.searches or user.located_later or len(user.timers)), (
            user.clients
        )
        assert not any(user.alive.values())


@pytest.mark.parametrize("machine", [OneTransaction, Layer])
def test_any_event_in_any_state(machine: type[RuleBasedStateMachine]) -> None:
    run_state_machine_as_test(machine, settings=examples(200, steps=25))  # type: ignore[no-untyped-call]
