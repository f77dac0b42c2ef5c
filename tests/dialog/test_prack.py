"""Reliable provisional responses: one PRACK each, by fork, and their description kept (RFC 3262, RFC 3311 §5)."""

from __future__ import annotations

import pytest

from c2c_b2bua.dialog import events
from c2c_b2bua.dialog.leg import DOWN, RINGING, UP
from c2c_b2bua.sdp import Origin, SessionDescription, held_offer
from c2c_b2bua.sip.message import Request
from tests.dialog.one_leg import CONTACT, PEER, OneLeg, described, sdp

CHALLENGE = 'Digest realm="carrier", nonce="n1", qop="auth", algorithm=MD5'


def say(
    peer: OneLeg, invite: Request, number: int | str, status: int = 183, tag: str = "theirs", **more: object
) -> None:
    """A reliable provisional response."""
    body = more.pop("body", b"")
    assert isinstance(body, bytes)
    headers = {name: str(value) for name, value in more.items()}
    peer.answer(invite, status, tag=tag, body=body, **{"Require": "100rel", "RSeq": str(number), **headers})


def prack(peer: OneLeg) -> Request:
    request = peer.one_request()
    assert (request.method, request.body, "Content-Type" in request.headers) == ("PRACK", b"", False)
    return request


def racks(peer: OneLeg) -> list[str]:
    return [message.headers["RAck"][0] for message in peer.sent() if isinstance(message, Request)]


# ── one PRACK each ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_prack() -> None:
    peer = OneLeg()
    invite = peer.ring()
    say(peer, invite, 7001, 180)
    request = prack(peer)
    request.check()
    assert (request.uri, request.to_tag, request.headers["RAck"]) == (
        "sip:bob@192.0.2.9:5060",
        "theirs",
        ["7001 1 INVITE"],
    )
    assert (str(request.cseq), request.from_tag, request.call_id) == ("2 PRACK", invite.from_tag, invite.call_id)
    assert "Contact" not in request.headers
    assert peer.events() == [events.Ringing("call", "a")]
    peer.answer(request, 200)
    peer.answer(invite, 200, body=sdp())
    ack = peer.one_request()
    assert (ack.method, ack.cseq.number, peer.leg.state) == ("ACK", 1, UP)


def test_its_repetitions_are_not_acknowledged_again() -> None:
    """§4: they are discarded; a PRACK that is lost is repeated by its own transaction."""
    peer = OneLeg()
    invite = peer.ring()
    for _ in range(3):
        say(peer, invite, 5, 180)
    assert peer.starts() == ["PRACK"]
    peer.wait(0.5)
    assert peer.starts() == ["PRACK"]


def test_in_order_and_gaps_are_left_alone() -> None:
    """§4: a response that is one too far is neither acknowledged nor looked at."""
    peer = OneLeg()
    invite = peer.ring()
    say(peer, invite, 10, 183)
    say(peer, invite, 12, 180)
    assert (racks(peer), peer.events()) == (["10 1 INVITE"], [events.Ringing("call", "a")])
    say(peer, invite, 11, 183, body=sdp(4002))
    say(peer, invite, 12, 180)
    say(peer, invite, 10, 183)
    say(peer, invite, 11, 183)
    assert racks(peer) == ["11 1 INVITE", "12 1 INVITE"]


def test_a_gap_brings_no_description() -> None:
    peer = OneLeg()
    invite = peer.ring()
    say(peer, invite, 1, 183, body=sdp(4002))
    say(peer, invite, 3, 183, body=sdp(4010))
    peer.answer(invite, 200)
    assert peer.leg.remote == described(4002)


