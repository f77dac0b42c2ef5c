"""401 and 407 (RFC 3261 §22, RFC 7616, RFC 8760): one more try for a fresh nonce, never a loop; on every request of a leg."""

from __future__ import annotations

import pytest

from c2c_b2bua.dialog import events
from c2c_b2bua.dialog.info import pass_info
from c2c_b2bua.dialog.leg import DOWN, UP
from c2c_b2bua.sip.digest import response_hash
from c2c_b2bua.sip.fields import Challenge
from c2c_b2bua.sip.message import Request
from c2c_b2bua.transaction.actions import Send
from tests.dialog.one_leg import PEER, OneLeg, described, sdp

MD5 = 'Digest realm="carrier", nonce="n1", qop="auth", algorithm=MD5'


def account() -> OneLeg:
    return OneLeg(username="alice", password="secret")


def challenge(peer: OneLeg, request: Request, *challenges: str, status: int = 407) -> None:
    response = request.response(status, to_tag="theirs")
    name = "Proxy-Authenticate" if status == 407 else "WWW-Authenticate"
    response.headers[name] = list(challenges)
    peer.keep(peer.receive(bytes(response), PEER, peer.now))


def again(peer: OneLeg) -> Request:
    """The request that follows a challenge; an ACK of the refusal goes before it if that was an INVITE's."""
    *acks, request = peer.sent()
    assert [ack.method for ack in acks if isinstance(ack, Request)] in ([], ["ACK"])
    assert isinstance(request, Request)
    return request


def check(request: Request, name: str = "Proxy-Authorization", count: int = 1) -> dict[str, str]:
    """The credentials are right: recomputed from what they say and the password."""
    (value,) = request.headers[name]
    credentials = Challenge.parse(value)
    given = credentials.parameters
    assert given["uri"] == request.uri
    if "qop" in given:
        assert (given["qop"], given["nc"]) == ("auth", f"{count:08x}")
    expected = response_hash(
        credentials,
        given["username"],
        "secret",
        request.method,
        given["uri"],
        given.get("nc", ""),
        given.get("cnonce", ""),
    )
    assert given["response"] == expected
    return given


@pytest.mark.parametrize(("status", "name"), [(401, "Authorization"), (407, "Proxy-Authorization")])
def test_the_invite_goes_again_with_credentials(status: int, name: str) -> None:
    peer = account()
    first = peer.ring()
    challenge(peer, first, MD5, status=status)
    second = again(peer)
    given = check(second, name)
    assert (given["username"], given["realm"], given["nonce"]) == ("alice", "carrier", "n1")
    assert second.cseq.number == first.cseq.number + 1
    assert second.via.branch != first.via.branch
    assert (second.call_id, second.from_tag, second.to_tag, second.body) == (
        first.call_id, first.from_tag, None, first.body,
    )  # fmt: skip
    peer.answer(second, 200, body=sdp())
    ack = peer.one_request()
    # §13.2.2.4: the ACK carries the credentials of its INVITE, and its CSeq number.
    assert (ack.headers[name], ack.cseq.number) == (second.headers[name], second.cseq.number)
    assert peer.events() == [events.Answered("call", "a")]


@pytest.mark.parametrize(
    "algorithm", ["", "MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess", "md5"]
)
@pytest.mark.parametrize("qop", ["", ', qop="auth"', ', qop="auth-int,auth"'])
def test_algorithms(algorithm: str, qop: str) -> None:
    peer = account()
    named = f", algorithm={algorithm}" if algorithm else ""
    challenge(peer, peer.ring(), f'Digest realm="carrier", nonce="n1", opaque="o"{named}{qop}')
    given = check(again(peer))
    assert given.get("algorithm", "") == algorithm
    assert given["opaque"] == "o"
    assert ("qop" in given) is bool(qop)


