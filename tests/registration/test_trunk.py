"""A trunk that we register with and ask whether it is there: what is sent, what is told, what time does."""

from __future__ import annotations

import pytest

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.registration.registration import Identity
from c2c_b2bua.registration.trunk import TrunkChanged, TrunkLine, TrunkOrder
from c2c_b2bua.sip.flow import Flow, Interface, Interfaces
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reading import parse
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action, Send, SendRequest, StartTimer, Work

NOW = 1000.0
KEY = "trunk carrier"
CHALLENGE = 'Digest realm="carrier", nonce="n1", qop="auth", algorithm=MD5'
IDENTITY = Identity(
    user="acme", domain="carrier.example", registrar="sip:192.0.2.9", username="acme", password="secret"
)
REGISTER = TrunkOrder(trunk="carrier", proxy="sip:192.0.2.9", from_uri="sip:acme@carrier.example", identity=IDENTITY)
OPTIONS = TrunkOrder(trunk="carrier", proxy="sip:192.0.2.9;lr", from_uri="sip:acme@x", options_interval=60.0)


def answer(request: Request, status: int, **headers: str) -> Response:
    response = request.response(status, to_tag="theirs")
    for name, value in headers.items():
        response.headers[name.replace("_", "-")] = [value]
    return response


# ── is it there? ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Probed:
    """A line that only asks, and what becomes of its requests."""

    def __init__(self, order: TrunkOrder = OPTIONS) -> None:
        self.line = TrunkLine(order, Tokens(b"x"))
        self.requests: list[Request] = []
        self.timers: list[StartTimer] = []
        self.news: list[TrunkChanged] = []
        self.take(self.line.start(NOW))

    def take(self, work: Work) -> None:
        for action in work:
            if isinstance(action, SendRequest):
                action.request.headers["Via"] = ["SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"]
                self.requests.append(action.request)
            elif isinstance(action, StartTimer):
                self.timers.append(action)
            else:
                assert isinstance(action, TrunkChanged)
                self.news.append(action)

    def answer(self, status: int, now: float, which: int = -1, is_local: bool = False) -> None:
        request = self.requests[which]
        self.take(self.line.responded(request, answer(request, status), is_local, now))

    def due(self, now: float) -> None:
        """The timer that was set last."""
        self.take(self.line.timer(self.timers[-1].name, now))

    @property
    def is_there(self) -> bool | None:
        return self.news[-1].is_there if self.news else None


def test_what_is_asked() -> None:
    probed = Probed()
    (request,) = probed.requests
    assert (request.method, request.uri) == ("OPTIONS", "sip:192.0.2.9;lr")
    assert (request.get("To"), request.get("CSeq")) == ("<sip:192.0.2.9;lr>", "1 OPTIONS")
    assert str(request.get("From")).startswith("<sip:acme@x>;tag=")
    assert probed.timers == [StartTimer(KEY, "overdue 1", NOW + 5)]
    assert probed.is_there is None


@pytest.mark.parametrize("status", [200, 302, 401, 403, 404, 405, 407, 481, 486, 500, 501, 600])
def test_any_word_is_a_sign_of_life(status: int) -> None:
    probed = Probed()
    probed.answer(status, NOW + 0.1)
    assert probed.news == [TrunkChanged("carrier", NOW + 0.1, None, True)]
    assert probed.timers[-1].name == "probe 1"
    assert 54 <= probed.timers[-1].at - NOW <= 66.1


@pytest.mark.parametrize(("status", "reason"), [(503, "Service Unavailable"), (408, "Request Timeout")])
def test_but_not_these(status: int, reason: str) -> None:
    probed = Probed()
    probed.answer(status, NOW + 0.1)
    assert (probed.is_there, probed.timers[-1]) == (None, StartTimer(KEY, "probe 1", NOW + 10.1))
    probed.due(NOW + 10.1)
    probed.answer(status, NOW + 10.2)
    assert probed.news == [TrunkChanged("carrier", NOW + 10.2, None, False, f"OPTIONS: {status} {reason}")]


