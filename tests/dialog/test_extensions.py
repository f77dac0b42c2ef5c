"""Allow, Supported, Require, Unsupported; 405, 415, 420 and 421 (RFC 3261 §8.1.3.5, §8.2, §21.4.13-16)."""

from __future__ import annotations

import pytest

from c2c_b2bua.dialog import events
from c2c_b2bua.dialog.leg import DOWN, UP
from c2c_b2bua.sip.message import Request
from tests.dialog.one_leg import OneLeg, described, sdp
from tests.dialog.test_leg import ALLOW


def after_refusal(peer: OneLeg) -> Request:
    """What follows the ACK of a refusal."""
    ack, again = peer.sent()
    assert isinstance(ack, Request) and isinstance(again, Request)
    assert (ack.method, again.cseq.number) == ("ACK", ack.cseq.number + 1)
    assert again.branch != ack.branch
    return again


# ── what we say of ourselves ─────────────────────────────────────────────────────────────────────────────────────────


def test_our_requests_say_what_we_support() -> None:
    peer = OneLeg()
    invite = peer.ring()
    assert (invite.headers["Allow"], invite.headers["Supported"]) == ([ALLOW], ["100rel, timer"])
    assert "Require" not in invite.headers
    peer.answer(invite, 200, body=sdp())
    peer.sent()
    peer.do(peer.leg.reoffer(described(6000), peer.now))
    reinvite = peer.one_request()
    assert (reinvite.headers["Allow"], reinvite.headers["Supported"]) == ([ALLOW], ["100rel, timer"])


@pytest.mark.parametrize(("method", "body"), [("INVITE", sdp(4002, 2)), ("UPDATE", sdp(4002, 2)), ("UPDATE", b"")])
def test_our_2xx_says_what_we_support(method: str, body: bytes) -> None:
    peer = OneLeg().up()
    peer.ask(method, 1, body)
    for event in peer.events():
        assert isinstance(event, events.Offered)
        peer.do(peer.leg.answer(event.key, described(6000), peer.now))
    response = peer.one_response()
    assert (response.status, response.headers["Allow"], response.headers["Supported"]) == (
        200, [ALLOW], ["100rel, timer"],
    )  # fmt: skip


# ── what the peer requires ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "INFO", "OPTIONS", "PRACK"])
def test_an_option_we_do_not_have(method: str) -> None:
    peer = OneLeg().up()
    peer.ask(method, 1, Require="100rel, gruu, Timer, replaces")
    response = peer.one_response()
    assert (response.status, response.headers["Unsupported"]) == (420, ["gruu, replaces"])
    assert (peer.events(), peer.leg.state) == ([], UP)


def test_options_we_have() -> None:
    peer = OneLeg().up()
    peer.ask("INVITE", 1, sdp(4002, 2), Require="100rel, timer")
    assert [type(event) for event in peer.events()] == [events.Offered]


def test_an_ack_is_never_refused() -> None:
    peer = OneLeg().up()
    peer.ask("INVITE", 1, sdp(4002, 2))
    (offered,) = peer.events()
    assert isinstance(offered, events.Offered)
    peer.do(peer.leg.answer(offered.key, described(6000), peer.now))
    peer.sent()
    peer.ask("ACK", 1, Require="gruu")
    assert (peer.events(), peer.starts()) == ([events.Acknowledged("call", "a", False)], [])


def test_nor_is_a_cancel() -> None:
    peer = OneLeg().up()
    peer.ask("INVITE", 1, sdp(4002, 2), branch="same")
    peer.ask("CANCEL", 1, branch="same", Require="gruu")
    assert peer.starts() == ["200 CANCEL", "487 INVITE"]


def test_a_bye_that_we_refuse_ends_the_dialog_all_the_same() -> None:
    """§15.1.1: for its sender the session was over when it was sent; a call must not hang on an option."""
    peer = OneLeg().up()
    peer.ask("BYE", 1, Require="gruu")
    response = peer.one_response()
    assert (response.status, response.headers["Unsupported"], peer.leg.state) == (420, ["gruu"], DOWN)
    assert [type(event) for event in peer.events()] == [events.HungUp]


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Type": "application/pidf+xml"},
        {"Content_Type": "multipart/mixed;boundary=x"},
        {"Content_Encoding": "gzip"},
        {"Content_Type": "application/isup", "Content_Disposition": "signal;handling=required"},
    ],
)
@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_body_we_cannot_read_is_415(method: str, headers: dict[str, str]) -> None:
    peer = OneLeg().up()
    peer.ask(method, 1, sdp(4002, 2), **headers)
    response = peer.one_response()
    assert (response.status, response.headers["Accept"], response.headers["Accept-Encoding"]) == (
        415, ["application/sdp"], ["identity"],
    )  # fmt: skip