def test_the_strongest_of_several() -> None:
    peer = account()
    challenge(
        peer,
        peer.ring(),
        'Digest realm="carrier", nonce="n1", algorithm=MD5',
        'Digest realm="carrier", nonce="n2", algorithm=SHA-512-256',
        'Digest realm="carrier", nonce="n3", algorithm=SHA-256',
        'Digest realm="carrier", nonce="n4", algorithm=QUANTUM-1',
        'NoOneKnowsThisScheme opaque-data=here',
    )  # fmt: skip
    assert check(again(peer))["nonce"] == "n2"


def test_several_realms_are_all_answered() -> None:
    peer = account()
    challenge(peer, peer.ring(), MD5, 'Digest realm="other", nonce="m1"')
    second = again(peer)
    realms = [Challenge.parse(value).parameters["realm"] for value in second.headers["Proxy-Authorization"]]
    assert realms == ["carrier", "other"]


def test_proxy_and_server_one_after_the_other() -> None:
    peer = account()
    challenge(peer, peer.ring(), MD5, status=407)
    challenge(peer, again(peer), 'Digest realm="registrar", nonce="r1"', status=401)
    third = again(peer)
    check(third, "Proxy-Authorization", count=2)
    check(third, "Authorization")
    assert third.cseq.number == 3


def test_a_stale_nonce_is_replaced() -> None:
    peer = account()
    challenge(peer, peer.ring(), MD5)
    challenge(peer, again(peer), MD5.replace("n1", "n2") + ", stale=true")
    assert check(again(peer))["nonce"] == "n2"
    assert peer.events() == []


def test_the_same_nonce_again_means_a_wrong_password() -> None:
    peer = account()
    challenge(peer, peer.ring(), MD5)
    second = again(peer)
    challenge(peer, second, MD5)
    assert peer.starts() == ["ACK"]
    (refused,) = peer.events()
    assert isinstance(refused, events.Refused)
    assert (refused.why.sip_code, peer.leg.state) == (407, DOWN)


def test_never_more_than_three_tries() -> None:
    peer = account()
    request = peer.ring()
    for number in range(2):
        challenge(peer, request, MD5.replace("n1", f"fresh{number}"))
        request = again(peer)
    challenge(peer, request, MD5.replace("n1", "fresh2"))
    assert peer.starts() == ["ACK"]
    assert peer.leg.state == DOWN


@pytest.mark.parametrize(
    "challenges",
    [
        (),
        ('Basic realm="carrier"',),
        ('Digest realm="carrier", nonce="n", algorithm=QUANTUM-1',),
        ('Digest realm="carrier", nonce="n", qop="auth-int"',),
        ('Digest realm="carrier"',),
        ('Digest realm="open',),
    ],
)
def test_what_cannot_be_answered(challenges: tuple[str, ...]) -> None:
    peer = account()
    challenge(peer, peer.ring(), *challenges)
    assert peer.starts() == ["ACK"]
    assert peer.leg.state == DOWN


def test_without_an_account_a_challenge_ends_the_leg() -> None:
    peer = OneLeg()
    challenge(peer, peer.ring(), MD5)
    assert peer.starts() == ["ACK"]
    assert peer.leg.state == DOWN


def test_a_challenge_that_is_none_does_not_spoil_the_others() -> None:
    peer = account()
    challenge(peer, peer.ring(), "Bearer abc==", MD5, 'Digest realm="open')
    assert check(again(peer))["nonce"] == "n1"


def test_a_realm_of_other_bytes() -> None:
    """UnicodeEncodeError left the core."""
    peer = account()
    response = peer.ring().response(407, to_tag="theirs")
    response.headers["Proxy-Authenticate"] = ['Digest realm="REALM", nonce="n1"']
    peer.keep(peer.receive(bytes(response).replace(b"REALM", b"caf\xe9"), PEER, 0.0))
    assert b'realm="caf\xe9"' in peer.wire[-1]


def test_a_cancelled_invite_is_not_sent_again() -> None:
    peer = account()
    invite = peer.ring()
    peer.answer(invite, 100)
    peer.hang_up()
    peer.sent()
    challenge(peer, invite, MD5)
    assert peer.starts() == ["ACK"]
    assert peer.leg.state == DOWN