def test_silence_twice_is_down_and_one_answer_is_up() -> None:
    probed = Probed()
    probed.due(NOW + 5)
    assert (probed.is_there, probed.timers[-1]) == (None, StartTimer(KEY, "probe 1", NOW + 15))
    probed.due(NOW + 15)
    assert probed.timers[-1] == StartTimer(KEY, "overdue 2", NOW + 20)
    probed.due(NOW + 20)
    assert probed.news == [TrunkChanged("carrier", NOW + 20, None, False, "no answer to OPTIONS")]
    probed.due(NOW + 30)
    probed.due(NOW + 35)
    assert len(probed.news) == 1, "it is no news that it is still down"
    probed.due(NOW + 45)
    probed.answer(200, NOW + 45.1)
    assert probed.news[1:] == [TrunkChanged("carrier", NOW + 45.1, None, True)]
    probed.due(NOW + 105)
    probed.due(NOW + 110)
    assert probed.is_there is True, "one miss is none"


def test_an_answer_that_comes_late_counts() -> None:
    probed = Probed()
    probed.due(NOW + 5)
    probed.due(NOW + 15)
    probed.due(NOW + 20)
    timers = len(probed.timers)
    probed.answer(200, NOW + 21, which=0)
    assert (probed.is_there, len(probed.timers)) == (True, timers), "the next one is arranged for already"


def test_what_timer_f_says_in_the_end_is_counted_once() -> None:
    probed = Probed()
    probed.due(NOW + 5)
    probed.answer(408, NOW + 32, which=0, is_local=True)
    assert probed.is_there is None
    assert probed.line.misses == 1


def test_a_short_interval_is_kept_when_it_is_down() -> None:
    probed = Probed(TrunkOrder(trunk="carrier", proxy="sip:192.0.2.9", from_uri="sip:x@y", options_interval=2.0))
    probed.due(NOW + 5)
    assert probed.timers[-1].at == NOW + 7


def test_once_stopped_it_asks_no_more() -> None:
    probed = Probed()
    probed.answer(200, NOW)
    assert not probed.line.is_over
    assert probed.line.stop(NOW) == []
    assert probed.line.is_over
    assert probed.line.timer(probed.timers[-1].name, NOW + 60) == []
    assert probed.line.responded(probed.requests[0], answer(probed.requests[0], 200), False, NOW) == []


# ── registered, in the core ──────────────────────────────────────────────────────────────────────────────────────────

HERE = Interface("UDP", "192.0.2.1", 5060)
CARRIER = Flow(HERE, "192.0.2.9", 5060)


class Registering:
    """The core with one trunk, and a carrier that a test plays."""

    def __init__(self, order: TrunkOrder = REGISTER) -> None:
        self.core = B2bua(Interfaces([HERE]), Tokens(b"x"))
        self.now = NOW
        self.sent: list[Request] = []
        self.news: list[TrunkChanged] = []
        self.take(self.core.watch([order], NOW))

    def take(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                message = parse(action.data)
                assert isinstance(message, Request)
                if not self.sent or message.branch != self.sent[-1].branch:
                    self.sent.append(message)
            else:
                assert isinstance(action, TrunkChanged)
                self.news.append(action)

    def answer(self, status: int, **headers: str) -> None:
        self.take(self.core.receive(bytes(answer(self.sent[-1], status, **headers)), CARRIER, self.now))

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while (due := self.core.next_due) is not None and due <= until:
            self.now = due
            self.take(self.core.tick(due))
        self.now = until

    @property
    def state(self) -> tuple[bool | None, str]:
        return self.news[-1].is_registered, self.news[-1].reason


def test_registered_renewed_and_left() -> None:
    play = Registering()
    assert play.state == (False, "registering")
    assert play.sent[0].get("Contact") == "<sip:c2c@192.0.2.1:5060>", "where calls of this engine are"
    play.answer(401, WWW_Authenticate=CHALLENGE)
    assert "Authorization" in play.sent[1].headers
    play.answer(200, Contact="<sip:c2c@192.0.2.1:5060>;expires=120")
    assert play.news[1:] == [TrunkChanged("carrier", NOW, True, None, "", NOW + 120)]
    play.wait(59)
    assert len(play.sent) == 2
    play.wait(1)
    assert "Authorization" in play.sent[2].headers
    play.answer(200, Contact="<sip:c2c@192.0.2.1:5060>;expires=120")
    assert play.news[-1].until == NOW + 180
    play.take(play.core.leave(play.now))
    assert play.sent[3].get("Expires") == "0"
    play.answer(200)
    assert play.state == (False, "unregistered")
    assert all(line.is_over for line in play.core.lines.values())
    play.wait(10_000)
    assert len(play.sent) == 4
    assert not play.core.timers and not play.core.clients


def test_a_stale_nonce_is_no_refusal() -> None:
    play = Registering()
    play.answer(401, WWW_Authenticate=CHALLENGE)
    play.answer(401, WWW_Authenticate=CHALLENGE.replace("n1", "n2") + ", stale=true")
    assert 'nonce="n2"' in play.sent[2].headers["Authorization"][0]
    play.answer(200)
    assert play.state == (True, "")


def test_too_brief() -> None:
    play = Registering()
    play.answer(423, Min_Expires="7200")
    assert play.sent[1].get("Expires") == "7200"
    play.answer(200)
    assert play.news[-1].until == NOW + 7200


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, "REGISTER: 401 Unauthorized"), (403, "REGISTER: 403 Forbidden"), (302, "REGISTER: 302")],
)
def test_refused_is_said_and_left_alone_for_an_hour(status: int, reason: str) -> None:
    play = Registering()
    play.answer(401, WWW_Authenticate=CHALLENGE)
    play.answer(status, WWW_Authenticate=CHALLENGE, Contact="<sip:elsewhere.example>")
    assert play.state[0] is False
    assert play.state[1].startswith(reason)
    assert play.news[-1].again_at == NOW + 3600
    play.wait(3599)
    assert len(play.sent) == 2
    play.wait(1)
    assert len(play.sent) == 3
    play.answer(200)
    assert play.state == (True, "")


