"""A 2xx that nobody waits for is hung up only if its INVITE was ours: no stranger makes us send anything anywhere."""

from __future__ import annotations

import pytest

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.order import CallOrder, Party
from c2c_b2bua.dialog.stray import MAX_STRAYS
from c2c_b2bua.sip.flow import Flow, Interface, Interfaces, Target
from c2c_b2bua.sip.message import Request
from c2c_b2bua.sip.reading import parse
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Locate, Send

UDP = Interface("UDP", "192.0.2.1", 5060)
PHONE = Flow(UDP, "192.0.2.9", 5060)
ROUTE = "Record-Route: <sip:192.0.2.40;lr>"


def gave_up() -> tuple[B2bua, Request]:
    """A core that has forgotten a call, and the INVITE of it."""
    core = B2bua(Interfaces([UDP]), Tokens(b"stray"))
    party = Party(target="bob", uri="sip:bob@192.0.2.9", from_uri="sip:c2c@example.com")
    (send,) = core.connect(CallOrder(call_id="c2c-x", a=party, b=party), 0.0)
    assert isinstance(send, Send)
    while (due := core.next_due) is not None:
        core.tick(due)
    assert not core.calls and not core.legs
    invite = parse(send.data)
    assert isinstance(invite, Request)
    return core, invite


def answer(core: B2bua, invite: Request, tag: str, *more: str, contact: str = "<sip:bob@192.0.2.9>") -> list[str]:
    """The phone answers after all; what goes out, with where it goes."""
    lines = [
        "SIP/2.0 200 OK",
        f"Via: {invite.headers['Via'][0]}",
        f"From: {invite.headers['From'][0]}",
        f"To: <sip:bob@192.0.2.9>;tag={tag}",
        f"Call-ID: {invite.call_id}",
        f"CSeq: {invite.headers['CSeq'][0]}",
        f"Contact: {contact}",
        *more,
    ]
    actions = core.receive(("\r\n".join(lines) + "\r\n\r\n").encode(), PHONE, 1000.0)
    return [f"{action.data.split()[0].decode()} {action.flow.host}" for action in actions if isinstance(action, Send)]


def test_what_comes_late_is_hung_up_once() -> None:
    core, invite = gave_up()
    assert answer(core, invite, "late") == ["ACK 192.0.2.9", "BYE 192.0.2.9"]
    assert answer(core, invite, "late") == ["ACK 192.0.2.9"]
    assert answer(core, invite, "other", ROUTE) == ["ACK 192.0.2.40", "BYE 192.0.2.40"]


@pytest.mark.parametrize(
    "changes",
    [
        {"From": ["<sip:c2c@example.com>;tag=1-0123456789abcdef"]},
        {"From": ["<sip:c2c@example.com>"]},
        {"Call-ID": ["another"]},
        {"CSeq": ["1 BYE"]},
    ],
)
def test_only_what_we_sent_is_hung_up(changes: dict[str, list[str]]) -> None:
    core, invite = gave_up()
    invite.headers.update(changes)
    assert answer(core, invite, "late") == []


@pytest.mark.parametrize("contact", ["mailto:bob@example.com", "<sip:bob@", "<tel:+1415>"])
def test_a_contact_that_is_none(contact: str) -> None:
    core, invite = gave_up()
    assert answer(core, invite, "late", contact=contact) == []


def test_it_is_hung_up_where_its_name_leads() -> None:
    core, invite = gave_up()
    lines = [
        f"{name}: {values[0]}" for name, values in invite.headers.items() if name in ("Via", "From", "Call-ID", "CSeq")
    ]
    head = ["SIP/2.0 200 OK", *lines, "To: <sip:bob@192.0.2.9>;tag=x", "Contact: <sip:bob@phone.example.com>"]
    looked_up = core.receive(("\r\n".join(head) + "\r\n\r\n").encode(), PHONE, 1000.0)
    sent = [
        action.data.split()[0]
        for locate in looked_up
        if isinstance(locate, Locate)
        for action in core.located(locate.ticket, [Target("UDP", "192.0.2.9", 5070)], 1001.0)
        if isinstance(action, Send)
    ]
    assert sent == [b"ACK", b"BYE"]


def test_it_remembers_no_more_than_it_may() -> None:
    core, invite = gave_up()
    for number in range(MAX_STRAYS + 1):
        assert len(answer(core, invite, f"tag{number}")) == 2
    assert len(core.strays.acks) == 1
