"""Security at the SIP door: who is answered, who is not, and that nothing is relayed."""

from __future__ import annotations

from itertools import count

import pytest

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.order import CallOrder, Party
from c2c_b2bua.sip.flow import Flow
from c2c_b2bua.sip.message import Response
from c2c_b2bua.sip.reading import parse
from c2c_b2bua.transaction.actions import Action, Send
from tests.registration.desk_phone import NOW, UDP, DeskPhone, core, tcp

STRANGER = Flow(UDP, "198.51.100.66", 5060)
branches = count()


def message(method: str, uri: str = "sip:1001@192.0.2.1", *more: str, to: str = "<sip:1001@192.0.2.1>") -> bytes:
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/UDP 198.51.100.66:5060;branch=z9hG4bK{next(branches)};rport",
        "From: <sip:100@192.0.2.1>;tag=1",
        f"To: {to}",
        f"Call-ID: scan-{next(branches)}",
        f"CSeq: 1 {method}",
        *more,
        "Content-Length: 0",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def status(actions: list[Action]) -> int | None:
    """Of the only response; None: silence."""
    sent = [action for action in actions if isinstance(action, Send)]
    if not sent:
        return None
    response = parse(sent[0].data)
    assert isinstance(response, Response)
    return response.status


SCANS = [
    message("OPTIONS"),
    message("INVITE"),
    message("INVITE", "sip:+14155550100@192.0.2.1"),
    message("INVITE", to="<sip:1001@192.0.2.1>;tag=guessed"),
    message("BYE", to="<sip:1001@192.0.2.1>;tag=guessed"),
    message("CANCEL"),
    message("SUBSCRIBE"),
    message("DANCE"),
    message("REGISTER", "sip:192.0.2.1"),
    message("REGISTER", "sip:acme.example.com"),
    message("REGISTER", "sip:acme.example.com", to="<sip:1001@elsewhere.example>"),
    message("REGISTER", "sip:acme.example.com", to="garbage<"),
    message("OPTIONS", "sip:1001@192.0.2.1", "Max-Forwards: many"),
    message("OPTIONS").replace(b"CSeq: 1", b"CSeq: one"),
    message("OPTIONS").replace(b"SIP/2.0\r\n", b"SIP/3.0\r\n", 1),
    message("OPTIONS").replace(b"Content-Length: 0", b"Content-Length: 9"),
    b"INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\n\r\n",
]


@pytest.mark.parametrize("data", SCANS)
def test_scanners_hear_nothing_and_leave_nothing(data: bytes) -> None:
    b2bua = core()
    assert b2bua.receive(data, STRANGER, NOW) == []
    assert not (b2bua.servers or b2bua.timers or b2bua.calls or b2bua.legs)


@pytest.mark.parametrize("data", SCANS)
def test_where_strangers_are_answered_they_are_told_no(data: bytes) -> None:
    answered = status(core(strangers=True).receive(data, STRANGER, NOW))
    assert answered is not None
    assert answered == 200 if data is SCANS[0] else answered >= 400


@pytest.mark.parametrize(
    ("data", "expected"),
    [(SCANS[0], 200), (SCANS[1], 403), (SCANS[4], 481), (SCANS[7], 501), (SCANS[8], 403), (SCANS[12], 400)],
)
def test_a_configured_host_is_answered_whatever_its_port(data: bytes, expected: int) -> None:
    b2bua = core()
    b2bua.neighbours.welcome(["198.51.100.66", "sip.carrier.example"])
    assert status(b2bua.receive(data, Flow(UDP, "198.51.100.66", 61234), NOW)) == expected
    assert b2bua.receive(message("OPTIONS"), Flow(UDP, "198.51.100.67", 5060), NOW) == []


def test_a_registered_phone_is_answered_over_its_flow() -> None:
    phone = DeskPhone(core())
    assert phone.core.receive(message("OPTIONS"), phone.flow, NOW) == []
    phone.register()
    assert status(phone.core.receive(message("OPTIONS"), phone.flow, NOW)) == 200
    # Not somebody else behind the same NAT.
    assert phone.core.receive(message("OPTIONS"), Flow(UDP, phone.flow.host, 1), NOW) == []
    phone.register("Expires: 0")
    assert phone.core.receive(message("OPTIONS"), phone.flow, NOW) == []


def test_a_registered_phone_is_answered_over_its_stream() -> None:
    phone = DeskPhone(core(), flow=tcp(3))
    phone.register()
    assert status(phone.core.receive(message("OPTIONS"), tcp(3), NOW)) == 200
    assert phone.core.receive(message("OPTIONS"), tcp(4), NOW) == []


def test_no_call_of_a_phone_is_relayed() -> None:
    phone = DeskPhone(core())
    phone.register()
    actions = phone.core.receive(message("INVITE", "sip:+14155550100@sip.carrier.example"), phone.flow, NOW)
    (sent,) = [action for action in actions if isinstance(action, Send)]
    assert sent.flow == phone.flow
    assert status(actions) == 403
    assert not phone.core.clients


def called(b2bua: B2bua) -> bytes:
    """The INVITE to a host that nobody knows yet."""
    party = Party(target="2001", uri="sip:2001@198.51.100.66", from_uri="sip:c@acme.example.com")
    (invite,) = [a for a in b2bua.connect(CallOrder(call_id="call", a=party, b=party), NOW) if isinstance(a, Send)]
    return invite.data


def test_whoever_has_answered_us_is_no_stranger() -> None:
    b2bua = core()
    invite = parse(called(b2bua))
    assert b2bua.receive(message("OPTIONS"), STRANGER, NOW) == []
    busy = (
        f"SIP/2.0 486 Busy Here\r\nVia: {invite.headers['Via'][0]}\r\nFrom: {invite.headers['From'][0]}\r\n"
        f"To: {invite.headers['To'][0]};tag=2\r\nCall-ID: {invite.call_id}\r\nCSeq: 1 INVITE\r\n\r\n"
    )
    b2bua.receive(busy.encode(), STRANGER, NOW)
    assert status(b2bua.receive(message("OPTIONS"), STRANGER, NOW)) == 200


def test_a_forged_response_makes_nobody_known() -> None:
    b2bua = core()
    forged = message("OPTIONS").replace(b"OPTIONS sip:1001@192.0.2.1 SIP/2.0", b"SIP/2.0 200 OK")
    b2bua.receive(forged, STRANGER, NOW)
    assert b2bua.receive(message("OPTIONS"), STRANGER, NOW) == []


def test_not_everybody_is_remembered() -> None:
    neighbours = core().neighbours
    for number in range(10_001):
        neighbours.meet(f"host{number}")
    assert "host10000" in neighbours
    assert len(neighbours.met) <= 10_000