@pytest.mark.parametrize(
    "headers",
    [
        {"RSeq": "5"},
        {"Require": "100rel"},
        {"Require": "100rel", "RSeq": "0"},
        {"Require": "100rel", "RSeq": "4294967296"},
        {"Require": "100rel", "RSeq": "x"},
        {"Require": "100rel", "RSeq": "9" * 5000},
        {"Require": "precondition", "RSeq": "5"},
        {"Require": "100rel", "RSeq": "5", "Contact": "<sip:bob@"},
        {"Require": "100rel", "RSeq": "5", "Record-Route": "<sip:p1"},
    ],
)
def test_what_cannot_be_acknowledged_is_an_ordinary_180(headers: dict[str, str]) -> None:
    peer = OneLeg()
    invite = peer.ring()
    peer.answer(invite, 180, body=b"", **headers)
    assert (peer.starts(), peer.events()) == ([], [events.Ringing("call", "a")])
    peer.answer(invite, 200, body=sdp())
    assert peer.starts() == ["ACK"]


def test_a_100_is_never_reliable() -> None:
    peer = OneLeg()
    say(peer, peer.ring(), 5, 100)
    assert peer.starts() == []


# ── by fork ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_fork_counts_for_itself() -> None:
    """§4, RFC 3261 §12.1: RSeq, CSeq, target and route set are the fork's."""
    peer = OneLeg()
    invite = peer.ring()
    say(peer, invite, 10, tag="one", Contact="<sip:one@192.0.2.9>", Record_Route="<sip:192.0.2.9:5070;lr>")
    say(peer, invite, 40, tag="two", Contact="<sip:two@192.0.2.9:5072>")
    say(peer, invite, 11, tag="one")
    say(peer, invite, 41, tag="two")
    seen = [
        (one.uri, one.to_tag, str(one.cseq), one.headers["RAck"][0], one.headers.get("Route"))
        for one in peer.sent()
        if isinstance(one, Request)
    ]
    assert seen == [
        ("sip:one@192.0.2.9", "one", "2 PRACK", "10 1 INVITE", ["<sip:192.0.2.9:5070;lr>"]),
        ("sip:two@192.0.2.9:5072", "two", "2 PRACK", "40 1 INVITE", None),
        ("sip:one@192.0.2.9", "one", "3 PRACK", "11 1 INVITE", ["<sip:192.0.2.9:5070;lr>"]),
        ("sip:two@192.0.2.9:5072", "two", "3 PRACK", "41 1 INVITE", None),
    ]
    assert peer.events() == [events.Ringing("call", "a")]


def test_the_dialog_goes_on_counting_where_its_pracks_ended() -> None:
    peer = OneLeg()
    invite = peer.ring()
    for number in (1, 2, 3):
        say(peer, invite, number, tag="one")
    say(peer, invite, 9, tag="two")
    peer.answer(invite, 200, tag="one", body=sdp())
    peer.sent()
    peer.answer(invite, 200, tag="two", body=sdp())
    ack, bye = peer.sent()
    assert isinstance(ack, Request) and isinstance(bye, Request)
    assert [str(ack.cseq), str(bye.cseq)] == ["1 ACK", "3 BYE"], "the other fork had one PRACK"
    peer.hang_up()
    assert str(peer.one_request().cseq) == "5 BYE"


def test_the_route_set_of_the_2xx_goes_before_that_of_the_183() -> None:
    """RFC 3261 §13.2.2.4: recomputed."""
    peer = OneLeg()
    invite = peer.ring()
    say(peer, invite, 1, Record_Route="<sip:192.0.2.9:5070;lr>")
    peer.answer(invite, 200, body=sdp(), Record_Route="<sip:192.0.2.9:5080;lr>")
    peer.sent()
    peer.hang_up()
    assert peer.one_request().headers["Route"] == ["<sip:192.0.2.9:5080;lr>"]


@pytest.mark.parametrize("reliable", [True, False])
def test_the_description_of_a_fork_holds_for_its_own_2xx(reliable: bool) -> None:
    """That of a fork that rang last was taken for the one that answered."""
    peer = OneLeg()
    invite = peer.ring()
    more: dict[str, str] = {"Require": "100rel", "RSeq": "1"} if reliable else {}
    peer.answer(invite, 183, tag="one", body=sdp(4010), **more)
    peer.answer(invite, 183, tag="two", body=sdp(4020), **more)
    peer.answer(invite, 200, tag="one")
    assert peer.leg.remote == described(4010)
    assert peer.events()[-1] == events.Answered("call", "a")