def test_a_body_we_may_ignore() -> None:
    peer = OneLeg().up()
    peer.ask("UPDATE", 1, b"x", Content_Type="application/isup", Content_Disposition="signal; handling=optional")
    assert peer.starts() == ["200 UPDATE"]


# ── what the peer makes of ours ──────────────────────────────────────────────────────────────────────────────────────


def test_420_is_tried_once_more_without_the_option() -> None:
    peer = OneLeg()
    peer.answer(peer.ring(), 420, Unsupported="timer")
    again = after_refusal(peer)
    assert (again.headers["Supported"], again.body) == (["100rel"], peer.leg.invite and peer.leg.invite.body)
    assert "Session-Expires" not in again.headers
    peer.answer(again, 200, body=sdp())
    assert peer.events() == [events.Answered("call", "a")]
    peer.sent()
    peer.do(peer.leg.reoffer(described(6000), peer.now))
    assert peer.one_request().headers["Supported"] == ["100rel"], "what was learnt holds for the whole leg"


@pytest.mark.parametrize("unsupported", [{}, {"Unsupported": "path"}, {"Unsupported": ""}])
def test_420_that_names_nothing_of_ours_is_a_refusal(unsupported: dict[str, str]) -> None:
    peer = OneLeg()
    peer.answer(peer.ring(), 420, body=b"", **unsupported)
    assert peer.starts() == ["ACK"]
    (refused,) = peer.events()
    assert isinstance(refused, events.Refused)
    assert (refused.why.cause, refused.why.sip_code) == ("INTERWORKING", 420)


def test_420_for_ever_is_no_loop() -> None:
    peer = OneLeg()
    invite = peer.ring()
    for _ in range(2):
        peer.answer(invite, 420, Unsupported="100rel, timer")
        invite = next((one for one in reversed(peer.sent()) if isinstance(one, Request)), invite)
    assert [type(event) for event in peer.events()] == [events.Refused]
    assert peer.leg.state == DOWN


def test_421_is_tried_once_more_with_the_option_required() -> None:
    peer = OneLeg()
    peer.answer(peer.ring(), 421, Require="100rel")
    again = after_refusal(peer)
    assert (again.headers["Require"], again.headers["Supported"]) == (["100rel"], ["100rel, timer"])
    peer.answer(again, 421, Require="100rel")
    assert peer.starts() == ["ACK"]
    assert [type(event) for event in peer.events()] == [events.Refused]


@pytest.mark.parametrize("require", ["precondition", "100rel, precondition", ""])
def test_421_for_what_we_do_not_have_is_a_refusal(require: str) -> None:
    peer = OneLeg()
    peer.answer(peer.ring(), 421, Require=require)
    assert peer.starts() == ["ACK"]
    assert [type(event) for event in peer.events()] == [events.Refused]


def test_421_and_420_in_turn_are_no_loop() -> None:
    peer = OneLeg()
    invite = peer.ring()
    seen = 0
    while peer.leg.state != DOWN and seen < 10:
        status, name = (421, "Require") if seen % 2 == 0 else (420, "Unsupported")
        peer.answer(invite, status, body=b"", **{name: "100rel"})
        invite = next(one for one in reversed(peer.sent()) if isinstance(one, Request))
        seen += 1
    assert seen == 3


def test_a_cancelled_invite_is_not_tried_again() -> None:
    peer = OneLeg()
    invite = peer.ring()
    peer.answer(invite, 180)
    peer.hang_up()
    peer.sent()
    peer.answer(invite, 420, Unsupported="100rel")
    assert (peer.starts(), peer.leg.state) == (["ACK"], DOWN)


def test_415_and_488_are_told_apart() -> None:
    for status, cause in ((415, "SERVICE_NOT_IMPLEMENTED"), (488, "INCOMPATIBLE_DESTINATION")):
        peer = OneLeg()
        peer.answer(peer.ring(), status)
        (refused,) = peer.events()
        assert isinstance(refused, events.Refused)
        assert (refused.why.cause, refused.why.sip_code) == (cause, status)


@pytest.mark.parametrize("reliable", [{}, {"Require": "100rel", "RSeq": "1"}], ids=["unreliable", "reliable"])
@pytest.mark.parametrize(
    ("early", "late", "takes"),
    [
        ("INVITE, UPDATE", "", True),
        ("INVITE, UPDATE", "INVITE", False),
        ("INVITE", "INVITE, UPDATE", True),
        ("INVITE", "", False),
    ],
)
def test_what_the_peer_takes_may_be_said_while_it_rings(
    reliable: dict[str, str], early: str, late: str, takes: bool
) -> None:
    """Allow of a 180 holds until something else is said (RFC 3261 §20.5, RFC 3311 §4)."""
    peer = OneLeg()
    invite = peer.ring()
    peer.answer(invite, 180, Allow=early, **reliable)
    peer.answer(invite, 180)
    peer.answer(invite, 200, body=sdp(), **({"Allow": late} if late else {}))
    assert peer.leg.takes_update is takes
