"""A leg from INVITE to BYE, with every race at its borders (RFC 3261 §9, §13-15)."""

from __future__ import annotations

import pytest

from c2c_b2bua.dialog import events
from c2c_b2bua.dialog.info import answer_info, pass_info
from c2c_b2bua.dialog.leg import CANCELLING, DOWN, ENDING, INVITING, RINGING, UP
from c2c_b2bua.sdp import SessionDescription
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reason import Why
from tests.dialog.one_leg import OneLeg, described, sdp

ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO, PRACK, REFER, NOTIFY"


# ── ringing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_invite() -> None:
    peer = OneLeg(from_name="Front Desk", next_hop="sip:192.0.2.9:5060;lr", headers=(("X-Call", "7"),))
    invite = peer.ring()
    invite.check()
    assert (invite.method, invite.uri) == ("INVITE", "sip:bob@192.0.2.9")
    assert invite.headers["From"] == [f'"Front Desk" <sip:c2c@example.com>;tag={peer.leg.tag}']
    assert invite.headers["Route"] == ["<sip:192.0.2.9:5060;lr>"]
    assert invite.headers["Contact"] == ["<sip:c2c@192.0.2.1:5060>"]
    assert (invite.headers["Allow"], invite.headers["X-Call"]) == ([ALLOW], ["7"])
    assert SessionDescription.parse(invite.body).direction == "inactive"


def test_a_carrier_gets_no_route_it_did_not_ask_for() -> None:
    """Its proxy is where the INVITE goes; only with `lr` is it a proxy on the way (§16.12), and named in Route."""
    invite = OneLeg(next_hop="sip:192.0.2.9:5060").ring()
    assert "Route" not in invite.headers
    assert invite.uri == "sip:bob@192.0.2.9"


def test_ringing_is_told_once() -> None:
    peer = OneLeg()
    invite = peer.ring()
    for status in (100, 183, 180, 180, 181):
        peer.answer(invite, status)
    assert peer.events() == [events.Ringing("call", "a")]
    assert peer.leg.state == RINGING


def test_answered() -> None:
    peer = OneLeg()
    invite = peer.ring()
    peer.answer(invite, 200, body=sdp())
    ack = peer.one_request()
    assert (ack.method, ack.uri, ack.cseq.number) == ("ACK", "sip:bob@192.0.2.9:5060", invite.cseq.number)
    assert ack.via.branch != invite.via.branch
    assert peer.events() == [events.Answered("call", "a")]
    assert (peer.leg.state, peer.leg.remote) == (UP, described(4000))


def test_the_answer_may_have_come_early() -> None:
    peer = OneLeg()
    invite = peer.ring()
    peer.answer(invite, 183, body=sdp(4006))
    peer.answer(invite, 200)
    assert peer.leg.remote == described(4006)
    assert peer.events()[-1] == events.Answered("call", "a")


def test_a_2xx_that_comes_again_is_acknowledged_with_the_same_bytes() -> None:
    peer = OneLeg()
    invite = peer.ring()
    for _ in range(4):
        peer.answer(invite, 200, body=sdp())
    assert len(peer.wire) == 4 and len(set(peer.wire)) == 1
    assert peer.events() == [events.Answered("call", "a")]


@pytest.mark.parametrize("body", [b"", b"nonsense", sdp().replace(b"m=audio", b"m=image"), sdp().partition(b"m=")[0]])
def test_an_answer_that_is_none(body: bytes) -> None:
    peer = OneLeg()
    peer.answer(peer.ring(), 200, body=body)
    assert peer.starts() == ["ACK", "BYE"]
    (refused,) = peer.events()
    assert isinstance(refused, events.Refused)
    assert (refused.why.cause, refused.why.sip_code, refused.is_local) == ("INCOMPATIBLE_DESTINATION", 488, True)


