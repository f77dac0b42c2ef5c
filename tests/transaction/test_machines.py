"""Each machine on UDP and on a stream: what it does, when, and for how long (RFC 3261 §17, RFC 6026)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from c2c_b2bua.sip.flow import Flow, Interface
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reading import parse
from c2c_b2bua.transaction.actions import Forget, Respond, Send, StartTimer, Unacknowledged, Work
from c2c_b2bua.transaction.client import Client
from c2c_b2bua.transaction.invite_client import InviteClient
from c2c_b2bua.transaction.invite_server import InviteServer
from c2c_b2bua.transaction.server import Server
from c2c_b2bua.transaction.transaction import Transaction

UDP = Flow(Interface("UDP", "192.0.2.1", 5060), "192.0.2.9", 5060)
TCP = Flow(Interface("TCP", "192.0.2.1", 5060), "192.0.2.9", 5060)


def request(method: str = "INVITE") -> Request:
    return Request(
        method,
        "sip:bob@example.com",
        {
            "Via": ["SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx"],
            "From": ["<sip:a@b>;tag=1"],
            "To": ["<sip:bob@example.com>"],
            "Call-ID": ["c"],
            "CSeq": [f"7 {method}"],
            "Route": ["<sip:p1;lr>", "<sip:p2;lr>"],
        },
    )


INVITE, BYE = request(), request("BYE")
RINGING, TRYING = INVITE.response(180, to_tag="t"), INVITE.response(100)
OK, BUSY = INVITE.response(200, to_tag="t"), INVITE.response(486, to_tag="t")
BYE_TRYING, BYE_OK, BYE_GONE = BYE.response(100), BYE.response(200), BYE.response(481)


def invite_client(flow: Flow = UDP) -> InviteClient:
    return InviteClient("k", "leg", flow, INVITE, b"INVITE")


def client(flow: Flow = UDP) -> Client:
    return Client("k", "leg", flow, BYE, b"BYE")


def invite_server(flow: Flow = UDP) -> InviteServer:
    return InviteServer("k", "leg", flow)


def server(flow: Flow = UDP) -> Server:
    return Server("k", "leg", flow)


def schedule(machine: Transaction, work: Work, until: float, name: str) -> list[float]:
    """When a retransmission timer acts, as long as it starts itself again."""
    times: list[float] = []
    pending = [action for action in work if isinstance(action, StartTimer) and action.name == name]
    while pending and pending[0].at <= until:
        at = pending[0].at
        work = machine.timer(name, at)
        assert work[:1] == [Send(machine.sent, machine.flow)]
        times.append(at)
        pending = [action for action in work if isinstance(action, StartTimer) and action.name == name]
    return times


def to(state: str, machine: Any) -> Any:
    machine.state = state
    return machine


# ── what the peer's ACK looks like ───────────────────────────────────────────────────────────────────────────────────

ACK = (
    b"ACK sip:bob@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx\r\n"
    b"Max-Forwards: 70\r\n"
    b"From: <sip:a@b>;tag=1\r\n"
    b"To: <sip:bob@example.com>;tag=t\r\n"
    b"Call-ID: c\r\n"
    b"CSeq: 7 ACK\r\n"
    b"Route: <sip:p1;lr>\r\n"
    b"Route: <sip:p2;lr>\r\n"
    b"Content-Length: 0\r\n\r\n"
)


# ── INVITE client, figure 5 ──────────────────────────────────────────────────────────────────────────────────────────


def test_invite_client_starts() -> None:
    assert invite_client().start(10.0) == [Send(b"INVITE", UDP), StartTimer("k", "A", 10.5)]
    assert invite_client(TCP).start(10.0) == [Send(b"INVITE", TCP), StartTimer("k", "B", 42.0)]


def test_invite_client_doubles_its_interval_without_limit() -> None:
    machine = invite_client()
    assert schedule(machine, machine.start(0.0), 31.9, "A") == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]


def test_invite_client_sets_timer_b_with_its_first_repetition() -> None:
    machine = invite_client()
    machine.start(10.0)
    assert machine.timer("A", 10.5) == [Send(b"INVITE", UDP), StartTimer("k", "A", 11.5), StartTimer("k", "B", 42.0)]
    assert machine.timer("A", 11.5) == [Send(b"INVITE", UDP), StartTimer("k", "A", 13.5)]


def test_invite_client_that_was_left_and_rang_before_any_repetition_still_ends() -> None:
    machine = invite_client()
    machine.start(10.0)
    machine.abandon()
    machine.receive(RINGING, 10.1)
    assert machine.timer("A", 10.5) == [StartTimer("k", "B", 42.0)]
    assert machine.timer("B", 42.0) == [Forget("k")]


def test_invite_client_times_out_with_408() -> None:
    machine = invite_client()
    machine.start(0.0)
    respond, forget = machine.timer("B", 32.0)
    assert isinstance(respond, Respond)
    assert (respond.owner, respond.request, respond.response.status, respond.is_local) == ("leg", INVITE, 408, True)
    assert forget == Forget("k")
    assert machine.state == "TERMINATED"


@pytest.mark.parametrize("flow", [UDP, TCP], ids=["udp", "tcp"])
def test_invite_client_provisional(flow: Flow) -> None:
    machine = invite_client(flow)
    machine.start(0.0)
    assert machine.receive(TRYING, 0.1) == [Respond("leg", INVITE, TRYING)]
    assert machine.receive(RINGING, 0.2) == [Respond("leg", INVITE, RINGING)]
    assert machine.state == "PROCEEDING"
    # A ringing phone is not asked again, and has all the time its user wants (timers A and B have no row).
    assert machine.timer("A", 0.5) == []
    assert machine.timer("B", 32.0) == []
    assert machine.fail(33.0) == []


@pytest.mark.parametrize("state", ["CALLING", "PROCEEDING"])
@pytest.mark.parametrize("flow", [UDP, TCP], ids=["udp", "tcp"])
def test_invite_client_2xx(flow: Flow, state: str) -> None:
    """RFC 6026 §7.2: Accepted for 64*T1 on every transport; each 2xx goes to the user, other responses nowhere."""
    machine = to(state, invite_client(flow))
    assert machine.receive(OK, 1.0) == [Respond("leg", INVITE, OK), StartTimer("k", "M", 33.0)]
    assert machine.state == "ACCEPTED"
    fork = INVITE.response(200, to_tag="other")
    assert machine.receive(fork, 2.0) == [Respond("leg", INVITE, fork)]
    assert machine.receive(RINGING, 2.0) == []
    assert machine.receive(BUSY, 2.0) == []
    assert machine.fail(2.0) == []
    assert machine.timer("M", 33.0) == [Forget("k")]
    assert machine.state == "TERMINATED"


@pytest.mark.parametrize("state", ["CALLING", "PROCEEDING"])
def test_invite_client_refusal_on_udp(state: str) -> None:
    machine = to(state, invite_client())
    assert machine.receive(BUSY, 1.0) == [Send(ACK, UDP), Respond("leg", INVITE, BUSY), StartTimer("k", "D", 33.0)]
    assert machine.state == "COMPLETED"
    assert machine.receive(BUSY, 2.0) == [Send(ACK, UDP)]
    assert machine.receive(OK, 2.0) == [Respond("leg", INVITE, OK)]
    assert machine.receive(RINGING, 2.0) == []
    assert machine.timer("A", 2.0) == []
    assert machine.timer("B", 2.0) == []
    assert machine.timer("D", 33.0) == [Forget("k")]


@pytest.mark.parametrize("state", ["CALLING", "PROCEEDING"])
def test_invite_client_refusal_on_a_stream(state: str) -> None:
    """Timer D is zero there (§17.1.1.2)."""
    machine = to(state, invite_client(TCP))
    assert machine.receive(BUSY, 1.0) == [Send(ACK, TCP), Respond("leg", INVITE, BUSY), Forget("k")]
    assert machine.state == "TERMINATED"


def test_invite_client_transport_error() -> None:
    machine = invite_client(TCP)
    respond, forget = machine.fail(1.0)
    assert isinstance(respond, Respond)
    assert (respond.response.status, respond.is_local, forget) == (503, True, Forget("k"))
    assert to("COMPLETED", invite_client()).fail(1.0) == [Forget("k")]


@pytest.mark.parametrize("status", [300, 302, 401, 404, 486, 503, 603, 699])
def test_every_class_of_refusal_is_acknowledged(status: int) -> None:
    machine = invite_client()
    (sent, *_) = machine.receive(INVITE.response(status, to_tag="t"), 1.0)
    assert sent == Send(ACK, UDP)


# ── client, figure 6 ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_client_starts() -> None:
    assert client().start(10.0) == [Send(b"BYE", UDP), StartTimer("k", "E", 10.5)]
    assert client(TCP).start(10.0) == [Send(b"BYE", TCP), StartTimer("k", "F", 42.0)]


def test_client_sets_timer_f_with_its_first_repetition() -> None:
    machine = client()
    machine.start(10.0)
    assert machine.timer("E", 10.5) == [Send(b"BYE", UDP), StartTimer("k", "E", 11.5), StartTimer("k", "F", 42.0)]
    assert machine.timer("E", 11.5) == [Send(b"BYE", UDP), StartTimer("k", "E", 13.5)]


def test_client_doubles_its_interval_up_to_t2() -> None:
    machine = client()
    times = schedule(machine, machine.start(0.0), 31.9, "E")
    assert times == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


def test_client_asks_every_t2_once_the_peer_is_at_work() -> None:
    machine = client()
    machine.start(0.0)
    assert machine.receive(BYE_TRYING, 0.1) == [Respond("leg", BYE, BYE_TRYING)]
    assert machine.state == "PROCEEDING"
    assert machine.timer("E", 0.5) == [Send(b"BYE", UDP), StartTimer("k", "E", 4.5), StartTimer("k", "F", 32.0)]
    assert machine.timer("E", 4.5) == [Send(b"BYE", UDP), StartTimer("k", "E", 8.5)]


@pytest.mark.parametrize("state", ["TRYING", "PROCEEDING"])
@pytest.mark.parametrize("response", [BYE_OK, BYE_GONE], ids=["200", "481"])
def test_client_final(state: str, response: Response) -> None:
    machine = to(state, client())
    assert machine.receive(response, 1.0) == [Respond("leg", BYE, response), StartTimer("k", "K", 6.0)]
    assert machine.state == "COMPLETED"
    assert machine.receive(response, 2.0) == []
    assert machine.receive(BYE_TRYING, 2.0) == []
    assert machine.timer("E", 2.0) == []
    assert machine.timer("F", 32.0) == []
    assert machine.timer("K", 6.0) == [Forget("k")]
    machine = to(state, client(TCP))
    assert machine.receive(response, 1.0) == [Respond("leg", BYE, response), Forget("k")]
    assert machine.state == "TERMINATED"


@pytest.mark.parametrize("state", ["TRYING", "PROCEEDING"])
@pytest.mark.parametrize(
    ("happens", "status"), [(lambda machine: machine.timer("F", 32.0), 408), (lambda machine: machine.fail(1.0), 503)]
)
def test_client_gives_up(state: str, happens: Callable[[Client], Work], status: int) -> None:
    machine = client()
    machine.state = state
    respond, forget = happens(machine)
    assert isinstance(respond, Respond)
    assert (respond.response.status, respond.is_local, forget) == (status, True, Forget("k"))
    assert machine.state == "TERMINATED"


# ── INVITE server, figure 7 ──────────────────────────────────────────────────────────────────────────────────────────


def test_invite_server_repeats_its_last_provisional() -> None:
    machine = invite_server()
    assert machine.repeat(0.0) == []
    assert machine.respond(TRYING, 0.0) == [Send(bytes(TRYING), UDP)]
    assert machine.repeat(0.5) == [Send(bytes(TRYING), UDP)]
    assert machine.respond(RINGING, 0.6) == [Send(bytes(RINGING), UDP)]
    assert machine.repeat(1.5) == [Send(bytes(RINGING), UDP)]
    assert machine.acknowledge(2.0) == []
    assert machine.state == "PROCEEDING"


@pytest.mark.parametrize("flow", [UDP, TCP], ids=["udp", "tcp"])
def test_invite_server_2xx(flow: Flow) -> None:
    """RFC 6026 §7.1: Accepted for 64*T1 on every transport; a repeated INVITE is absorbed, the user repeats the 2xx."""
    machine = invite_server(flow)
    assert machine.respond(OK, 1.0) == [Send(bytes(OK), flow), StartTimer("k", "L", 33.0)]
    assert machine.repeat(2.0) == []
    assert machine.respond(OK, 2.0) == [Send(bytes(OK), flow)]
    assert machine.respond(BUSY, 2.0) == []
    assert machine.acknowledge(2.0) == []
    assert machine.fail(2.0) == []
    assert machine.timer("L", 33.0) == [Forget("k")]


def test_invite_server_refusal_on_udp() -> None:
    machine = invite_server()
    work = machine.respond(BUSY, 0.0)
    assert work == [Send(bytes(BUSY), UDP), StartTimer("k", "H", 32.0), StartTimer("k", "G", 0.5)]
    assert machine.repeat(0.1) == [Send(bytes(BUSY), UDP)]
    assert machine.respond(OK, 0.1) == []
    times = schedule(machine, work, 31.9, "G")
    assert times == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert machine.acknowledge(31.6) == [StartTimer("k", "I", 36.6)]
    assert machine.state == "CONFIRMED"
    assert machine.acknowledge(32.0) == []
    assert machine.repeat(32.0) == []
    assert machine.timer("G", 32.0) == []
    assert machine.timer("H", 32.0) == []
    assert machine.timer("I", 36.6) == [Forget("k")]


def test_invite_server_refusal_on_a_stream() -> None:
    """No timer G; timer I is zero (§17.2.1)."""
    machine = invite_server(TCP)
    assert machine.respond(BUSY, 0.0) == [Send(bytes(BUSY), TCP), StartTimer("k", "H", 32.0)]
    assert machine.acknowledge(1.0) == [Forget("k")]
    assert machine.state == "TERMINATED"


@pytest.mark.parametrize("flow", [UDP, TCP], ids=["udp", "tcp"])
def test_invite_server_without_ack(flow: Flow) -> None:
    machine = invite_server(flow)
    machine.respond(BUSY, 0.0)
    assert machine.timer("H", 32.0) == [Unacknowledged("leg"), Forget("k")]
    assert to("COMPLETED", invite_server()).fail(1.0) == [Unacknowledged("leg"), Forget("k")]
    assert invite_server().fail(1.0) == [Forget("k")]


# ── server, figure 8 ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_server_says_nothing_before_it_has_something_to_say() -> None:
    machine = server()
    assert machine.repeat(0.0) == []
    assert machine.state == "TRYING"
    assert machine.respond(BYE_TRYING, 0.1) == [Send(bytes(BYE_TRYING), UDP)]
    assert machine.repeat(0.5) == [Send(bytes(BYE_TRYING), UDP)]
    assert machine.respond(BYE_TRYING, 0.6) == [Send(bytes(BYE_TRYING), UDP)]
    assert machine.state == "PROCEEDING"


@pytest.mark.parametrize("state", ["TRYING", "PROCEEDING"])
@pytest.mark.parametrize("response", [BYE_OK, BYE_GONE], ids=["200", "481"])
def test_server_final(state: str, response: Response) -> None:
    machine = server()
    machine.state = state
    assert machine.respond(response, 1.0) == [Send(bytes(response), UDP), StartTimer("k", "J", 33.0)]
    assert machine.repeat(2.0) == [Send(bytes(response), UDP)]
    assert machine.respond(BYE_TRYING, 2.0) == []
    assert machine.respond(BYE_GONE, 2.0) == []
    assert machine.timer("J", 33.0) == [Forget("k")]
    machine = server(TCP)
    machine.state = state
    assert machine.respond(response, 1.0) == [Send(bytes(response), TCP), Forget("k")]


@pytest.mark.parametrize("state", ["TRYING", "PROCEEDING", "COMPLETED"])
def test_server_transport_error(state: str) -> None:
    assert to(state, server()).fail(1.0) == [Forget("k")]


def test_what_has_no_row_is_ignored() -> None:
    for machine in (invite_client(), client(), invite_server(), server()):
        for state in ("CALLING", "TRYING", "PROCEEDING", "ACCEPTED", "COMPLETED", "CONFIRMED", "TERMINATED"):
            for event in ("A", "nonsense", "1xx", "2xx", "300-699", "request", "ACK", "transport error"):
                if (state, event) not in machine.table:
                    machine.state = state
                    assert machine.step(event, None, 0.0) == []
                    assert machine.state == state


def test_the_ack_of_a_refusal_can_be_read() -> None:
    ack = parse(ACK)
    ack.check()
    assert ack.values("Route") == ["<sip:p1;lr>", "<sip:p2;lr>"]
