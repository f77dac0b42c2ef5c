"""What a phone of a ladder remembers, and the messages that it makes of it: plain text, that shares no code with what it tests.

A label is a session description: `held` is our own first offer, `ours` one at our address that is not held, `refused` our
answer that takes no stream;
`KIND-LEG[N]` is one of a phone at port 3998+2N,
KIND one of `answer`, `offer` (sendrecv), `hold` (sendonly), `held` (recvonly), `silent` (inactive), `none` (port 0),
`pcma` (one codec), `zero` (c=0.0.0.0), `dtls` (what a browser offers).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Self

from c2c_b2bua.call.order import CallOrder, Party
from c2c_b2bua.sip.message import Request, Response

LABEL = re.compile(r"(?P<kind>[a-z]+)-(?P<leg>[ab])(?P<n>\d*)")
DIRECTIONS = {"hold": "sendonly", "held": "recvonly", "silent": "inactive"}
HOSTS = {"a": "192.0.2.10", "b": "192.0.2.20"}
PORTS = {"A": 5070, "A2": 5072, "A3": 5074, "B": 5080, "B2": 5082, "B3": 5084}
PHONES = {port: name for name, port in PORTS.items()}
OURS = "192.0.2.1"
CALL = "c2c-ladder"
Headers = tuple[tuple[str, str], ...]
"""Those of the lines below the present one."""


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
        f"m=audio {port} {'UDP/TLS/RTP/SAVPF' if kind == 'dtls' else 'RTP/AVP'} {' '.join(codecs)}",
        *[
            f"a=rtpmap:{number} {name}"
            for number, name in (("0", "PCMU/8000"), ("8", "PCMA/8000"), ("101", "telephone-event/8000"))
            if number in codecs
        ],
    ]
    if kind in DIRECTIONS:
        lines.append(f"a={DIRECTIONS[kind]}")
    return "\r\n".join(lines) + "\r\n"


CALLER: dict[str, Any] = {"ring_timeout": 30.0, "from_uri": "sip:caller@acme.example.com"}


def party_of(name: str, **more: Any) -> Party:
    """The party that calls a phone by its name."""
    uri = f"sip:{name.lower()}@{HOSTS[name[0].lower()]}:{PORTS[name]}"
    return Party(target=f"phone {name}", uri=uri, **CALLER, **more)


def call_order(
    credentials: dict[str, str] | None = None, traits: dict[str, dict[str, bool]] | None = None, **order: Any
) -> CallOrder:
    """The order of a ladder's call; `a_beside`, `b_instead` … are names of phones, `traits` those of party `a` or `b`."""
    traits = traits or {}
    both: dict[str, Any] = {**CALLER, **(credentials or {})}

    def phone(name: str) -> Party:
        return party_of(name, **(credentials or {}))

    for side in ("a_beside", "b_beside"):
        order[side] = tuple(phone(name) for name in order.get(side, ()))
    for side in ("a_instead", "b_instead"):
        order[side] = tuple((phone(name),) for name in order.get(side, ()))
    return CallOrder(
        call_id=CALL,
        a=Party(target="1001", uri="sip:1001@192.0.2.10:5070", **both, **traits.get("a", {})),
        b=Party(target="2001", uri="sip:2001@192.0.2.20:5080", **both, **traits.get("b", {})),
        **order,
    )


@dataclass
class PhoneMemory:
    """One phone: `received` are the requests that reached it."""

    name: str
    port: int
    tag: str
    received: list[Request] = field(default_factory=list)
    sequence: int = 100
    remote: str = ""
    local: str = ""
    call_id: str = ""
    target: str = ""
    version: int = 0
    branches: int = 0
    invite: tuple[str, int] = ("", 0)
    refused: bool = False
    """Its last INVITE was."""
    offered_inactive: bool = False
    origins: list[tuple[int, str]] = field(default_factory=list)

    @classmethod
    def of(cls, name: str) -> Self:
        return cls(name, PORTS[name], f"tag-{name.lower()}")

    @property
    def host(self) -> str:
        return HOSTS[self.name[0].lower()]

    def hear(self, message: Request | Response) -> None:
        """Take in what we sent to it."""
        if isinstance(message, Request):
            self.received.append(message)
            self.call_id, self.remote, self.local = (
                message.call_id,
                message.headers["From"][0],
                message.headers["To"][0],
            )
            if message.contact:
                self.target = str(message.contact.uri)
        elif message.cseq.method == "INVITE":
            self.refused = message.status >= 300

    def response(self, request: Request, status: int, label: str = "", headers: Headers = ()) -> str:
        """What it answers."""
        to = request.headers["To"][0]
        if ";tag=" not in to and status > 100:
            to += f";tag={dict(headers).get('tag', self.tag)}"
        lines = [f"SIP/2.0 {status} {'Fine' if status < 300 else 'No'}"]
        lines += [f"Via: {value}" for value in request.headers["Via"]]
        lines += [f"From: {request.headers['From'][0]}", f"To: {to}", f"Call-ID: {request.call_id}"]
        lines += [f"CSeq: {request.headers['CSeq'][0]}"]
        if status < 300 and request.method in ("INVITE", "UPDATE"):
            lines.append(f"Contact: <sip:{self.name.lower()}@{self.host}:{self.port}>")
        if status in (401, 407):
            name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
            nonce = f"nonce{len(self.received)}"
            lines.append(f'{name}: Digest realm="carrier", nonce="{nonce}", algorithm=MD5, qop="auth"')
        body = ""
        if label:
            self.version += 1
            body = description(label, self.version)
            if self.offered_inactive and not body.endswith("inactive\r\n"):
                body += "a=inactive\r\n"
            lines.append("Content-Type: application/sdp")
        return text(lines, body, headers)

    def request(self, method: str, label: str = "", headers: Headers = ()) -> str:
        """What it asks, in the dialog that it was last spoken to in."""
        if method not in ("ACK", "CANCEL"):
            self.sequence += 1
            self.branches += 1
        branch, sequence = f"z9hG4bK{self.name}{self.branches}", self.sequence
        if method == "INVITE":
            self.invite = (branch, sequence)
        elif method == "ACK":
            # The ACK of a refusal belongs to the INVITE's transaction, that of a 200 is one of its own.
            branch, sequence = self.invite if self.refused else (f"{branch}ack", self.invite[1])
        local = self.local if ";tag=" in self.local else f"{self.local};tag={self.tag}"
        lines = [
            f"{method} {self.target} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.host}:{self.port};branch={branch};rport",
            "Max-Forwards: 70",
            f"From: {local}",
            f"To: {self.remote}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {sequence} {method}",
        ]
        body = ""
        if method in ("INVITE", "UPDATE"):
            lines.append(f"Contact: <sip:{self.name.lower()}@{self.host}:{self.port}>")
        if method == "NOTIFY":
            body = f"SIP/2.0 {label} So\r\n"
            state = "active;expires=60" if int(label) < 200 else "terminated;reason=noresource"
            lines += ["Event: refer", f"Subscription-State: {state}", "Content-Type: message/sipfrag;version=2.0"]
        elif label:
            self.version += 1
            body = description(label, self.version)
            lines.append("Content-Type: application/sdp")
        elif method == "INFO":
            body = "Signal=5\r\n"
            lines.append("Content-Type: application/dtmf-relay")
        return text(lines, body, headers)


def text(lines: list[str], body: str, headers: Headers) -> str:
    """The text of a message, with the headers of the lines below."""
    names = {name for name, _ in headers}
    lines = [line for line in lines if line.partition(":")[0] not in names]
    lines += [f"{name}: {value}" for name, value in headers if name != "tag"]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body])