@pytest.mark.parametrize(
    "header",
    [{"Contact": "<sip:bob@"}, {"Contact": "<tel:+1415>"}, {"Record_Route": "<sip:p1"}, {"Contact": '"open <sip:a@b>'}],
)
def test_a_2xx_that_no_ack_can_follow(header: dict[str, str]) -> None:
    """SipError left the core, and the transaction stayed for ever."""
    peer = OneLeg()
    invite = peer.ring()
    peer.answer(invite, 200, body=sdp(), **header)
    peer.answer(invite, 200, body=sdp(), **header)
    (refused,) = peer.events()
    assert isinstance(refused, events.Refused)
    assert (refused.why.cause, refused.why.sip_code, peer.leg.state) == ("INTERWORKING", 502, DOWN)
    peer.wait(100.0)
    assert not peer.clients


@pytest.mark.parametrize(
    ("status", "reason", "why"),
    [
        (486, "", Why("USER_BUSY", 486, "Busy Here")),
        (480, "Q.850;cause=20", Why("SUBSCRIBER_ABSENT", 480, "Temporarily Unavailable")),
        (302, "", Why("REDIRECTION_TO_NEW_DESTINATION", 302, "Moved Temporarily")),
        (401, "", Why("CALL_REJECTED", 401, "Unauthorized")),
    ],
)
def test_refused(status: int, reason: str, why: Why) -> None:
    peer = OneLeg()
    peer.answer(peer.ring(), status, body=b"", **({"Reason": reason} if reason else {}))
    assert peer.starts() == ["ACK"]
    assert peer.events() == [events.Refused("call", "a", why, False)]
    assert (peer.leg.state, peer.leg.sip_code) == (DOWN, status)


def test_nobody_there() -> None:
    peer = OneLeg(ring_timeout=60.0)
    peer.ring()
    peer.wait(32.0)
    assert peer.events() == [events.Refused("call", "a", Why("RECOVERY_ON_TIMER_EXPIRE", 408, "Request Timeout"), True)]
    assert peer.starts() == ["INVITE"] * 6


def test_the_ring_timer_outlasts_provisionals_and_early_media() -> None:
    peer = OneLeg()
    invite = peer.ring()
    peer.answer(invite, 183, body=sdp())
    peer.wait(29.0)
    peer.answer(invite, 180)
    peer.wait(30.0)
    assert peer.events() == [events.Ringing("call", "a"), events.RangOut("call", "a")]


# ── forks ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_2xx_of_another_fork_gets_ack_and_bye() -> None:
    peer = OneLeg()
    invite = peer.ring()
    peer.answer(invite, 200, tag="one", body=sdp())
    peer.sent()
    peer.answer(invite, 200, tag="two", body=sdp(4002), Contact="<sip:bob@192.0.2.99>")
    ack, bye = peer.sent()
    assert isinstance(ack, Request) and isinstance(bye, Request)
    assert [(message.method, message.uri, message.to_tag) for message in (ack, bye)] == [
        ("ACK", "sip:bob@192.0.2.99", "two"),
        ("BYE", "sip:bob@192.0.2.99", "two"),
    ]
    assert bye.cseq.number == invite.cseq.number + 1
    peer.answer(bye, 200)
    assert (peer.leg.state, peer.leg.remote, peer.leg.dialog and peer.leg.dialog.remote_tag) == (
        UP,
        described(4000),
        "one",
    )
    assert peer.events() == [events.Answered("call", "a")]
    # Said again, it is acknowledged again, and not hung up again.
    peer.answer(invite, 200, tag="two", body=sdp(4002), Contact="<sip:bob@192.0.2.99>")
    assert peer.starts() == ["ACK"]


def test_a_2xx_after_a_refusal_of_another_fork() -> None:
    """The leg is down, and another phone of the same INVITE answers: it is hung up, and nobody hears of it."""
    peer = OneLeg()
    invite = peer.ring()
    peer.answer(invite, 486)
    peer.sent()
    peer.events()
    peer.answer(invite, 200, tag="late", body=sdp())
    ack, bye = peer.sent()
    assert [(request.method, request.to_tag) for request in (ack, bye)] == [("ACK", "late"), ("BYE", "late")]  # type: ignore[union-attr]
    assert (ack.cseq.number, bye.cseq.number) == (1, 2)
    assert (peer.leg.state, peer.leg.sip_code, peer.events()) == (DOWN, 486, [])
    peer.answer(invite, 200, tag="late", body=sdp())
    assert peer.starts() == ["ACK"]
    peer.answer(bye, 200)  # type: ignore[arg-type]
    peer.wait(100.0)
    assert peer.starts() == []


