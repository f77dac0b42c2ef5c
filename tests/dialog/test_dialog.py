"""Dialogs (RFC 3261 §12): route set, remote target, order."""

from __future__ import annotations

import pytest

from c2c_b2bua.dialog.dialog import Dialog
from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.uri import Uri

INVITE = Request(
    "INVITE",
    "sip:bob@biloxi.example.com",
    {
        "Via": ["SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx"],
        "From": ["<sip:c2c@example.com>;tag=ours"],
        "To": ["<sip:bob@biloxi.example.com>"],
        "Call-ID": ["dialog"],
        "CSeq": ["1 INVITE"],
    },
)
TARGET = "sip:bob@192.0.2.9:5070"


def answer(contact: str | None = f"<{TARGET}>", *routes: str) -> Response:
    response = INVITE.response(200, to_tag="theirs")
    if contact is not None:
        response.headers["Contact"] = [contact]
    if routes:
        response.headers["Record-Route"] = list(routes)
    return response


def lines(request: Request) -> list[str]:
    return bytes(request).decode().split("\r\n")[:-3]


def test_without_routes() -> None:
    dialog = Dialog(INVITE, answer())
    assert str(dialog.hop) == TARGET
    assert lines(dialog.request("BYE", 2)) == [
        f"BYE {TARGET} SIP/2.0",
        "Max-Forwards: 70",
        "From: <sip:c2c@example.com>;tag=ours",
        "To: <sip:bob@biloxi.example.com>;tag=theirs",
        "Call-ID: dialog",
        "CSeq: 2 BYE",
    ]


def test_loose_routes_are_reversed() -> None:
    """§12.1.2: the first Record-Route is the one nearest to the peer; header borders do not matter."""
    dialog = Dialog(INVITE, answer(f"<{TARGET}>", "<sip:p3;lr>, <sip:p2;lr>", "<sip:p1:5080;lr>"))
    request = dialog.request("INVITE", 2)
    assert request.uri == TARGET
    assert request.headers["Route"] == ["<sip:p1:5080;lr>", "<sip:p2;lr>", "<sip:p3;lr>"]
    assert str(dialog.hop) == "sip:p1:5080;lr"


def test_a_strict_router_becomes_the_request_uri() -> None:
    """§12.2.1.1: the remote target goes last into the route."""
    dialog = Dialog(INVITE, answer(f"<{TARGET}>", "<sip:p2;lr>", "<sip:p1>"))
    request = dialog.request("BYE", 2)
    assert request.uri == "sip:p1"
    assert request.headers["Route"] == ["<sip:p2;lr>", f"<{TARGET}>"]
    assert str(dialog.hop) == "sip:p1"


@pytest.mark.parametrize(
    ("contact", "uri"),
    [
        ("<sip:bob@192.0.2.9?Subject=x>", "sip:bob@192.0.2.9"),
        ("<sip:1?2@192.0.2.9>", "sip:1?2@192.0.2.9"),
        ("<sip:1?2@192.0.2.9;transport=tcp?a=b>", "sip:1?2@192.0.2.9;transport=tcp"),
        ("sip:bob@192.0.2.9;expires=60", "sip:bob@192.0.2.9"),
        ('"Bob" <sips:bob@[2001:db8::9]:5061>;q=1', "sips:bob@[2001:db8::9]:5061"),
        ("<sip:bob@192.0.2.9;method=INVITE;transport=tcp>", "sip:bob@192.0.2.9;transport=tcp"),
        (None, "sip:bob@biloxi.example.com"),
    ],
)
def test_request_uri(contact: str | None, uri: str) -> None:
    """The headers of a URI stay out of it (§19.1.1); a ? may stand in the user part, where it was taken for them."""
    assert Dialog(INVITE, answer(contact)).request("BYE", 2).uri == uri


@pytest.mark.parametrize(
    ("contact", "routes"),
    [("<sip:bob@", ()), ("<tel:+1415>", ()), ("nonsense", ()), (f"<{TARGET}>", ("<sip:p1",)), (f"<{TARGET}>", ("p1",))],
)
def test_what_makes_no_dialog(contact: str, routes: tuple[str, ...]) -> None:
    with pytest.raises(SipError):
        Dialog(INVITE, answer(contact, *routes))


def test_target_refresh_leaves_the_route_set() -> None:
    """§12.2: the remote target changes, the route set never does."""
    dialog = Dialog(INVITE, answer(f"<{TARGET}>", "<sip:p1;lr>"))
    dialog.refresh(answer("<sip:bob@192.0.2.44>", "<sip:other;lr>"))
    request = dialog.request("BYE", 2)
    assert (request.uri, request.headers["Route"]) == ("sip:bob@192.0.2.44", ["<sip:p1;lr>"])
    assert str(dialog.hop) == "sip:p1;lr"
    dialog.refresh(answer(None))
    dialog.refresh(answer("*"))
    dialog.refresh(answer("<tel:+1415>"))
    assert dialog.request("BYE", 3).uri == "sip:bob@192.0.2.44"


def test_target_refresh_moves_the_hop_where_no_route_is() -> None:
    dialog = Dialog(INVITE, answer())
    dialog.refresh(answer("<sip:bob@192.0.2.44:5099>"))
    assert dialog.hop == Uri.parse("sip:bob@192.0.2.44:5099")


def test_order_of_the_peers_requests() -> None:
    dialog = Dialog(INVITE, answer())

    def comes(number: int) -> bool:
        return dialog.is_in_order(Request("INFO", TARGET, {"CSeq": [f"{number} INFO"]}))

    assert [comes(number) for number in (10, 11, 11, 10, 5, 300, 12, 301)] == [
        True, True, False, False, False, True, False, True,
    ]  # fmt: skip


def test_a_peer_without_tag() -> None:
    """RFC 2543 had none; §12.1.2 counts it as null."""
    response = INVITE.response(200)
    response.headers["Contact"] = [f"<{TARGET}>"]
    assert Dialog(INVITE, response).remote_tag == ""
