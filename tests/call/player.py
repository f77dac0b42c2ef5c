"""Plays a ladder against the core: what a phone sends is fed in, what we send must be what the ladder says next.

A line is `LEG <- WHAT [LABEL]` (to the phone) or `LEG -> WHAT [LABEL]` (from the phone), WHAT a method or a status
(`487 INVITE` names the request that is answered, when it is not the last one). What comes after two spaces is a comment;
`lost` there loses the message. Other lines: `wait 30 s`, `wait for us`, `api: hang up`, `record: KEY=VALUE …`.

Lines below a message belong to it: `+ NAME: VALUE` puts a header on what a phone sends, in place of one it would send
anyway (`+ tag: VALUE` is the To tag of a response); `= NAME: VALUE` says what a header of what we sent is, all its values
joined by commas (`-`: there is none; `= uri: VALUE` is the Request-URI).

The first line may say, after a `#`, `credentials` (both parties have some), and who else is rung: `a_beside=A2,A3` at once
with A, `b_instead=B2,B3` one after the other when B fails.

LABEL is a session description: `held` is our own first offer, `ours` one at our address that is not held;
`KIND-LEG[N]` is one of a phone at port 3998+2N,
KIND one of `answer`, `offer` (sendrecv), `hold` (sendonly), `held` (recvonly), `silent` (inactive), `none` (port 0),
`pcma` (one codec), `zero` (c=0.0.0.0).
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.news import CallEnded, CallNews
from c2c_b2bua.call.order import CallOrder, Party
from c2c_b2bua.call.record import CallRecord
from c2c_b2bua.sdp import SessionDescription
from c2c_b2bua.sip.flow import Flow, Interface, Interfaces
from c2c_b2bua.sip.message import Request, Response, parse
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action, Send

LINE = re.compile(
    r"\s*(?P<leg>[AB]\d?) (?P<way><-|->) (?P<what>[A-Z]+|\d{3})"
    r"(?: (?P<of>[A-Z]+))?(?: (?P<label>[a-z0-9-]+))?(?:  +(?P<note>.*))?"
)
LABEL = re.compile(r"(?P<kind>[a-z]+)-(?P<leg>[ab])(?P<n>\d*)")
DIRECTIONS = {"hold": "sendonly", "held": "recvonly", "silent": "inactive"}
HOSTS = {"a": "192.0.2.10", "b": "192.0.2.20"}
PORTS = {"A": 5070, "A2": 5072, "A3": 5074, "B": 5080, "B2": 5082, "B3": 5084}
PHONES = {port: name for name, port in PORTS.items()}
OURS = "192.0.2.1"


def description(label: str, version: int = 1) -> str:
    """The SDP that a label names, as its phone would send it."""
    found = LABEL.fullmatch(label)
    assert found, f"no description is called {label!r}"
    kind, leg, n = found["kind"], found["leg"], int(found["n"] or 1)
    port = 0 if kind == "none" else 3998 + 2 * n
    address = "0.0.0.0" if kind == "zero" else HOSTS[leg]
    codecs = ["8"] if kind == "pcma" else ["0", "8", "101"]
    lines = [
        "v=0",
        f"o=phone {ord(leg)} {version} IN IP4 {HOSTS[leg]}",
        "s=-",
        f"c=IN IP4 {address}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {' '.join(codecs)}",
        *[
            f"a=rtpmap:{number} {name}"
            for number, name in (("0", "PCMU/8000"), ("8", "PCMA/8000"), ("101", "telephone-event/8000"))
            if number in codecs
        ],
    ]
    if kind in DIRECTIONS:
        lines.append(f"a={DIRECTIONS[kind]}")
    return "\r\n".join(lines) + "\r\n"


@dataclass
class PhoneMemory:
    """What a phone has to remember to speak: made of plain text, so that it shares no code with what it tests."""

    name: str
    port: int
    tag: str
    received: list[Request] = field(default_factory=list)
    sequence: int = 100
    sent: dict[str, str] = field(default_factory=dict)
    remote: str = ""
    local: str = ""
    call_id: str = ""
    target: str = ""
    version: int = 0
    branches: int = 0
    invite: tuple[str, int] = ("", 0)
    refused: bool = False
    offered_inactive: bool = False
    origins: list[tuple[int, str]] = field(default_factory=list)


class Player:
    """One call on one core; `play` takes a ladder, `finish` checks that nothing was left over."""

    def __init__(self, **order: object) -> None:
        interfaces = Interfaces([Interface("UDP", OURS, 5060)])
        self.interface = interfaces.interfaces[0]
        self.core = B2bua(interfaces, Tokens(b"ladder"))
        self.now = 1000.0
        self.ends = {name: PhoneMemory(name, port, f"tag-{name.lower()}") for name, port in PORTS.items()}
        self.out: list[tuple[str, Request | Response]] = []
        self.news: list[CallNews] = []
        self.raw: list[bytes] = []
        self.headers: list[tuple[str, str]] = []
        """What the lines below the present one say."""
        party = {"ring_timeout": 30.0, "from_uri": "sip:caller@acme.example.com"}
        credentials = order.pop("credentials", {})

        def phone(name: str) -> Party:
            uri = f"sip:{name.lower()}@{HOSTS[name[0].lower()]}:{PORTS[name]}"
            return Party(target=f"phone {name}", uri=uri, **party, **credentials)  # type: ignore[arg-type]

        for field_name in ("a_beside", "b_beside"):
            order[field_name] = tuple(phone(name) for name in order.get(field_name, ()))  # type: ignore[attr-defined]
        for field_name in ("a_instead", "b_instead"):
            order[field_name] = tuple((phone(name),) for name in order.get(field_name, ()))  # type: ignore[attr-defined]
        self.order = CallOrder(
            call_id="c2c-ladder",
            a=Party(target="1001", uri="sip:1001@192.0.2.10:5070", **party, **credentials),  # type: ignore[arg-type]
            b=Party(target="2001", uri="sip:2001@192.0.2.20:5080", **party, **credentials),  # type: ignore[arg-type]
            **order,  # type: ignore[arg-type]
        )
        self.take(self.core.connect(self.order, self.now))

    # ── the core's side ──────────────────────────────────────────────────────────────────────────────────────────

    def take(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                message = parse(action.data)
                self.raw.append(action.data)
                self.out.append((PHONES[action.flow.port], message))
            else:
                assert isinstance(action, CallNews), action
                self.news.append(action)

    def feed(self, leg: str, text: str) -> None:
        flow = Flow(self.interface, HOSTS[leg[0].lower()], self.ends[leg].port)
        self.take(self.core.receive(text.encode(), flow, self.now))

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        while (due := self.core.next_due) is not None and due <= until:
            self.now = max(self.now, due)
            self.take(self.core.tick(self.now))
        self.now = until

    def wait_for_us(self) -> None:
        """Let time pass until we send something."""
        assert not self.out, "we have spoken already"
        while not self.out:
            assert self.core.next_due is not None, "we never say anything"
            self.pass_time(max(0.0, self.core.next_due - self.now))

    # ── the ladder ───────────────────────────────────────────────────────────────────────────────────────────────

    def play(self, ladder: str) -> None:
        expectations: list[str] = []
        lines = ladder.splitlines()
        for number, line in enumerate(lines, 1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            if text[:2] in ("+ ", "= "):
                continue
            below = itertools.takewhile(lambda other: other[:2] in ("+ ", "= "), map(str.strip, lines[number:]))
            self.headers = [(name, value) for name, _, value in (other[2:].partition(": ") for other in below)]
            try:
                if text == "wait for us":
                    self.wait_for_us()
                elif text.startswith("wait "):
                    self.pass_time(float(text.split()[1]))
                elif text == "api: hang up":
                    self.take(self.core.hang_up(self.order.call_id, self.now))
                elif text.startswith("record:"):
                    expectations += text.removeprefix("record:").split()
                else:
                    self.play_line(line)
            except AssertionError as error:
                left = "\n".join(f"    {leg} <- {message.start_line()}" for leg, message in self.out)
                raise AssertionError(
                    f"line {number}: {text}\n  {error}\n  we sent, not yet in the ladder:\n{left}"
                ) from error
        self.expect_record(expectations)

    def play_line(self, line: str) -> None:
        found = LINE.fullmatch(line)
        assert found, "not a line of a ladder"
        leg, label, lost = found["leg"], found["label"], "lost" in (found["note"] or "")
        if found["way"] == "<-":
            self.expect(leg, found["what"], found["of"], label, lost)
        elif found["what"].isdigit():
            self.send_response(leg, int(found["what"]), found["of"], label, lost)
        else:
            self.send_request(leg, found["what"], label, lost)

    def expect(self, leg: str, what: str, of: str | None, label: str | None, lost: bool) -> None:
        """We must have sent this to that leg, before anything else to it."""
        end = self.ends[leg]
        index = next((index for index, (to, _) in enumerate(self.out) if to == leg), None)
        assert index is not None, f"nothing was sent to {leg}"
        _, message = self.out.pop(index)
        if isinstance(message, Request):
            assert message.method == what, f"sent {message.start_line()}"
            if not lost:
                end.received.append(message)
                end.call_id, end.remote, end.local = (
                    message.call_id,
                    message.headers["From"][0],
                    message.headers["To"][0],
                )
                if message.contact:
                    end.target = str(message.contact.uri)
        else:
            assert str(message.status) == what, f"sent {message.start_line()}"
            assert of in (None, message.cseq.method), f"answered {message.cseq.method}"
            if message.cseq.method == "INVITE":
                end.refused = message.status >= 300
        for name, value in self.headers:
            seen = ", ".join(message.headers.get(name, [])) or "-"
            got = message.uri if name == "uri" and isinstance(message, Request) else seen
            assert got == value, f"{name} is {got}"
        if label is not None:
            self.expect_description(end, message, label, lost)
        elif what not in ("INFO",):
            assert not message.body, f"sent a body: {message.body!r}"

    def expect_description(self, end: PhoneMemory, message: Request | Response, label: str, lost: bool) -> None:
        got = SessionDescription.parse(message.body)
        if label == "ours":
            assert (got.direction, got.address_of(got.media[0])) == ("sendrecv", OURS)
        elif label == "held":
            assert got.direction == "inactive", f"direction is {got.direction}"
            assert got.address_of(got.media[0]) == OURS
        else:
            wanted = SessionDescription.parse(description(label).encode())
            assert got.direction == wanted.direction, f"direction {got.direction}, not {wanted.direction}"
            for mine, theirs in zip(got.media, wanted.media, strict=True):
                assert (mine.port, mine.codecs) == (theirs.port, theirs.codecs), f"{mine} instead of {theirs}"
                assert got.address_of(mine) == wanted.address_of(theirs), got.address_of(mine)
        end.offered_inactive = got.direction == "inactive"
        if not lost:
            # o= is ours, one session for the whole leg, and rises by one per change and only then (RFC 3264 §8).
            origin, said = got.origin, str(got.with_origin(got.origin.next())).split("\r\n", 2)[2]
            assert origin.address == OURS
            if end.origins and (origin.version, said) != end.origins[-1]:
                before_version, before = end.origins[-1]
                assert origin.version == before_version + (said != before), "the version of o= is wrong"
            end.origins.append((origin.version, said))

    def send_response(self, leg: str, status: int, of: str | None, label: str | None, lost: bool) -> None:
        end = self.ends[leg]
        candidates = [request for request in end.received if of in (None, request.method) and request.method != "ACK"]
        assert candidates, f"{leg} has no request to answer"
        request = candidates[-1]
        if lost:
            return
        to = request.headers["To"][0]
        if ";tag=" not in to and status > 100:
            to += f";tag={dict(self.headers).get('tag', end.tag)}"
        lines = [f"SIP/2.0 {status} {'Fine' if status < 300 else 'No'}"]
        lines += [f"Via: {value}" for value in request.headers["Via"]]
        lines += [f"From: {request.headers['From'][0]}", f"To: {to}", f"Call-ID: {request.call_id}"]
        lines += [f"CSeq: {request.headers['CSeq'][0]}"]
        if status < 300 and request.method in ("INVITE", "UPDATE"):
            lines.append(f"Contact: <sip:{leg.lower()}@{HOSTS[leg[0].lower()]}:{end.port}>")
        if status in (401, 407):
            name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
            nonce = f"nonce{len(end.received)}"
            lines.append(f'{name}: Digest realm="carrier", nonce="{nonce}", algorithm=MD5, qop="auth"')
        body = ""
        if label is not None:
            end.version += 1
            body = description(label, end.version)
            if end.offered_inactive and not body.endswith("inactive\r\n"):
                body += "a=inactive\r\n"
            lines.append("Content-Type: application/sdp")
        self.feed(leg, self.message(lines, body))

    def message(self, lines: list[str], body: str) -> str:
        """The text of a message, with the headers of the lines below."""
        names = {name for name, _ in self.headers}
        lines = [line for line in lines if line.partition(":")[0] not in names]
        lines += [f"{name}: {value}" for name, value in self.headers if name != "tag"]
        return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body])

    def send_request(self, leg: str, method: str, label: str | None, lost: bool) -> None:
        end = self.ends[leg]
        if method not in ("ACK", "CANCEL"):
            end.sequence += 1
            end.branches += 1
        branch, sequence = f"z9hG4bK{leg}{end.branches}", end.sequence
        if method == "INVITE":
            end.invite = (branch, sequence)
        elif method == "ACK":
            # The ACK of a refusal belongs to the INVITE's transaction, that of a 200 is one of its own.
            branch, sequence = end.invite if end.refused else (f"{branch}ack", end.invite[1])
        host = HOSTS[leg[0].lower()]
        local = end.local if ";tag=" in end.local else f"{end.local};tag={end.tag}"
        lines = [
            f"{method} {end.target} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:{end.port};branch={branch};rport",
            "Max-Forwards: 70",
            f"From: {local}",
            f"To: {end.remote}",
            f"Call-ID: {end.call_id}",
            f"CSeq: {sequence} {method}",
        ]
        body = ""
        if method in ("INVITE", "UPDATE"):
            lines.append(f"Contact: <sip:{leg.lower()}@{host}:{end.port}>")
        if label is not None:
            end.version += 1
            body = description(label, end.version)
            lines.append("Content-Type: application/sdp")
        elif method == "INFO":
            body = "Signal=5\r\n"
            lines.append("Content-Type: application/dtmf-relay")
        if not lost:
            self.feed(leg, self.message(lines, body))

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def record(self) -> CallRecord:
        ended = [news for news in self.news if isinstance(news, CallEnded)]
        assert len(ended) == 1, f"the call ended {len(ended)} times"
        return ended[0].record

    def expect_record(self, expectations: list[str]) -> None:
        for expectation in expectations:
            path, _, wanted = expectation.partition("=")
            leg, dot, name = path.partition(".")
            part: object = self.record
            if dot:
                part = next(entry for entry in self.record.legs if entry.leg == leg)
            got = getattr(part, name if dot else path)
            assert str(got) == wanted, f"record: {path} is {got}, not {wanted}"

    def finish(self) -> None:
        """All that was sent was in the ladder; with time nothing more comes, and nothing stays alive."""
        assert not self.out, [f"{leg} <- {message.start_line()}" for leg, message in self.out]
        self.pass_time(100_000)
        assert not self.out, f"still talking: {[message.start_line() for _, message in self.out]}"
        core = self.core
        assert not (core.calls or core.legs or core.clients or core.servers or core.open_clients or core.timers)
        assert self.record.ended_at is not None