def test_a_2xx_to_an_invite_that_was_challenged() -> None:
    """One fork wants credentials, another answers without: it is hung up, the INVITE that has them goes on."""
    peer = OneLeg(username="c2c", password="secret")
    first = peer.ring()
    peer.answer(first, 401, tag="one", WWW_Authenticate='Digest realm="carrier", nonce="1"')
    _, second = peer.sent()
    assert isinstance(second, Request) and second.cseq.number == 2
    peer.answer(first, 200, tag="two", body=sdp())
    ack, bye = peer.sent()
    assert isinstance(ack, Request) and isinstance(bye, Request)
    assert [(str(request.cseq), request.to_tag) for request in (ack, bye)] == [("1 ACK", "two"), ("2 BYE", "two")]
    peer.answer(first, 200, tag="two", body=sdp())
    assert peer.starts() == ["ACK"]
    peer.answer(second, 200, tag="one", body=sdp())
    assert peer.starts() == ["ACK"]
    assert (peer.leg.state, peer.leg.sip_code) == (UP, 200)


# ── giving up ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_cancel_takes_the_way_of_its_invite() -> None:
    peer = OneLeg(next_hop="sip:192.0.2.9:5060;lr")
    invite = peer.ring()
    peer.answer(invite, 180)
    peer.hang_up(Why("ORIGINATOR_CANCEL", 487))
    cancel = peer.one_request()
    assert (cancel.method, cancel.uri, cancel.cseq.number) == ("CANCEL", invite.uri, invite.cseq.number)
    for name in ("Via", "From", "To", "Call-ID", "Route"):
        assert cancel.headers[name] == invite.headers[name]
    assert cancel.headers["Reason"] == [
        'Q.850;cause=31;text="ORIGINATOR_CANCEL"', 'SIP;cause=487;text="Request Terminated"',
    ]  # fmt: skip
    peer.answer(cancel, 200)
    assert peer.leg.state == CANCELLING
    peer.answer(invite, 487)
    assert peer.starts() == ["ACK"]
    assert peer.leg.state == DOWN
    assert peer.events() == [events.Ringing("call", "a"), events.Down("call", "a")]


def test_cancel_only_after_a_provisional() -> None:
    """§9.1: until then nothing goes out; the call need not wait, the first 100 brings the CANCEL."""
    peer = OneLeg()
    invite = peer.ring()
    peer.hang_up()
    assert peer.starts() == []
    peer.answer(invite, 100)
    assert peer.starts() == ["CANCEL"]
    peer.answer(invite, 180)
    assert peer.starts() == []
    assert events.Ringing("call", "a") not in peer.events()


def test_a_200_that_crosses_the_cancel_gets_ack_and_bye() -> None:
    peer = OneLeg()
    invite = peer.ring()
    peer.answer(invite, 180)
    peer.hang_up()
    peer.sent()
    peer.answer(invite, 200, body=sdp())
    ack, bye = peer.sent()
    assert isinstance(ack, Request) and isinstance(bye, Request)
    assert [ack.method, bye.method] == ["ACK", "BYE"]
    assert bye.headers["Reason"] == ['Q.850;cause=16;text="NORMAL_CLEARING"']
    assert peer.leg.state == ENDING
    peer.answer(invite, 200, body=sdp())
    assert peer.starts() == ["ACK"]
    peer.answer(bye, 200)
    assert peer.leg.state == DOWN
    assert peer.events() == [events.Ringing("call", "a"), events.Down("call", "a")]


def test_64_t1_after_the_cancel_it_is_over_all_the_same() -> None:
    peer = OneLeg()
    invite = peer.ring()
    peer.answer(invite, 180)
    peer.wait(10.0)
    peer.hang_up()
    peer.wait(41.9)
    assert peer.leg.state == CANCELLING
    peer.wait(42.0)
    assert peer.leg.state == DOWN
    assert peer.events()[-1] == events.Down("call", "a")
    peer.wait(200.0)
    assert not peer.clients