def test_the_description_of_another_fork_is_no_answer() -> None:
    peer = OneLeg()
    invite = peer.ring()
    say(peer, invite, 1, tag="one", body=sdp(4010))
    peer.sent()
    peer.answer(invite, 200, tag="two")
    assert peer.starts() == ["ACK", "BYE"]
    assert [type(event) for event in peer.events()] == [events.Ringing, events.Refused]


def test_a_peer_that_makes_up_ever_new_forks() -> None:
    peer = OneLeg()
    invite = peer.ring()
    for number in range(60):
        say(peer, invite, 1, tag=f"fork{number}")
    assert (len(peer.leg.forks), peer.starts()) == (50, ["PRACK"] * 50)
    say(peer, invite, 2, tag="fork7")
    peer.answer(invite, 200, tag="fork59", body=sdp())
    assert (peer.starts(), peer.leg.state) == (["PRACK", "ACK"], UP)


# ── what may go wrong ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [400, 420, 481, 500, 501, 503, 603])
def test_a_refused_prack_does_not_end_the_call(status: int) -> None:
    peer = OneLeg()
    invite = peer.ring()
    say(peer, invite, 1, 180)
    peer.answer(prack(peer), status)
    assert (peer.leg.state, peer.events()) == (RINGING, [events.Ringing("call", "a")])
    say(peer, invite, 2, 183, body=sdp(4002))
    assert str(prack(peer).cseq) == "3 PRACK"
    peer.answer(invite, 200)
    assert (peer.leg.remote, peer.leg.state) == (described(4002), UP)


def test_nor_does_one_that_is_never_answered() -> None:
    peer = OneLeg(ring_timeout=60.0)
    invite = peer.ring()
    say(peer, invite, 1, 180)
    peer.wait(40.0)
    assert set(peer.starts()) == {"PRACK"}
    peer.answer(invite, 200, body=sdp())
    assert peer.leg.state == UP
    peer.hang_up()
    peer.wait(200.0)
    assert not peer.clients


def test_a_challenged_prack() -> None:
    peer = OneLeg(username="alice", password="secret")
    invite = peer.ring()
    say(peer, invite, 1, tag="one")
    peer.answer(prack(peer), 407, Proxy_Authenticate=CHALLENGE)
    again = prack(peer)
    assert (str(again.cseq), again.to_tag, again.headers["RAck"]) == ("3 PRACK", "one", ["1 1 INVITE"])
    assert "Proxy-Authorization" in again.headers
    say(peer, invite, 2, tag="one")
    request = prack(peer)
    peer.answer(invite, 200, tag="one", body=sdp())
    peer.sent()
    peer.answer(request, 407, Proxy_Authenticate=CHALLENGE.replace("n1", "n2"))
    assert str(prack(peer).cseq) == "5 PRACK", "the confirmed dialog counts on"
    peer.hang_up()
    assert str(peer.one_request().cseq) == "6 BYE"


def test_a_challenged_bye_to_another_fork_counts_by_itself() -> None:
    """It had the CSeq that its first try had, and took one away from the dialog that goes on."""
    peer = OneLeg(username="alice", password="secret")
    invite = peer.ring()
    peer.answer(invite, 200, tag="one", body=sdp())
    peer.answer(invite, 200, tag="two", body=sdp())
    bye = peer.sent()[-1]
    assert isinstance(bye, Request) and str(bye.cseq) == "2 BYE"
    peer.answer(bye, 407, tag="two", Proxy_Authenticate=CHALLENGE)
    assert str(peer.one_request().cseq) == "3 BYE"
    peer.hang_up()
    assert str(peer.one_request().cseq) == "2 BYE"


