"""A phone that registered over a flow is called over it, whatever its Contact says (RFC 5626 §5.3)."""

from __future__ import annotations

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.order import CallOrder, Party
from c2c_b2bua.sip.flow import Flow, Interface, Interfaces
from c2c_b2bua.sip.message import Request
from c2c_b2bua.sip.reading import parse
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Send
from tests.call.player import description

UDP = Interface("UDP", "192.0.2.1", 5060)
FLOW = Flow(UDP, "203.0.113.7", 40123)
PHONE = "sip:1001@x7.invalid;transport=ws"


def phone(**more: object) -> Party:
    caller = "sip:2001@acme.example.com"
    return Party(target="1001", uri=PHONE, from_uri=caller, flow=FLOW, **more)  # type: ignore[arg-type]


def sent(core: B2bua, party: Party) -> Request:
    """The INVITE of a call to `party`, which must have gone over the flow."""
    (send,) = core.connect(CallOrder(call_id="c2c-x", a=party, b=party), 1000.0)
    assert isinstance(send, Send) and send.flow == FLOW
    request = parse(send.data)
    assert isinstance(request, Request) and request.uri == PHONE
    return request


def answer(core: B2bua, request: Request, *headers: str) -> list[Send]:
    """A's 200 to `request`, and what we send thereupon."""
    body = description("answer-a")
    lines = [
        "SIP/2.0 200 OK",
        *(f"Via: {value}" for value in request.headers["Via"]),
        f"From: {request.headers['From'][0]}",
        f"To: {request.headers['To'][0]};tag=phone",
        f"Call-ID: {request.call_id}",
        "CSeq: 1 INVITE",
        *([] if any(line.startswith("Contact:") for line in headers) else [f"Contact: <{PHONE}>"]),
        *headers,
        "Content-Type: application/sdp",
        f"Content-Length: {len(body)}",
    ]
    actions = core.receive(("\r\n".join(lines) + f"\r\n\r\n{body}").encode(), FLOW, 1001.0)
    return [action for action in actions if isinstance(action, Send)]


def test_every_request_takes_the_flow() -> None:
    core = B2bua(Interfaces([UDP]), Tokens(b"flow"))
    ack, invite_b = answer(core, sent(core, phone()))
    assert ack.data.startswith(b"ACK sip:1001@x7.invalid") and ack.flow == FLOW
    assert invite_b.flow == FLOW
    hung_up = core.hang_up("c2c-x", 1002.0)
    assert [(a.data[:4], a.flow) for a in hung_up if isinstance(a, Send)] == [(b"BYE ", FLOW)]


def test_a_proxy_that_asked_to_see_the_dialog_does() -> None:
    core = B2bua(Interfaces([UDP]), Tokens(b"flow"))
    ack, _ = answer(core, sent(core, phone()), "Record-Route: <sip:192.0.2.9;lr>")
    assert (ack.flow.host, ack.flow.port) == ("192.0.2.9", 5060)


def test_the_path_of_a_registration_is_the_route() -> None:
    core = B2bua(Interfaces([UDP]), Tokens(b"flow"))
    request = sent(core, phone(routes=("<sip:edge.example.com;lr>", "<sip:core.example.com;lr>")))
    assert request.headers["Route"] == ["<sip:edge.example.com;lr>", "<sip:core.example.com;lr>"]


def test_a_private_contact_is_reached_through_its_nat_wherever_that_is_now() -> None:
    """Each refresh of the target comes from where the phone is seen now; a Contact that can be reached is believed again."""
    core = B2bua(Interfaces([UDP]), Tokens(b"flow"))
    caller = "sip:2001@acme.example.com"
    party = Party(target="1001", uri="sip:1001@203.0.113.7:40123", from_uri=caller)
    (send,) = core.connect(CallOrder(call_id="c2c-x", a=party, b=party), 1000.0)
    assert isinstance(send, Send)
    invite = parse(send.data)
    assert isinstance(invite, Request)
    private = "<sip:1001@192.168.1.7:5060;ob>"
    ack, _ = answer(core, invite, f"Contact: {private}")
    assert (ack.flow, ack.data.split()[1]) == (FLOW, b"sip:1001@192.168.1.7:5060;ob")
    moved = Flow(UDP, "203.0.113.7", 41000)
    ways = []
    for number, contact, flow in ((1, private, moved), (2, "<sip:1001@203.0.113.8:5070>", moved)):
        lines = [
            "UPDATE sip:c2c@192.0.2.1 SIP/2.0",
            f"Via: SIP/2.0/UDP 192.168.1.7;branch=z9hG4bK{number};rport",
            f"From: {invite.headers['To'][0]};tag=phone",
            f"To: {invite.headers['From'][0]}",
            f"Call-ID: {invite.call_id}",
            f"CSeq: {number} UPDATE",
            f"Contact: {contact}",
        ]
        core.receive(("\r\n".join(lines) + "\r\n\r\n").encode(), flow, 1002.0)
        leg = core.legs[invite.call_id]
        assert leg.dialog is not None
        ways.append((leg.dialog.flow, str(leg.dialog.hop)))
    assert ways == [(moved, "sip:1001@192.168.1.7:5060;ob"), (None, "sip:1001@203.0.113.8:5070")]