def test_hanging_up_twice_keeps_the_first_reason() -> None:
    peer = OneLeg().up()
    peer.hang_up(Why("USER_BUSY", 486))
    peer.hang_up()
    bye = peer.one_request()
    assert bye.headers["Reason"] == ['Q.850;cause=17;text="USER_BUSY"', 'SIP;cause=486;text="Busy Here"']


# ── the peer's requests in the dialog ────────────────────────────────────────────────────────────────────────────────


def test_bye() -> None:
    peer = OneLeg().up()
    peer.ask("BYE", 1, Reason='Q.850;cause=17;text="busy"')
    assert peer.starts() == ["200 BYE"]
    assert peer.events() == [events.HungUp("call", "a", Why("USER_BUSY", None, "busy"), False)]
    assert peer.leg.state == DOWN


def test_both_hang_up_at_once() -> None:
    peer = OneLeg().up()
    peer.hang_up()
    bye = peer.one_request()
    peer.ask("BYE", 1)
    assert peer.starts() == ["200 BYE"]
    assert peer.events() == []
    peer.answer(bye, 481)
    assert peer.events() == [events.Down("call", "a")]


@pytest.mark.parametrize(
    ("method", "headers", "status", "more"),
    [
        ("OPTIONS", {}, 200, {"Allow": [ALLOW], "Accept": ["application/sdp"]}),
        ("SUBSCRIBE", {}, 405, {"Allow": [ALLOW]}),
        ("PRACK", {"RAck": "1 1 INVITE"}, 481, {}),
        ("DANCE", {}, 501, {"Allow": [ALLOW]}),
        ("SUBSCRIBE", {"Require": "path"}, 405, {"Allow": [ALLOW]}),
        ("UPDATE", {}, 200, {"Contact": ["<sip:c2c@192.0.2.1:5060>"]}),
        ("UPDATE", {"Contact": "<sip:bob@"}, 400, {}),
        ("INVITE", {"Contact": "<sip:bob@"}, 400, {}),
    ],
)
def test_answered_at_once(method: str, headers: dict[str, str], status: int, more: dict[str, list[str]]) -> None:
    peer = OneLeg().up()
    peer.ask(method, 1, b"", **headers)
    response = peer.one_response()
    assert response.status == status
    assert {name: response.headers.get(name) for name in more} == more
    assert (peer.events(), peer.leg.state) == ([], UP)


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_body_of_another_kind_is_415(method: str) -> None:
    peer = OneLeg().up()
    peer.ask(method, 1, b"<pidf/>", Content_Type="application/pidf+xml")
    response = peer.one_response()
    assert (response.status, response.headers["Accept"]) == (415, ["application/sdp"])


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_an_offer_that_is_none_is_488(method: str) -> None:
    peer = OneLeg().up()
    peer.ask(method, 1, b"nonsense")
    assert peer.one_response().status == 488
    assert peer.leg.can_offer


def test_order() -> None:
    peer = OneLeg().up()
    peer.ask("OPTIONS", 10)
    peer.ask("OPTIONS", 9)
    peer.ask("BYE", 10)
    first, second, third = peer.sent()
    assert isinstance(first, Response) and isinstance(second, Response) and isinstance(third, Response)
    assert [(one.status, one.reason) for one in (first, second, third)] == [
        (200, "OK"), (500, "CSeq out of order"), (500, "CSeq out of order"),
    ]  # fmt: skip
    assert peer.leg.state == UP


def test_wrong_tags_are_no_request_of_ours() -> None:
    peer = OneLeg().up()
    peer.ask("BYE", 1, From="<sip:bob@192.0.2.9>;tag=another")
    peer.ask("BYE", 2, To="<sip:c2c@example.com>;tag=another")
    assert peer.starts() == ["481 BYE", "481 BYE"]
    assert peer.leg.state == UP