def test_a_refusal_in_latin_1_can_be_read() -> None:
    play = Registering()
    refusal = bytes(answer(play.sent[-1], 403)).replace(b"403 Forbidden", b"403 Gesperrt f\xfcr alle")
    play.take(play.core.receive(refusal, CARRIER, NOW))
    assert play.state == (False, "REGISTER: 403 Gesperrt f\ufffdr alle")


def test_503_with_retry_after() -> None:
    play = Registering()
    play.answer(503, Retry_After="7")
    assert (play.state, play.news[-1].again_at) == ((False, "REGISTER: 503 Service Unavailable"), NOW + 7)
    play.wait(7)
    assert len(play.sent) == 2


def test_a_registrar_that_never_answers_is_asked_ever_more_seldom() -> None:
    play = Registering()
    play.wait(8 * 3600)
    assert play.state == (False, "REGISTER: 408 Request Timeout")
    assert 15 <= len(play.sent) <= 45, "as often as not half an hour apart"
    at = play.news[-1].again_at
    assert at is not None
    assert at - play.news[-1].at <= 1800


def test_left_while_it_waits() -> None:
    play = Registering()
    play.answer(503, Retry_After="7")
    play.take(play.core.leave(play.now))
    assert all(line.is_over for line in play.core.lines.values())
    play.wait(100)
    assert len(play.sent) == 1


def test_both_at_once() -> None:
    order = TrunkOrder(
        trunk="carrier", proxy="sip:192.0.2.9", from_uri="sip:x@y", identity=IDENTITY, options_interval=60.0
    )
    play = Registering(order)
    assert [request.method for request in play.sent] == ["REGISTER", "OPTIONS"]
    play.answer(200)
    assert play.news[-1] == TrunkChanged("carrier", NOW, False, True, "registering")


def test_a_call_from_the_registrar_is_refused() -> None:
    play = Registering()
    play.answer(200)
    invite = (
        "INVITE sip:c2c@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK7\r\nFrom: <sip:x@y>;tag=x\r\n"
        "To: <sip:c2c@192.0.2.1>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContact: <sip:x@192.0.2.9>\r\n\r\n"
    )
    (action,) = [action for action in play.core.receive(invite.encode(), CARRIER, NOW) if isinstance(action, Send)]
    refusal = parse(action.data)
    assert isinstance(refusal, Response)
    assert refusal.status >= 400
    assert not play.core.legs
