"""Any event in any state: the offer/answer machine and one leg stay legal, and nothing is raised."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from c2c_b2bua.dialog import events
from c2c_b2bua.dialog.info import pass_info
from c2c_b2bua.dialog.leg import CANCELLING, DOWN, ENDING, IDLE, INVITING, RINGING, UP
from c2c_b2bua.dialog.offer_answer import ASKED, OFFERED, STABLE, OfferAnswer
from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.message import Request
from c2c_b2bua.sip.reading import parse
from tests.dialog.one_leg import OneLeg, described, sdp
from tests.fuzz.effort import examples

MODEST = examples(120, steps=25)
PORTS = st.sampled_from([4000, 4002, 4004])
STATUSES = st.sampled_from(
    [100, 180, 183, 200, 202, 302, 401, 407, 408, 420, 421, 422, 481, 486, 487, 491, 500, 503, 603]
)
BODIES = st.sampled_from([b"", sdp(), sdp(4002, 2), sdp() + b"m=video 5 RTP/AVP 31\r\n", b"nonsense"])
CHALLENGES = st.sampled_from(["", 'Digest realm="r", nonce="1"', 'Digest realm="r", nonce="2", qop="auth"', "nonsense"])

EXTENSIONS = st.sampled_from([
    {}, {}, {}, {"Require": "100rel", "RSeq": "1"}, {"Require": "100rel", "RSeq": "2"}, {"Require": "100rel", "RSeq": "x"},
    {"Session-Expires": "90;refresher=uac"}, {"Session-Expires": "90;refresher=uas", "Allow": "UPDATE"},
    {"Session-Expires": "20", "Supported": "timer"}, {"Min-SE": "3600"}, {"Session-Expires": "x"},
    {"Unsupported": "100rel", "Require": "timer"}, {"Unsupported": "timer", "Require": "100rel"},
])  # fmt: skip


class OfferAnswerMachine(RuleBasedStateMachine):
    """Beside a model: who owes an answer, and what was said last."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = OfferAnswer()
        self.state = STABLE
        self.said: int | None = None
        self.version = 0

    def say(self, port: int) -> None:
        if port != self.said:
            self.said, self.version = port, self.version + 1

    @precondition(lambda self: self.state == STABLE)
    @rule(port=PORTS)
    def offer(self, port: int) -> None:
        self.machine.offer(described(port))
        self.state = OFFERED
        self.say(port)

    @precondition(lambda self: self.state == OFFERED)
    @rule(port=PORTS, streams=st.sampled_from([0, 1, 2]))
    def answered(self, port: int, streams: int) -> None:
        answer = described(port)
        try:
            self.machine.answered(type(answer)(answer.origin, answer.lines, answer.media * streams))
            assert streams and self.machine.remote == answer
        except SipError as error:
            assert (streams, error.status) == (0, 488)
        self.state = STABLE

    @precondition(lambda self: self.state == OFFERED)
    @rule()
    def refused(self) -> None:
        self.machine.refused()
        self.state = STABLE

    @rule(port=PORTS)
    def ask(self, port: int) -> None:
        try:
            self.machine.ask(described(port))
            assert self.state == STABLE
            self.state = ASKED
        except SipError as error:
            assert {OFFERED: 491, ASKED: 500}[self.state] == error.status

    @precondition(lambda self: self.state == ASKED)
    @rule(port=PORTS)
    def answer(self, port: int) -> None:
        asked = self.machine.offered
        self.machine.answer(described(port))
        assert self.machine.remote == asked
        self.state = STABLE
        self.say(port)

    @precondition(lambda self: self.state == ASKED)
    @rule()
    def decline(self) -> None:
        self.machine.decline()
        self.state = STABLE

    @invariant()
    def agrees(self) -> None:
        assert self.machine.state == self.state
        assert (self.machine.offered is not None) == (self.state == ASKED)
        local = self.machine.local
        assert (local is not None) == (self.said is not None)
        if local is not None:
            assert (local.media[0].port, local.origin.version) == (self.said, self.version)