def test_after_a_challenge_the_forks_are_new() -> None:
    peer = OneLeg(username="alice", password="secret")
    invite = peer.ring()
    say(peer, invite, 50, body=sdp(4002))
    peer.sent()
    peer.answer(invite, 407, Proxy_Authenticate=CHALLENGE)
    again = peer.sent()[-1]
    assert isinstance(again, Request)
    say(peer, again, 9, 180)
    request = prack(peer)
    assert (str(request.cseq), request.headers["RAck"]) == ("3 PRACK", ["9 2 INVITE"])


def test_a_response_that_crosses_our_cancel_is_acknowledged() -> None:
    peer = OneLeg()
    invite = peer.ring()
    peer.answer(invite, 180)
    peer.hang_up()
    peer.sent()
    say(peer, invite, 1, 183)
    request = prack(peer)
    peer.answer(request, 200)
    peer.answer(invite, 487)
    assert (peer.starts(), peer.leg.state) == (["ACK"], DOWN)


def test_the_first_response_after_we_gave_up_is_acknowledged_and_cancelled() -> None:
    peer = OneLeg()
    invite = peer.ring()
    peer.hang_up()
    say(peer, invite, 1, 180)
    assert peer.starts() == ["PRACK", "CANCEL"]


# ── UPDATE before the answer (RFC 3311) ──────────────────────────────────────────────────────────────────────────────


def update(peer: OneLeg, invite: Request, number: int, body: bytes = b"", tag: str = "theirs", **headers: str) -> None:
    peer.count += 1
    request = Request(
        "UPDATE",
        "sip:c2c@192.0.2.1:5060",
        {
            "Via": [f"SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKearly{peer.count}"],
            "From": [f"{invite.headers['To'][0]};tag={tag}"],
            "To": invite.headers["From"],
            "Call-ID": [invite.call_id],
            "CSeq": [f"{number} UPDATE"],
            "Contact": [CONTACT],
            **{name: [value] for name, value in headers.items()},
        },
        body,
    )
    if body:
        request.headers.setdefault("Content-Type", ["application/sdp"])
    peer.keep(peer.receive(bytes(request), PEER, peer.now))


def test_update_of_an_early_dialog_moves_its_target_and_media() -> None:
    peer = OneLeg()
    invite = peer.ring()
    say(peer, invite, 1, body=sdp(4002))
    peer.sent()
    update(peer, invite, 1, sdp(4008, 2), Contact="<sip:bob@192.0.2.9:5099>")
    response = peer.one_response()
    answer = SessionDescription.parse(response.body)
    assert (response.status, answer.direction, answer.origin.version) == (200, "inactive", 1)
    say(peer, invite, 2, 180)
    assert prack(peer).uri == "sip:bob@192.0.2.9:5099"
    peer.answer(invite, 200)
    assert peer.leg.remote == SessionDescription.parse(sdp(4008, 2))
    peer.sent()
    peer.ask("BYE", 1)
    assert peer.starts() == ["500 BYE"], "the order of its requests goes on"
    peer.ask("BYE", 2)
    assert peer.starts() == ["200 BYE"]


@pytest.mark.parametrize(
    ("said", "body", "headers", "status"),
    [
        (sdp(4002), b"", {}, 200),
        (b"", sdp(4002), {}, 491),
        (sdp(4002), b"nonsense", {}, 488),
        (sdp(4002), sdp(4002) + b"m=video 5 RTP/AVP 31\r\n", {}, 200),
        (sdp(4002), b"m=video 5 RTP/AVP 31\r\n".join(sdp(4002).partition(b"m=")[::2]), {}, 488),
        (sdp(4002), sdp(4002).replace(b"0 PCMU", b"0 G722"), {}, 488),
        (sdp(4002), sdp(0), {}, 488),
        (sdp(4002), b"x", {"Content-Type": "text/plain"}, 415),
        (sdp(4002), b"", {"Require": "precondition"}, 420),
        (sdp(4002), b"", {"Contact": "<sip:bob@"}, 400),
    ],
)
def test_update_of_an_early_dialog(said: bytes, body: bytes, headers: dict[str, str], status: int) -> None:
    peer = OneLeg()
    invite = peer.ring()
    say(peer, invite, 1, body=said)
    peer.sent()
    update(peer, invite, 1, body, "theirs", **headers)
    assert (peer.one_response().status, peer.leg.state) == (status, RINGING)


