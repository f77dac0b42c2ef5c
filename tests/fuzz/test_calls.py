"""Any event in any state of whole calls: nothing is raised, nothing wrong is said, and all comes to an end."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from c2c_b2bua.sip.flow import Flow, Target
from tests.dialog.one_leg import sdp
from tests.fuzz.effort import examples
from tests.fuzz.scene import HOST, UDP, Scene

STATUSES = st.sampled_from([
    100, 180, 180, 183, 199, 200, 200, 200, 202, 299, 302, 400, 401, 407, 408, 415, 420, 421, 422, 480, 481, 486, 487, 488, 491,
    500, 501, 503, 600, 603, 699,
])  # fmt: skip
TAGS = st.sampled_from(["theirs", "theirs", "theirs", "fork", ""])
HELD = sdp(4000, 3, "a=inactive\r\n")
BODIES = st.sampled_from([
    sdp(), sdp(), sdp(), sdp(4002, 2), HELD, sdp(0, 4), sdp(4000, 5, "a=sendonly\r\n"), b"", b"nonsense",
    sdp() + b"m=video 5 RTP/AVP 31\r\n", sdp().replace(b"0 PCMU/8000", b"0 L16/8000"),
    sdp().replace(b"RTP/AVP 0\r\na=rtpmap:0 PCMU/8000", b"RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000"),
    sdp().replace(b"c=IN IP4 192.0.2.9", b"c=IN IP4 0.0.0.0"), sdp().replace(b"RTP/AVP", b"UDP/TLS/RTP/SAVPF"),
])  # fmt: skip
HEADERS = st.fixed_dictionaries({}, optional={
    "Contact": st.sampled_from([
        "<sip:bob@192.0.2.9>", "<sip:bob@192.0.2.9>", "<sip:bob@192.0.2.10:5070;transport=tcp>", "<sip:bob@host.example>",
        "<sip:bob@", "<tel:+1>", "*", "<sips:bob@192.0.2.9>", "<sip:bob@192.0.2.9;method=BYE?Subject=x>",
    ]),
    "Record-Route": st.sampled_from(["<sip:p@192.0.2.8;lr>", "<sip:p@192.0.2.8>", "<sip:p.example;lr>", "p", "<sip:p;lr"]),
    "Allow": st.sampled_from(["INVITE, ACK, BYE, CANCEL", "INVITE, ACK, BYE, CANCEL, UPDATE, REFER, NOTIFY", "UPDATE"]),
    "Require": st.sampled_from(["100rel", "timer", "x"]),
    "RSeq": st.sampled_from(["1", "1", "2", "3", "x", "4294967295"]),
    "Session-Expires": st.sampled_from(["90;refresher=uac", "90;refresher=uas", "20", "x"]),
    "Min-SE": st.sampled_from(["3600", "90", "x"]),
    "Supported": st.sampled_from(["timer", "100rel", "replaces"]),
    "Unsupported": st.sampled_from(["timer", "100rel", "x"]),
    "Retry-After": st.sampled_from(["0", "5", "x"]),
    "Reason": st.sampled_from(["Q.850;cause=17", 'SIP;cause=200;text="elsewhere"', ";;"]),
    "WWW-Authenticate": st.sampled_from(['Digest realm="r", nonce="1"', 'Digest realm="r", nonce="2", qop="auth"', "x"]),
    "Proxy-Authenticate": st.sampled_from(['Digest realm="q", nonce="1"', 'Digest realm="q", nonce="2", algorithm=SHA-256']),
    "Content-Type": st.sampled_from(["application/sdp", "text/plain", "message/sipfrag;version=2.0"]),
    "Content-Disposition": st.sampled_from(["session;handling=optional", "render"]),
})  # fmt: skip
FEW = (
    st.just({})
    | HEADERS
    | HEADERS.map(lambda headers: {"Contact": "<sip:bob@192.0.2.9>", "Allow": headers.get("Allow", "UPDATE")})
)
REFERRALS = st.fixed_dictionaries(
    {
        "Refer-To": st.sampled_from(
            [
                "<sip:c@192.0.2.9>",
                "sip:c@host.example",
                "<sip:c@h?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2>",
                "<",
                "<tel:1>",
            ]
        ),
    },
    optional={
        "Refer-Sub": st.sampled_from(["false", "true"]),
        "Require": st.just("norefersub"),
        "Referred-By": st.just("<sip:b@x>"),
    },
)
NOTICES = st.fixed_dictionaries({
    "Event": st.sampled_from(["refer", "refer", "refer;id=2", "presence", ""]),
    "Content-Type": st.sampled_from(["message/sipfrag;version=2.0", "message/sipfrag", "text/plain"]),
    "Subscription-State": st.sampled_from(["active;expires=60", "terminated;reason=noresource", "pending", ""]),
})  # fmt: skip
FRAGMENTS = st.sampled_from(
    [b"SIP/2.0 100 Trying\r\n", b"SIP/2.0 180 Ringing", b"SIP/2.0 200 OK\r\n", b"SIP/2.0 603 No\r\n", b"", b"x"]
)
PARTIES = st.fixed_dictionaries({}, optional={
    "username": st.just("u"), "delayed_offer": st.just(True), "early_media": st.just(True), "trunk": st.just("t"),
    "uri": st.sampled_from(["sip:x@host.example", f"sip:x@{HOST};transport=tcp", "sips:x@192.0.2.9", "sip:x@[2001:db8::1]"]),
    "next_hop": st.sampled_from(["sip:192.0.2.8;lr", "sip:p.example;lr", "sip:p.example"]),
    "session_expires": st.sampled_from([0, 90]),
    "flow": st.just(Flow(UDP, HOST, 40000)),
})  # fmt: skip
TARGETS = st.lists(st.sampled_from([
    Target("UDP", HOST, 5060), Target("UDP", "192.0.2.10", 5070), Target("TCP", HOST, 5060), Target("TLS", HOST, 5061, "h"),
]), max_size=3)  # fmt: skip
WELL = {"Contact": "<sip:bob@192.0.2.9>", "Allow": "INVITE, ACK, BYE, UPDATE, REFER, NOTIFY"}
WHICH = st.integers(0, 5)
SECONDS = st.sampled_from([0.1, 0.5, 1.0, 5.0, 5.0, 33.0, 90.0])


class CallMachine(RuleBasedStateMachine):
    """Phones that do anything, a directory that knows nothing, and users who change their minds."""

    @initialize(
        keeps=st.booleans(),
        a=PARTIES,
        b=PARTIES,
        beside=st.sampled_from([0, 0, 1]),
        instead=st.sampled_from([0, 0, 2]),
        bridge=st.sampled_from(["reinvite", "reinvite", "refer"]),
        hangs_up=st.booleans(),
        goes_well=st.integers(0, 5),
    )
    def begin(
        self,
        keeps: bool,
        a: dict[str, Any],
        b: dict[str, Any],
        beside: int,
        instead: int,
        bridge: str,
        hangs_up: bool,
        goes_well: int,
    ) -> None:
        """The first phones may do as they should, so that what comes after the bridge is tried as well."""
        self.scene = Scene(keeps)
        self.sequence = 0
        self.hangs_up = hangs_up
        self.scene.connect(a, b, beside, instead, bridge)
        for number in range(goes_well):
            self.answer(0, number % 2)

    @rule(which=st.integers(0, 2), moved=st.integers(0, 1))
    def answer(self, which: int, moved: int) -> None:
        """As a phone should."""
        if self.scene.lookups:
            self.scene.locate(0, [Target("UDP", HOST, 5060)])
        self.scene.respond(which, 200, "theirs", sdp(4000 + 2 * moved), WELL)

    @rule(
        which=st.integers(0, 2),
        method=st.sampled_from(["INVITE", "INVITE", "UPDATE"]),
        port=st.sampled_from([4000, 4002, 4004]),
    )
    def offer(self, which: int, method: str, port: int) -> None:
        """A phone holds, moves or resumes, and does that as it should; the other one answers."""
        self.sequence += 1
        self.scene.ask(which, method, self.sequence, sdp(port, self.sequence), {})
        self.answer(0, 0)
        self.scene.ask(which, "ACK", self.sequence, b"", {})

    @rule(
        method=st.sampled_from(["INVITE", "UPDATE", "INVITE without an offer"]),
        ports=st.permutations([4000, 4002, 4004]),
    )
    def cross(self, method: str, ports: list[int]) -> None:
        """All phones that talk offer, or want an offer, before anybody has answered."""
        name, *without = method.split(" ", 1)
        spoken = list(dict.fromkeys(reversed(self.scene.dialogs)))
        for port, dialog in zip(ports, spoken, strict=False):
            self.sequence += 1
            which = self.scene.dialogs[::-1].index(dialog)
            self.scene.ask(which, name, self.sequence, b"" if without else sdp(port, self.sequence), {})

    @rule(which=WHICH, status=STATUSES, tag=TAGS, body=BODIES, headers=FEW)
    def respond(self, which: int, status: int, tag: str, body: bytes, headers: dict[str, str]) -> None:
        self.scene.respond(which, status, tag, body, headers)

    @rule(
        which=WHICH,
        method=st.sampled_from(["INVITE", "INVITE", "UPDATE", "INFO", "OPTIONS", "BYE", "PRACK", "MESSAGE", "DANCE"]),
        step=st.sampled_from([1, 1, 1, 1, 0, -1, 1000]),
        body=BODIES,
        headers=FEW,
        branch=st.sampled_from(["", "", "", "same"]),
    )
    def ask(self, which: int, method: str, step: int, body: bytes, headers: dict[str, str], branch: str) -> None:
        self.sequence = max(1, self.sequence + step)
        self.scene.ask(which, method, self.sequence, body, headers, branch)

    @rule(which=WHICH, step=st.sampled_from([0, 0, 0, -1]), body=BODIES)
    def acknowledge(self, which: int, step: int, body: bytes) -> None:
        self.scene.ask(which, "ACK", max(1, self.sequence + step), body, {})

    @rule(which=WHICH)
    def cancel(self, which: int) -> None:
        """The last request of the phone is taken back."""
        self.scene.ask(which, "CANCEL", max(1, self.sequence), b"", {}, f"peer{self.scene.count}")

    @rule(which=WHICH, headers=REFERRALS)
    def refer(self, which: int, headers: dict[str, str]) -> None:
        self.sequence += 1
        self.scene.ask(which, "REFER", self.sequence, b"", headers)

    @rule(which=WHICH, headers=NOTICES, body=FRAGMENTS)
    def notify(self, which: int, headers: dict[str, str], body: bytes) -> None:
        self.sequence += 1
        self.scene.ask(which, "NOTIFY", self.sequence, body, headers)

    @rule(
        which=WHICH,
        headers=st.sampled_from(
            [{"From": "<sip:x@y>;tag=z"}, {"To": "<sip:x@y>;tag=z"}, {"To": "<sip:x@y>"}, {"Call-ID": "z"}]
        ),
    )
    def mistake(self, which: int, headers: dict[str, str]) -> None:
        """A request that belongs nowhere."""
        self.scene.ask(which, "BYE", self.sequence + 1, b"", headers)

    @rule(which=WHICH)
    def repeat(self, which: int) -> None:
        self.scene.repeat(which)

    @rule(seconds=SECONDS)
    def wait(self, seconds: float) -> None:
        self.scene.wait(seconds)

    @rule(late=st.sampled_from([0.0, 0.0, 0.3, 40.0]))
    def tick(self, late: float) -> None:
        self.scene.tick(late)

    @rule(which=WHICH, found=TARGETS)
    def locate(self, which: int, found: list[Target]) -> None:
        self.scene.locate(which, found)

    @rule(which=WHICH)
    def break_stream(self, which: int) -> None:
        self.scene.break_stream(which)

    @precondition(lambda self: self.scene.transfers)
    @rule(accept=st.booleans(), party=PARTIES)
    def settle_transfer(self, accept: bool, party: dict[str, Any]) -> None:
        self.scene.settle_transfer(accept, party)

    @precondition(lambda self: self.scene.calls < 3)
    @rule(a=PARTIES, b=PARTIES)
    def connect(self, a: dict[str, Any], b: dict[str, Any]) -> None:
        self.scene.connect(a, b, 0, 0, "reinvite")

    @rule(which=WHICH)
    def hang_up(self, which: int) -> None:
        self.scene.hang_up(which)

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "scene"):
            self.scene.check()

    def teardown(self) -> None:
        if hasattr(self, "scene"):
            self.scene.finish(self.hangs_up)


TestCalls = CallMachine.TestCase
TestCalls.settings = examples(200, steps=25)