def test_the_requests_of_a_peer_without_tag() -> None:
    """RFC 2543: null on both sides is equal; they were answered with 481."""
    peer = OneLeg()
    invite = peer.ring()
    peer.answer(invite, 200, tag="", body=sdp())
    peer.sent()
    peer.ask("BYE", 1)
    assert peer.starts() == ["200 BYE"]


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_an_offer_and_our_answer(method: str) -> None:
    peer = OneLeg().up()
    peer.ask(method, 1, sdp(4002, 2), Contact="<sip:bob@192.0.2.44>")
    (offered,) = peer.events()
    assert isinstance(offered, events.Offered)
    assert (offered.offer, peer.starts(), peer.leg.can_offer) == (SessionDescription.parse(sdp(4002, 2)), [], False)
    peer.do(peer.leg.answer(offered.key, described(6000), peer.now))
    response = peer.one_response()
    assert (response.status, response.content_type) == (200, "application/sdp")
    answer = SessionDescription.parse(response.body)
    assert (answer.origin.version, answer.media[0].port) == (2, 6000)
    assert str(peer.leg.dialog and peer.leg.dialog.remote_target) == "sip:bob@192.0.2.44"
    if method == "INVITE":
        assert not peer.leg.can_offer
        peer.ask("ACK", 1)
        assert peer.events() == [events.Acknowledged("call", "a", False)]
    assert peer.leg.can_offer
    peer.wait(100.0)
    assert (peer.starts(), peer.leg.state) == ([], UP)


@pytest.mark.parametrize(("accepted", "target"), [(True, "sip:bob@192.0.2.44"), (False, "sip:bob@192.0.2.9:5060")])
@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_the_target_moves_with_what_is_accepted(method: str, accepted: bool, target: str) -> None:
    """RFC 6141 §4: a refused one leaves it where it was."""
    peer = OneLeg().up()
    peer.ask(method, 1, sdp(4002, 2), Contact="<sip:bob@192.0.2.44>")
    (offered,) = peer.events()
    assert isinstance(offered, events.Offered)
    peer.do(peer.leg.answer(offered.key, described(6000), peer.now) if accepted else peer.leg.refuse(offered.key, 488))
    assert str(peer.leg.dialog and peer.leg.dialog.remote_target) == target


def test_our_2xx_is_said_again_until_its_ack() -> None:
    peer = OneLeg().up()
    peer.ask("INVITE", 1, sdp(4002, 2))
    (offered,) = peer.events()
    assert isinstance(offered, events.Offered)
    peer.do(peer.leg.answer(offered.key, described(6000), peer.now))
    times = [0.0]
    while len(times) < 6:
        before = len(peer.wire)
        peer.wait(peer.now + 0.5)
        times += [peer.now] * (len(peer.wire) - before)
    assert times == [0.0, 0.5, 1.5, 3.5, 7.5, 11.5]
    assert len(set(peer.wire)) == 1
    peer.sent()
    peer.ask("ACK", 1)
    peer.wait(60.0)
    assert (peer.starts(), peer.leg.state) == ([], UP)


def test_without_ack_it_is_hung_up_after_64_t1() -> None:
    peer = OneLeg().up()
    peer.ask("INVITE", 1, sdp(4002, 2))
    (offered,) = peer.events()
    assert isinstance(offered, events.Offered)
    peer.do(peer.leg.answer(offered.key, described(6000), peer.now))
    peer.ask("ACK", 99)  # of another INVITE
    peer.wait(31.9)
    assert "BYE" not in peer.starts()
    peer.wait(32.0)
    assert peer.starts() == ["BYE"]
    assert peer.events() == [events.HungUp("call", "a", Why("RECOVERY_ON_TIMER_EXPIRE", 408, "no ACK"), True)]


def test_an_offer_wanted() -> None:
    peer = OneLeg().up()
    peer.ask("INVITE", 1)
    (wanted,) = peer.events()
    assert isinstance(wanted, events.OfferWanted)
    peer.do(peer.leg.offer_in_answer(wanted.key, described(6000), peer.now))
    assert SessionDescription.parse(peer.one_response().body).media[0].port == 6000
    peer.ask("ACK", 1, sdp(4010, 3))
    assert peer.events() == [events.Acknowledged("call", "a", True)]
    assert peer.leg.remote == SessionDescription.parse(sdp(4010, 3))