def test_update_of_forks_that_are_only_heard_of() -> None:
    """Any 101-199 makes an early dialog, and any of them may be lost; offers have to wait for an answer that is reliable."""
    peer = OneLeg()
    invite = peer.ring()
    update(peer, invite, 1, tag="its 183 was lost")
    peer.answer(invite, 180, tag="rings")
    update(peer, invite, 1, tag="rings", Allow="INVITE, UPDATE")
    assert peer.leg.takes_update
    peer.answer(invite, 183, tag="plays", body=sdp(4002))
    update(peer, invite, 1, tag="plays")
    update(peer, invite, 2, sdp(4004, 2), tag="plays")
    assert peer.starts() == ["200 UPDATE", "200 UPDATE", "200 UPDATE", "491 UPDATE"]
    say(peer, invite, 1, tag="other")
    peer.sent()
    update(peer, invite, 3, tag="other")
    update(peer, invite, 3, tag="other")
    assert peer.starts() == ["200 UPDATE", "500 UPDATE"]
    peer.answer(invite, 200, tag="plays")
    assert peer.leg.remote == SessionDescription.parse(sdp(4002))


def test_update_with_another_to_tag_or_after_the_end() -> None:
    peer = OneLeg()
    invite = peer.ring()
    peer.answer(invite, 180)
    sender, to = invite.headers["From"], ["<sip:c2c@example.com>;tag=guessed"]
    update(peer, invite, 1, To=to[0])
    peer.answer(invite, 486)
    update(peer, invite, 2, To=sender[0])
    assert peer.starts() == ["481 UPDATE", "ACK", "481 UPDATE"]


def test_an_early_offer_is_answered_as_far_as_it_goes() -> None:
    """A stream more is refused, a codec less is left out; streams that are off stay (RFC 3264 §8)."""
    peer = OneLeg()
    both = held_offer(Origin("c2c", "7", 1, "192.0.2.1"), "192.0.2.1", ("PCMU", "PCMA", "telephone-event"))
    peer.do(peer.leg.ring(both.with_direction("sendrecv"), peer.now))
    invite = peer.one_request()
    say(peer, invite, 1, body=sdp(4002))
    peer.sent()
    offer = sdp(4004, 2).replace(b"RTP/AVP 0", b"RTP/AVP 0 120") + b"a=rtpmap:120 telephone-event/8000\r\n"
    update(peer, invite, 1, offer + b"a=sendonly\r\nm=video 4006 RTP/AVP 31\r\n")
    answer = SessionDescription.parse(peer.one_response().body)
    assert [(media.kind, bool(media.port), media.formats) for media in answer.media] == [
        ("audio", True, ("0", "120")), ("video", False, ("31",)),
    ]  # fmt: skip
    assert answer.media[0].lines == (
        "a=rtpmap:0 PCMU/8000", "a=rtpmap:120 telephone-event/8000", "a=fmtp:120 0-16", "a=recvonly",
    )  # fmt: skip
    assert answer.origin.version == 2
    peer.answer(invite, 200)
    peer.sent()
    peer.do(peer.leg.reoffer(both, peer.now))
    again = SessionDescription.parse(peer.one_request().body)
    assert ([media.port > 0 for media in again.media], again.origin.version) == ([True, False], 3)


def test_who_lets_early_media_through_hears_that_it_moves() -> None:
    peer = OneLeg(early_media=True)
    invite = peer.ring()
    say(peer, invite, 1, body=sdp(4002))
    update(peer, invite, 1, sdp(4008, 2))
    told = [event for event in peer.events() if isinstance(event, events.Described)]
    assert [event.description.media[0].port for event in told] == [4002, 4008]
