"""From one target to the next (RFC 3263 §4.3), with literal targets, responses and times."""

from __future__ import annotations

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.news import CallEnded
from c2c_b2bua.call.order import CallOrder
from c2c_b2bua.dialog.party import Party
from c2c_b2bua.sip.flow import Flow, Interface, Interfaces, Target
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reading import parse
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action, Locate, Send

UDP = Interface("UDP", "192.0.2.1", 5060, 0)
TCP = Interface("TCP", "192.0.2.1", 5060, 1)
TLS = Interface("TLS", "192.0.2.1", 5061, 2)
ONE, TWO, THREE = (Target("UDP", f"192.0.2.{number}", 5060) for number in (11, 12, 13))
SDP = (
    b"v=0\r\no=b 1 1 IN IP4 192.0.2.11\r\ns=-\r\nc=IN IP4 192.0.2.11\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)


class Caller:
    """A B2BUA that calls one phone at a name; `sent` is what went out since it was last asked for."""

    def __init__(self, *targets: Target, core: B2bua | None = None, call_id: str = "call", **party: object) -> None:
        self.core = core or B2bua(Interfaces([UDP, TCP, TLS]), Tokens(b"x" * 32))
        self.now = 0.0
        self.wire: list[tuple[str, Request | Response]] = []
        self.ended: list[CallEnded] = []
        self.targets = targets
        self.call_id = call_id
        a = Party(target="a", uri="sip:a@carrier.example", from_uri="sip:c@example.com", **party)  # type: ignore[arg-type]
        b = Party(target="b", uri="sip:b@192.0.2.99", from_uri="sip:c@example.com")
        self.keep(self.core.connect(CallOrder(call_id=call_id, a=a, b=b), 0.0))

    def keep(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                self.wire.append((action.flow.host, parse(action.data)))
            elif isinstance(action, Locate):
                self.keep(self.core.located(action.ticket, self.targets, self.now))
            elif isinstance(action, CallEnded):
                self.ended.append(action)

    def wait(self, until: float) -> None:
        while (due := self.core.next_due) is not None and due <= until:
            self.now = due
            self.keep(self.core.tick(due))
        self.now = until

    def took(self) -> list[tuple[str, Request]]:
        """(address, request) of what went out."""
        wire, self.wire = self.wire, []
        return [(host, message) for host, message in wire if isinstance(message, Request)]

    def sent(self) -> list[str]:
        return [f"{request.method} {host[-2:]}" for host, request in self.took()]

    def invite(self) -> Request:
        """The newest INVITE."""
        return [request for _, request in self.took() if request.method == "INVITE"][-1]

    def answer(self, request: Request, status: int, tag: str = "t", retry_after: str = "", **headers: str) -> None:
        response = request.response(status, to_tag=tag if status > 100 else "")
        if 100 < status < 300:
            response.headers["Contact"] = ["<sip:a@192.0.2.11:5060>"]
        if status == 200 and request.method == "INVITE":
            response.headers["Content-Type"], response.body = ["application/sdp"], SDP
        if retry_after:
            response.headers["Retry-After"] = [retry_after]
        for name, value in headers.items():
            response.headers[name.replace("_", "-")] = [value]
        self.keep(self.core.receive(bytes(response), Flow(UDP, "192.0.2.11", 5060), self.now))

    def nothing_is_left(self) -> bool:
        self.wait(self.now + 100_000)
        core = self.core
        return not (core.calls or core.legs or core.clients or core.servers or core.timers or core.searches)

    def ends(self) -> list[tuple[str | None, int | None]]:
        return [(news.record.ended_by, news.record.sip_code) for news in self.ended]


# ── silence ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_silent_target_is_left_after_four_seconds() -> None:
    call = Caller(ONE, TWO, THREE)
    first = call.invite()
    call.wait(3.99)
    assert set(call.sent()) == {"INVITE 11"}
    call.wait(4.0)
    ((host, second),) = call.took()
    assert (host, second.method) == ("192.0.2.12", "INVITE")
    assert second.branch != first.branch
    assert (second.call_id, second.from_tag, second.cseq) == (first.call_id, first.from_tag, first.cseq)
    assert len(second.headers["Via"]) == 1
    call.wait(8.0)
    assert set(call.sent()) == {"INVITE 11", "INVITE 12", "INVITE 13"}
    # The last one has all the time that is left. The others hear the same INVITE on, and may still turn up.
    call.wait(29.0)
    assert set(call.sent()) == {"INVITE 11", "INVITE 12", "INVITE 13"}
    assert not call.ended
    assert call.nothing_is_left()
    assert call.ends() == [("timer", 408)]


def test_a_sign_of_life_keeps_it() -> None:
    for status in (100, 180, 183):
        call = Caller(ONE, TWO)
        call.answer(call.invite(), status)
        call.wait(29.0)
        assert call.sent() == []


def test_an_only_target_is_asked_as_ever() -> None:
    call = Caller(ONE)
    call.wait(29.0)
    assert set(call.sent()) == {"INVITE 11"}


def test_nobody_goes_on_for_a_call_that_was_hung_up() -> None:
    call = Caller(ONE, TWO)
    call.keep(call.core.hang_up("call", 1.0))
    call.wait(31.0)
    assert set(call.sent()) == {"INVITE 11"}
    assert call.nothing_is_left()


def test_ringing_after_all_is_cancelled() -> None:
    call = Caller(ONE, TWO)
    first = call.invite()
    call.wait(4.0)
    second = call.invite()
    call.answer(second, 180)
    call.answer(first, 180)
    call.answer(first, 180)
    ((host, cancel),) = call.took()
    assert (host, cancel.method, cancel.branch) == ("192.0.2.11", "CANCEL", first.branch)
    assert cancel.cseq.number == first.cseq.number
    call.answer(cancel, 200)
    call.answer(first, 487)
    assert call.sent() == ["ACK 11"]
    call.answer(second, 486)
    assert call.sent() == ["ACK 12"]
    assert call.ends() == [("a", 486)]
    assert call.nothing_is_left()


def test_an_answer_after_all_is_taken_and_the_other_cancelled() -> None:
    call = Caller(ONE, TWO)
    first = call.invite()
    call.wait(4.0)
    second = call.invite()
    call.answer(second, 180, tag="two")
    call.answer(first, 200, tag="one")
    # The CANCEL, the ACK, and the INVITE of the other leg.
    assert sorted(call.sent()) == ["ACK 11", "CANCEL 12", "INVITE 99"]
    call.answer(second, 487, tag="two")
    assert call.sent() == ["ACK 12"]
    call.answer(first, 200, tag="one")
    assert call.sent() == ["ACK 11"]
    call.keep(call.core.hang_up("call", call.now))
    assert "BYE 11" in call.sent()
    assert call.nothing_is_left()


def test_two_answers() -> None:
    """The second target answers, then the first: a fork, acknowledged and hung up (§13.2.2.4)."""
    call = Caller(ONE, TWO)
    first = call.invite()
    call.wait(4.0)
    call.answer(call.invite(), 200, tag="two")
    call.took()
    call.answer(first, 200, tag="one")
    assert call.sent() == ["ACK 11", "BYE 11"]


def test_an_answer_while_the_other_is_silent() -> None:
    """The other is cancelled once it rings, and not before (§9.1)."""
    call = Caller(ONE, TWO)
    first = call.invite()
    call.wait(4.0)
    second = call.invite()
    call.answer(first, 200, tag="one")
    assert sorted(call.sent()) == ["ACK 11", "INVITE 99"]
    call.answer(second, 180, tag="two")
    assert call.sent() == ["CANCEL 12"]
    call.wait(40.0)
    assert "INVITE 12" not in call.sent()


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_503_is_acknowledged_and_left() -> None:
    call = Caller(ONE, TWO)
    first = call.invite()
    call.answer(first, 503)
    (_, ack), (host, second) = call.took()
    assert (ack.method, ack.branch) == ("ACK", first.branch)
    assert (host, second.method) == ("192.0.2.12", "INVITE")
    assert second.branch != first.branch
    call.answer(first, 503)  # once more: its ACK was lost
    assert call.sent() == ["ACK 11"]
    call.answer(second, 486)
    assert call.ends() == [("a", 486)]
    assert call.nothing_is_left()


def test_503_from_all() -> None:
    call = Caller(ONE, TWO)
    call.answer(call.invite(), 503)
    call.answer(call.invite(), 503)
    assert call.ends() == [("a", 503)]
    assert call.nothing_is_left()


def test_other_refusals_are_final() -> None:
    for status in (302, 404, 408, 480, 486, 500, 502, 504, 600, 603):
        call = Caller(ONE, TWO)
        call.answer(call.invite(), status)
        assert call.sent() == ["ACK 11"]
        assert call.ends() == [("a", status)]


def test_503_once_it_rang_is_final() -> None:
    """Who heard it ring shall not have it ring elsewhere."""
    call = Caller(ONE, TWO)
    first = call.invite()
    call.answer(first, 180)
    call.answer(first, 503)
    assert call.sent() == ["ACK 11"]
    assert call.ends() == [("a", 503)]


def test_a_cancel_waits_for_the_new_target() -> None:
    """The first target said 100, so that the leg would send CANCEL at once; the second has not spoken yet (§9.1)."""
    call = Caller(ONE, TWO)
    first = call.invite()
    call.answer(first, 100)
    call.answer(first, 503)
    second = call.invite()
    call.keep(call.core.hang_up("call", 1.0))
    assert call.sent() == []
    call.answer(second, 100)
    ((host, cancel),) = call.took()
    assert (host, cancel.method, cancel.branch) == ("192.0.2.12", "CANCEL", second.branch)
    call.answer(cancel, 200)
    call.answer(second, 487)
    assert call.ends() == [("api", None)]
    assert call.nothing_is_left()


# ── streams ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_target_that_takes_no_connection() -> None:
    call = Caller(Target("TLS", "192.0.2.11", 5061, "carrier.example"), Target("TCP", "192.0.2.12", 5060), ONE)
    call.took()
    call.keep(call.core.unreachable(Flow(TLS, "192.0.2.11", 5061, 0, "carrier.example"), 0.1))
    ((host, second),) = call.took()
    assert (host, second.via.transport) == ("192.0.2.12", "TCP")
    call.keep(call.core.unreachable(Flow(TCP, "192.0.2.12", 5060), 0.2))
    ((host, third),) = call.took()
    assert (host, third.via.transport) == ("192.0.2.11", "UDP")


def test_too_long_for_udp() -> None:
    """TCP of the first target, its UDP, then the second target; 503 over TCP does not come back by UDP."""
    long = (("X-Long", "x" * 1300),)
    call = Caller(ONE, TWO, headers=long)
    call.took()
    call.keep(call.core.unreachable(Flow(TCP, "192.0.2.11", 5060), 0.1))
    ((host, again),) = call.took()
    assert (host, again.via.transport) == ("192.0.2.11", "UDP")
    call.answer(again, 503)
    _, (host, second) = call.took()
    assert (host, second.via.transport) == ("192.0.2.12", "TCP")
    call.answer(second, 503)
    assert call.ends() == [("a", 503)]
    assert call.sent() == ["ACK 12"]


# ── memory ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_dead_targets_come_last_for_a_minute() -> None:
    call = Caller(ONE, TWO)
    call.wait(4.0)
    call.answer(call.invite(), 486)
    for now, host in ((5.0, "192.0.2.12"), (63.9, "192.0.2.12"), (64.1, "192.0.2.11")):
        core = call.core
        order = CallOrder(
            call_id=f"at {now}",
            a=Party(target="a", uri="sip:a@carrier.example", from_uri="sip:c@example.com"),
            b=Party(target="b", uri="sip:b@192.0.2.99", from_uri="sip:c@example.com"),
        )
        (asked,) = core.connect(order, now)
        assert isinstance(asked, Locate)
        (sent,) = core.located(asked.ticket, (ONE, TWO), now)
        assert isinstance(sent, Send) and sent.flow.host == host


def test_how_long_a_503_wants_to_be_left_alone() -> None:
    call = Caller(ONE, TWO)
    call.answer(call.invite(), 503, retry_after="300;duration=60")
    assert call.core.dead.until == {("UDP", "192.0.2.11", 5060): 300.0}
    call.answer(call.invite(), 503, retry_after="soon")
    assert call.core.dead.until["UDP", "192.0.2.12", 5060] == 60.0


def test_who_answers_is_alive_again() -> None:
    call = Caller(ONE, TWO)
    call.core.dead.add(Flow(UDP, "192.0.2.12", 5060), 0.0)
    call.core.dead.add(Flow(UDP, "192.0.2.13", 5060), 0.0)
    call.answer(call.invite(), 503)
    call.answer(call.invite(), 486)
    assert call.core.dead.until.keys() == {("UDP", "192.0.2.11", 5060), ("UDP", "192.0.2.13", 5060)}


def test_all_dead_are_tried_all_the_same() -> None:
    call = Caller(ONE, TWO)
    call.wait(40.0)
    again = Caller(ONE, TWO, core=call.core, call_id="again")
    assert again.sent() == ["INVITE 11"]


# ── what stays where it was ──────────────────────────────────────────────────────────────────────────────────────────

CHALLENGE = 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5'


def test_credentials_go_to_the_target_that_gave_the_nonce() -> None:
    call = Caller(ONE, TWO, THREE, username="u", password="p")
    call.answer(call.invite(), 503)
    second = call.invite()
    call.answer(second, 407, Proxy_Authenticate=CHALLENGE)
    (_, ack), (host, again) = call.took()
    assert ack.method == "ACK"
    assert (host, again.method, again.cseq.number) == ("192.0.2.12", "INVITE", second.cseq.number + 1)
    assert "Proxy-Authorization" in again.headers
    # … where it also waits when nothing comes.
    call.wait(20.0)
    assert set(call.sent()) == {"INVITE 12"}
    call.answer(again, 180)
    call.keep(call.core.hang_up("call", call.now))
    assert call.sent() == ["CANCEL 12"]


def test_a_sips_uri_gets_a_sips_contact() -> None:
    core = B2bua(Interfaces([UDP, TLS]), Tokens(b"x" * 32))
    party = Party(target="a", uri="sips:a@192.0.2.9", from_uri="sip:c@example.com")
    (sent,) = core.connect(CallOrder(call_id="call", a=party, b=party), 0.0)
    assert isinstance(sent, Send)
    assert sent.flow == Flow(TLS, "192.0.2.9", 5061, 0, "192.0.2.9")
    assert parse(sent.data).headers["Contact"] == ["<sips:c2c@192.0.2.1:5061>"]


# ── responses when their stream is gone (RFC 3261 §18.2.2) ───────────────────────────────────────────────────────────


def test_a_response_finds_its_way_back() -> None:
    """The stream breaks while a request waits: the response goes to the port of sent-by, once."""
    call = Caller(Target("TCP", "192.0.2.11", 5060))
    invite = call.invite()
    call.answer(invite, 200)
    call.took()
    tag = invite.from_tag
    update = (
        f"INVITE sip:c2c@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.11:5070;branch=z9hG4bKre;rport\r\n"
        f"From: <sip:a@carrier.example>;tag=t\r\nTo: <sip:c@example.com>;tag={tag}\r\nCall-ID: {invite.call_id}\r\n"
        f"CSeq: 1 INVITE\r\nContact: <sip:a@192.0.2.11>\r\nContent-Type: application/sdp\r\n"
        f"Content-Length: {len(SDP)}\r\n\r\n"
    ).encode() + SDP
    stream = Flow(TCP, "192.0.2.11", 40001, 7)
    actions = call.core.receive(update, stream, 1.0)
    assert [action.flow for action in actions if isinstance(action, Send)] == [stream]
    assert call.core.unreachable(stream, 1.1) == []
    (server,) = call.core.servers.values()
    assert server.flow == Flow(TCP, "192.0.2.11", 5070)
