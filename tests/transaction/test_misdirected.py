"""Messages for another engine on the same port: told apart by its name, and passed on untouched."""

from __future__ import annotations

import pytest

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.sip.flow import Flow, Interface, Interfaces
from c2c_b2bua.sip.reading import parse
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Misdirected, Send
from c2c_b2bua.transaction.matching import engine_of

OURS = Interface("UDP", "192.0.2.1", 5060)
FLOW = Flow(OURS, "192.0.2.9", 5070)
NOW = 1000.0
HEADERS = (
    "Via: SIP/2.0/UDP {via};branch={branch}\r\nFrom: <sip:1@192.0.2.9>;tag=x\r\nTo: <sip:c2c@192.0.2.1>;tag={tag}\r\n"
    "Call-ID: {call_id}\r\nCSeq: 2 {method}\r\nContent-Length: 0\r\n\r\n"
)


def request(method: str, call_id: str) -> bytes:
    fields = {"via": "192.0.2.9:5070", "branch": "z9hG4bKphone", "tag": "y", "call_id": call_id, "method": method}
    return f"{method} sip:c2c@192.0.2.1 SIP/2.0\r\n{HEADERS.format(**fields)}".encode()


def response(branch: str, call_id: str, method: str = "INVITE") -> bytes:
    fields = {"via": "192.0.2.1:5060", "branch": branch, "tag": "y", "call_id": call_id, "method": method}
    return f"SIP/2.0 200 OK\r\n{HEADERS.format(**fields)}".encode()


def core(*others: str) -> B2bua:
    made = B2bua(Interfaces([OURS]), Tokens(b"secret", "new0"), answer_strangers=True)
    made.others.update(others)
    return made


THEIRS = [
    request("BYE", "old0-1234"),
    request("ACK", "old0-1234"),
    request("CANCEL", "old0-1234"),
    request("INVITE", "old0-1234"),
    response("z9hG4bKold0-1", "old0-1234"),
    response("z9hG4bKold0-1", "0123456789abcdef", "OPTIONS"),
]
NOBODYS = [
    request("REGISTER", "old0-1234"),
    request("OPTIONS", "new0-1234"),
    request("OPTIONS", "old-1234"),
    request("OPTIONS", "1234"),
    response("z9hG4bKnew0-1", "new0-1234"),
    response("z9hG4bKold0-1", "old0-1234").replace(b"z9hG4bKold0-1", b"x"),
    response("z9hG4bK", "old0-1234"),
]


@pytest.mark.parametrize("data", THEIRS)
def test_another_engine_is_found_by_its_name(data: bytes) -> None:
    (action,) = core("older", "old0").receive(data, FLOW, NOW)
    assert isinstance(action, Misdirected)
    assert (action.engine, action.message.flow) == ("old0", FLOW)
    assert bytes(action.message) == data


@pytest.mark.parametrize("data", NOBODYS)
def test_all_else_is_ours_or_nobodys(data: bytes) -> None:
    assert all(isinstance(action, Send) for action in core("old0").receive(data, FLOW, NOW))


@pytest.mark.parametrize("data", THEIRS)
def test_an_engine_that_is_gone_is_nobody(data: bytes) -> None:
    assert all(isinstance(action, Send) for action in core().receive(data, FLOW, NOW))


def test_an_engine_finds_its_own_name_in_all_it_makes() -> None:
    tokens = Tokens(b"secret", "4f00ba")
    assert engine_of(parse(response(tokens.branch(), "x"))) == "4f00ba"
    assert engine_of(parse(request("BYE", f"{tokens.tag()}{tokens.token()}"))) == "4f00ba"