@pytest.mark.parametrize("body", [b"", b"nonsense"])
def test_an_offer_wanted_and_not_answered(body: bytes) -> None:
    peer = OneLeg().up()
    peer.ask("INVITE", 1)
    (wanted,) = peer.events()
    assert isinstance(wanted, events.OfferWanted)
    peer.do(peer.leg.offer_in_answer(wanted.key, described(6000), peer.now))
    peer.sent()
    peer.ask("ACK", 1, body)
    assert peer.starts() == ["BYE"]
    (hung_up,) = peer.events()
    assert isinstance(hung_up, events.HungUp) and hung_up.is_local


def test_refusing_one_request_leaves_the_offer_of_another() -> None:
    """An INVITE without offer beside an UPDATE with one: refusing it threw the UPDATE's offer away."""
    peer = OneLeg().up()
    peer.ask("UPDATE", 1, sdp(4002, 2))
    peer.ask("INVITE", 2)
    offered, wanted = peer.events()
    assert isinstance(offered, events.Offered) and isinstance(wanted, events.OfferWanted)
    peer.do(peer.leg.refuse(wanted.key, 491))
    peer.do(peer.leg.answer(offered.key, described(6000), peer.now))
    assert peer.starts() == ["491 INVITE", "200 UPDATE"]


def test_a_second_invite_before_the_first_is_settled_is_500() -> None:
    """§14.2, with a Retry-After of 0 to 10 seconds."""
    peer = OneLeg().up()
    peer.ask("INVITE", 1, sdp(4002, 2))
    peer.ask("INVITE", 2, sdp(4004, 3))
    response = peer.one_response()
    assert response.status == 500
    assert 0 <= int(response.headers["Retry-After"][0]) <= 10


@pytest.mark.parametrize("body", [b"", sdp(4004, 3)])
def test_a_second_update_before_the_first_is_answered_is_500(body: bytes) -> None:
    """RFC 3311 §5.2, with a Retry-After of 0 to 10 seconds, whatever it brings."""
    peer = OneLeg().up()
    peer.ask("UPDATE", 1, sdp(4002, 2))
    (offered,) = peer.events()
    assert isinstance(offered, events.Offered)
    peer.ask("UPDATE", 2, body)
    response = peer.one_response()
    assert (response.status, response.cseq.number) == (500, 2)
    assert 0 <= int(response.headers["Retry-After"][0]) <= 10
    peer.do(peer.leg.answer(offered.key, described(6000), peer.now))
    peer.ask("UPDATE", 3)
    assert peer.starts() == ["200 UPDATE", "200 UPDATE"]


def test_an_update_while_a_reinvite_waits_for_our_answer() -> None:
    """RFC 3311 §5.2: with an offer 500; without one it touches nothing that is open."""
    peer = OneLeg().up()
    peer.ask("INVITE", 1, sdp(4002, 2))
    peer.ask("UPDATE", 2, sdp(4004, 3))
    peer.ask("UPDATE", 3)
    assert peer.starts() == ["500 UPDATE", "200 UPDATE"]


def test_our_update() -> None:
    """An offer by UPDATE: answered like a re-INVITE, and without ACK."""
    peer = OneLeg().up()
    peer.do(peer.leg.reoffer(described(6000), peer.now, "UPDATE"))
    update = peer.one_request()
    assert (update.method, update.headers["Contact"], SessionDescription.parse(update.body).origin.version) == (
        "UPDATE", ["<sip:c2c@192.0.2.1:5060>"], 2,
    )  # fmt: skip
    peer.ask("UPDATE", 1, sdp(4002, 2))
    peer.ask("INVITE", 2, sdp(4002, 2))
    assert peer.starts() == ["491 UPDATE", "491 INVITE"]
    peer.answer(update, 200, body=sdp(4008, 2), Contact="<sip:bob@192.0.2.55>")
    assert (peer.starts(), peer.events(), peer.leg.can_offer) == ([], [events.Reanswered("call", "a")], True)
    assert str(peer.leg.dialog and peer.leg.dialog.remote_target) == "sip:bob@192.0.2.55"