def test_a_cancel_is_not_sent_again() -> None:
    """A challenge to a CANCEL (§22.1 forbids it) made AssertionError leave the core."""
    peer = account()
    invite = peer.ring()
    peer.answer(invite, 180)
    peer.hang_up()
    challenge(peer, peer.one_request(), MD5, status=401)
    assert peer.starts() == []
    peer.answer(invite, 487)
    assert peer.leg.state == DOWN


def authenticated() -> OneLeg:
    """Up, after one challenge of the proxy."""
    peer = account()
    challenge(peer, peer.ring(), MD5)
    peer.answer(again(peer), 200, body=sdp())
    peer.sent()
    peer.events()
    return peer


def test_later_requests_carry_credentials_and_count() -> None:
    peer = authenticated()
    peer.do(peer.leg.reoffer(described(6000), peer.now))
    reinvite = peer.one_request()
    assert check(reinvite, count=2)["nonce"] == "n1"
    peer.answer(reinvite, 200, body=sdp(4002, 2))
    ack = peer.one_request()
    assert ack.headers["Proxy-Authorization"] == reinvite.headers["Proxy-Authorization"]
    peer.hang_up()
    check(peer.one_request(), count=3)


def test_a_reinvite_is_challenged() -> None:
    peer = authenticated()
    peer.do(peer.leg.reoffer(described(6000), peer.now))
    first = peer.one_request()
    challenge(peer, first, MD5.replace("n1", "n2") + ", stale=true")
    second = again(peer)
    assert check(second)["nonce"] == "n2"
    assert (second.cseq.number, second.body, second.to_tag) == (first.cseq.number + 1, first.body, "theirs")
    peer.answer(second, 200, body=sdp(4002, 2))
    assert (peer.starts(), peer.events(), peer.leg.state) == (["ACK"], [events.Reanswered("call", "a")], UP)


def test_a_reinvite_that_stays_challenged_is_refused() -> None:
    peer = authenticated()
    peer.do(peer.leg.reoffer(described(6000), peer.now))
    challenge(peer, peer.one_request(), MD5)
    (rerefused,) = peer.events()
    assert isinstance(rerefused, events.Rerefused) and rerefused.response.status == 407
    assert peer.leg.state == UP


def test_a_bye_is_challenged() -> None:
    peer = authenticated()
    peer.hang_up()
    challenge(peer, peer.one_request(), MD5.replace("n1", "n2"), status=407)
    bye = again(peer)
    assert (bye.method, check(bye)["nonce"]) == ("BYE", "n2")
    peer.answer(bye, 200)
    assert peer.events() == [events.Down("call", "a")]


def test_a_bye_that_stays_challenged_ends_the_leg() -> None:
    peer = authenticated()
    peer.hang_up()
    challenge(peer, peer.one_request(), MD5)
    assert peer.events() == [events.Down("call", "a")]


def test_an_info_is_challenged() -> None:
    peer = authenticated()
    peer.ask("INFO", 1, b"x", Content_Type="text/plain")
    (informed,) = peer.events()
    assert isinstance(informed, events.Informed)
    peer.do(pass_info(peer.leg, informed.request, "k"))
    challenge(peer, peer.one_request(), MD5.replace("n1", "n2"))
    info = again(peer)
    check(info)
    peer.answer(info, 200)
    (answered,) = peer.events()
    assert isinstance(answered, events.InformAnswered) and answered.key == "k"


def test_the_bye_to_another_fork_is_challenged() -> None:
    """It goes again to that fork, not to the one we talk to."""
    peer = account()
    challenge(peer, peer.ring(), MD5)
    invite = again(peer)
    peer.answer(invite, 200, tag="one", body=sdp())
    peer.sent()
    peer.answer(invite, 200, tag="two", body=sdp(), Contact="<sip:bob@192.0.2.99>")
    _, bye = peer.sent()
    assert isinstance(bye, Request)
    response = bye.response(407)
    response.headers["Proxy-Authenticate"] = [MD5.replace("n1", "n2")]
    actions = peer.receive(bytes(response), PEER, peer.now)
    assert [action.flow.host for action in actions if isinstance(action, Send)] == ["192.0.2.99"]