class LegMachine(RuleBasedStateMachine):
    """A peer that says anything at any time, and a call that does whatever the leg lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.requests: list[Request] = []
        self.waiting: dict[str, events.LegEvent] = {}
        self.ends = 0

    @initialize(account=st.booleans())
    def start(self, account: bool) -> None:
        self.peer = OneLeg(username="u" if account else "", password="p")
        self.requests.append(self.peer.ring())

    def look(self) -> None:
        """What went out can be read; what was told is remembered."""
        for data in self.peer.wire:
            message = parse(data)
            message.check()
            if isinstance(message, Request) and message.method != "ACK":
                self.requests.append(message)
        self.peer.wire.clear()
        for event in self.peer.events():
            if isinstance(event, events.Offered | events.OfferWanted):
                self.waiting[event.key] = event
            self.ends += isinstance(event, events.Down | events.HungUp | events.Refused)

    @rule(
        which=st.integers(0, 30), status=STATUSES, tag=st.sampled_from(["theirs", "fork", ""]), body=BODIES,
        challenge=CHALLENGES, contact=st.sampled_from(["", "<sip:bob@", "<tel:+1>", "<sip:bob@192.0.2.9;lr>"]),
        extensions=EXTENSIONS,
    )  # fmt: skip
    def respond(
        self, which: int, status: int, tag: str, body: bytes, challenge: str, contact: str, extensions: dict[str, str]
    ) -> None:
        request = self.requests[-1 - which % min(3, len(self.requests))]
        headers = extensions | ({"Contact": contact} if contact else {})
        if challenge:
            headers |= {"WWW-Authenticate": challenge, "Proxy-Authenticate": challenge}
        self.peer.answer(request, status, tag, body, **headers)
        self.look()

    @precondition(lambda self: self.peer.leg.dialog is not None)
    @rule(
        method=st.sampled_from(["INVITE", "UPDATE", "INFO", "OPTIONS", "BYE", "ACK", "CANCEL", "PRACK", "DANCE"]),
        step=st.sampled_from([1, 1, 1, 0, -1]), body=BODIES, branch=st.sampled_from(["", "", "same"]),
        extensions=EXTENSIONS,
    )  # fmt: skip
    def ask(self, method: str, step: int, body: bytes, branch: str, extensions: dict[str, str]) -> None:
        if method not in ("ACK", "CANCEL"):
            self.number = max(1, self.number + step)
        self.peer.ask(method, max(1, self.number), body, branch, **extensions)
        self.look()

    @rule(seconds=st.sampled_from([0.1, 0.5, 5.0, 33.0, 900.0]))
    def wait(self, seconds: float) -> None:
        self.peer.wait(self.peer.now + seconds)
        self.look()

    @precondition(lambda self: self.peer.leg.can_offer)
    @rule(port=PORTS, method=st.sampled_from(["INVITE", "UPDATE"]))
    def reoffer(self, port: int, method: str) -> None:
        self.peer.do(self.peer.leg.reoffer(described(port), self.peer.now, method))
        self.look()

    @precondition(lambda self: any(key in self.peer.leg.pending for key in self.waiting))
    @rule(port=PORTS, accept=st.booleans())
    def settle(self, port: int, accept: bool) -> None:
        leg = self.peer.leg
        key = next(key for key in self.waiting if key in leg.pending)
        event = self.waiting.pop(key)
        if accept and isinstance(event, events.Offered):
            self.peer.do(leg.answer(key, described(port), self.peer.now))
        elif accept and leg.can_offer:
            self.peer.do(leg.offer_in_answer(key, described(port), self.peer.now))
        else:
            self.peer.do(leg.refuse(key, 488))
        self.look()

    @precondition(lambda self: self.peer.leg.state == UP)
    @rule()
    def inform(self) -> None:
        self.peer.do(pass_info(self.peer.leg, self.requests[0], "other"))
        self.look()

    @rule()
    def hang_up(self) -> None:
        self.peer.hang_up()
        self.look()

    @invariant()
    def is_legal(self) -> None:
        leg = self.peer.leg
        assert leg.state in (IDLE, INVITING, RINGING, CANCELLING, UP, ENDING, DOWN)
        assert leg.media.state in (STABLE, OFFERED, ASKED)
        if leg.state in (UP, ENDING):
            assert leg.dialog is not None
        if leg.state == DOWN:
            assert leg.ended_at is not None and leg.why is not None
            assert not leg.pending and leg.unacked is None
        if leg.can_offer:
            assert leg.state == UP and leg.media.state == STABLE

    def teardown(self) -> None:
        """Left alone, a leg that was hung up comes down, was told so, and leaves nothing behind."""
        if not hasattr(self, "peer"):
            return
        self.peer.hang_up()
        self.look()
        self.peer.wait(self.peer.now + 1000.0)
        self.look()
        assert self.peer.leg.state == DOWN
        assert self.ends >= 1
        assert not (self.peer.clients or self.peer.servers or self.peer.timers or self.peer.leg.pending)


TestOfferAnswer = OfferAnswerMachine.TestCase
TestOfferAnswer.settings = MODEST
TestLeg = LegMachine.TestCase
TestLeg.settings = MODEST