@pytest.mark.parametrize("status", [405, 501])
def test_an_update_that_the_peer_does_not_take_goes_as_reinvite(status: int) -> None:
    peer = OneLeg().up()
    peer.do(peer.leg.reoffer(described(6000), peer.now, "UPDATE"))
    update = peer.one_request()
    peer.answer(update, status)
    reinvite = peer.one_request()
    assert (reinvite.method, reinvite.body, peer.events()) == ("INVITE", update.body, [])


def test_cancelled_by_the_peer() -> None:
    peer = OneLeg().up()
    peer.ask("INVITE", 1, sdp(4002, 2), branch="same")
    peer.ask("CANCEL", 1, branch="same")
    assert peer.starts() == ["200 CANCEL", "487 INVITE"]
    assert peer.leg.can_offer


def test_info_is_passed_on_and_answered() -> None:
    peer = OneLeg().up()
    more = {"Content-Encoding": "identity", "Info-Package": "dtmf"}
    peer.ask("INFO", 1, b"Signal=5", "", Content_Type="application/dtmf-relay", **more)
    (informed,) = peer.events()
    assert isinstance(informed, events.Informed)
    assert informed.request.body == b"Signal=5"
    peer.do(answer_info(peer.leg, informed.key, 200))
    assert peer.starts() == ["200 INFO"]
    peer.do(pass_info(peer.leg, informed.request, "over there"))
    passed = peer.one_request()
    assert (passed.method, passed.content_type, passed.body) == ("INFO", "application/dtmf-relay", b"Signal=5")
    assert {name: passed.headers[name] for name in more} == {name: [value] for name, value in more.items()}
    peer.answer(passed, 415)
    (answered,) = peer.events()
    assert isinstance(answered, events.InformAnswered)
    assert (answered.key, answered.response.status) == ("over there", 415)


# ── our re-INVITE ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_our_reinvite() -> None:
    peer = OneLeg().up()
    peer.do(peer.leg.reoffer(described(6000), peer.now))
    reinvite = peer.one_request()
    assert (reinvite.cseq.number, reinvite.to_tag, reinvite.headers["Contact"]) == (
        2,
        "theirs",
        ["<sip:c2c@192.0.2.1:5060>"],
    )
    assert SessionDescription.parse(reinvite.body).origin.version == 2
    peer.answer(reinvite, 100)
    peer.answer(reinvite, 200, body=sdp(4008, 2), Contact="<sip:bob@192.0.2.55>")
    peer.answer(reinvite, 200, body=sdp(4008, 2), Contact="<sip:bob@192.0.2.55>")
    assert len(set(peer.wire)) == 1
    first, again = peer.sent()
    assert isinstance(first, Request) and isinstance(again, Request)
    assert (first.method, first.uri, first.cseq.number) == ("ACK", "sip:bob@192.0.2.55", 2)
    assert peer.events() == [events.Reanswered("call", "a")]
    assert peer.leg.can_offer


def test_a_contact_that_is_none_in_its_2xx() -> None:
    """SipError left the core; the last target stays good for the ACK."""
    peer = OneLeg().up()
    peer.do(peer.leg.reoffer(described(6000), peer.now))
    peer.answer(peer.one_request(), 200, body=sdp(4008, 2), Contact="<sip:bob@")
    assert peer.one_request().uri == "sip:bob@192.0.2.9:5060"
    assert peer.events() == [events.Reanswered("call", "a")]


def test_our_reinvite_refused() -> None:
    peer = OneLeg().up()
    peer.do(peer.leg.reoffer(described(6000), peer.now))
    peer.answer(peer.one_request(), 488)
    (rerefused,) = peer.events()
    assert isinstance(rerefused, events.Rerefused) and rerefused.response.status == 488
    assert (peer.leg.state, peer.leg.can_offer, peer.starts()) == (UP, True, ["ACK"])


@pytest.mark.parametrize("status", [408, 481])
def test_our_reinvite_finds_nobody(status: int) -> None:
    """§12.2.1.2: the dialog is dead."""
    peer = OneLeg().up()
    peer.do(peer.leg.reoffer(described(6000), peer.now))
    peer.answer(peer.one_request(), status)
    assert peer.starts() == ["ACK", "BYE"]
    (hung_up,) = peer.events()
    assert isinstance(hung_up, events.HungUp) and hung_up.is_local


def test_glare() -> None:
    peer = OneLeg().up()
    peer.do(peer.leg.reoffer(described(6000), peer.now))
    peer.sent()
    peer.ask("INVITE", 1, sdp(4002, 2))
    peer.ask("UPDATE", 2, sdp(4002, 2))
    assert peer.starts() == ["491 INVITE", "491 UPDATE"]
    assert peer.events() == []


def test_bye_during_our_reinvite() -> None:
    peer = OneLeg().up()
    peer.do(peer.leg.reoffer(described(6000), peer.now))
    reinvite = peer.one_request()
    peer.ask("BYE", 1)
    peer.answer(reinvite, 200, body=sdp(4008, 2))
    assert peer.starts() == ["200 BYE", "ACK"]
    assert [type(event) for event in peer.events()] == [events.HungUp]
    assert peer.leg.state == DOWN


def test_a_reinvite_that_is_never_answered_does_not_live_for_ever() -> None:
    """A 100 stops its timers; the transaction stayed in memory for good, and the leg with it."""
    peer = OneLeg().up()
    peer.do(peer.leg.reoffer(described(6000), peer.now))
    peer.answer(peer.one_request(), 100)
    peer.hang_up()
    peer.answer(peer.one_request(), 200)
    assert (peer.leg.state, len(peer.clients)) == (DOWN, 3)
    peer.wait(peer.now + 32.0)
    assert not peer.clients


def test_hanging_up_while_the_peer_waits_for_an_answer() -> None:
    """§15.1.2: what is pending gets 487 before our BYE."""
    peer = OneLeg().up()
    peer.ask("INVITE", 1, sdp(4002, 2))
    peer.ask("INFO", 2)
    peer.hang_up()
    assert peer.starts() == ["487 INVITE", "487 INFO", "BYE"]


def test_a_bye_that_nobody_answers() -> None:
    peer = OneLeg().up()
    peer.hang_up()
    peer.wait(32.0)
    assert peer.events() == [events.Down("call", "a")]
    assert peer.starts() == ["BYE"] * 11
    peer.wait(100.0)
    assert not peer.clients and not peer.servers


def test_idle_and_down_legs_have_nothing_to_hang_up() -> None:
    peer = OneLeg()
    peer.hang_up()
    assert (peer.events(), peer.starts(), peer.leg.state) == ([events.Down("call", "a")], [], DOWN)
    peer.hang_up()
    assert (peer.events(), peer.starts()) == ([], [])


def test_states_on_the_way() -> None:
    peer = OneLeg()
    seen = []
    invite = peer.ring()
    seen.append(peer.leg.state)
    peer.answer(invite, 180)
    seen.append(peer.leg.state)
    peer.answer(invite, 200, body=sdp())
    seen.append(peer.leg.state)
    peer.sent()
    peer.hang_up()
    seen.append(peer.leg.state)
    peer.answer(peer.one_request(), 200)
    seen.append(peer.leg.state)
    assert seen == [INVITING, RINGING, UP, ENDING, DOWN]


def test_refusing_a_reinvite_leaves_the_offer_of_the_2xx_alone() -> None:
    """A body that may be ignored is no offer: refusing it does not decline the one that our ACK still owes an answer."""
    peer = OneLeg(delayed_offer=True)
    peer.answer(peer.ring(), 200, body=sdp())
    peer.ask("INVITE", 1, b"hello", Content_Type="text/plain", Content_Disposition="render;handling=optional")
    wanted = peer.events()[-1]
    assert isinstance(wanted, events.OfferWanted)
    peer.do(peer.leg.refuse(wanted.key, 491))
    peer.sent()
    peer.hang_up()
    assert peer.starts() == ["ACK", "BYE"]
