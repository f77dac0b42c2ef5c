"""What the core costs, without sockets: messages, transactions, whole calls."""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable, Mapping
from statistics import median

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.order import CallOrder, Party
from c2c_b2bua.sip.flow import Flow, Interface, Interfaces
from c2c_b2bua.sip.message import Request
from c2c_b2bua.sip.reading import parse
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.throttle import Buckets
from c2c_b2bua.transaction.actions import Action, Send
from c2c_b2bua.transaction.client import Client
from c2c_b2bua.transaction.server import Server

ROUNDS = 5
SDP = (
    "v=0\r\no=phone 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\n"
    "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
)
INVITE = (
    "INVITE sip:bob@biloxi.example.com SIP/2.0\r\n"
    "Via: SIP/2.0/UDP client.atlanta.example.com:5060;branch=z9hG4bK74bf9;rport\r\n"
    "Max-Forwards: 70\r\n"
    'From: "Alice" <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n'
    "To: Bob <sip:bob@biloxi.example.com>\r\n"
    "Call-ID: 3848276298220188511@atlanta.example.com\r\n"
    "CSeq: 1 INVITE\r\n"
    "Contact: <sip:alice@client.atlanta.example.com;transport=tcp>\r\n"
    "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE\r\n"
    "Supported: replaces, timer\r\n"
    "User-Agent: bench\r\n"
    "Content-Type: application/sdp\r\n"
    f"Content-Length: {len(SDP)}\r\n\r\n{SDP}"
).encode()


def rates(works: Mapping[str, Callable[[], object]], number: int, rounds: int = ROUNDS) -> dict[str, float]:
    """How often in a second of CPU: medians of rounds that take turns."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            started = time.process_time()
            for _ in range(number):
                work()
            found[name].append(number / max(1e-9, time.process_time() - started))
    return {name: median(each) for name, each in found.items()}


def parse_only() -> object:
    return parse(INVITE)


def build_only() -> object:
    return bytes(PARSED)


def read_what_a_server_reads() -> object:
    message = parse(INVITE)
    message.check()
    return message


def transaction() -> object:
    """OPTIONS out, 200 in, on the client's side; OPTIONS in, 200 out, on the server's."""
    client = Client("key", "owner", FLOW, OPTIONS, OPTIONS_BYTES)
    client.start(0.0)
    client.receive(OK, 0.1)
    client.timer("K", 6.0)
    server = Server("key", "owner", FLOW)
    server.respond(OK, 0.1)
    return server.timer("J", 33.0)


INTERFACE = Interface("UDP", "192.0.2.1", 5060)
FLOW = Flow(INTERFACE, "192.0.2.10", 5060)
OPTIONS = Request("OPTIONS", "sip:x@192.0.2.10", {
    "Via": ["SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"], "From": ["<sip:a@192.0.2.1>;tag=1"], "To": ["<sip:x@192.0.2.10>"],
    "Call-ID": ["1"], "CSeq": ["1 OPTIONS"],
})  # fmt: skip
OPTIONS_BYTES = bytes(OPTIONS)
OK = OPTIONS.response(200, to_tag="2")
PARSED = parse(INVITE)


class Legs:
    """Both phones of many calls, as text; `spent` is only what the core itself took."""

    def __init__(self) -> None:
        self.core = B2bua(Interfaces([INTERFACE]), Tokens(b"bench"))
        self.flows = {5070: Flow(INTERFACE, "192.0.2.10", 5070), 5080: Flow(INTERFACE, "192.0.2.20", 5080)}
        self.spent = 0.0
        self.now = 0.0
        self.count = 0

    def run(self, hang_up: bool = True) -> None:
        """One whole call, 15 messages: both answer, B hangs up."""
        self.count += 1
        order = CallOrder(
            call_id=f"c2c-{self.count}",
            a=Party(
                target="1001", uri="sip:1001@192.0.2.10:5070", from_uri="sip:c@acme.example.com", from_name="Sales"
            ),
            b=Party(
                target="2001", uri="sip:2001@192.0.2.20:5080", from_uri="sip:c@acme.example.com", from_name="Sales"
            ),
        )
        self.now += 0.001
        started = time.process_time()
        queue = self.core.connect(order, self.now)
        self.spent += time.process_time() - started
        said_bye = False
        for action in queue:
            if not isinstance(action, Send):
                continue
            for flow, data in self.answers(action):
                queue += self.give(data, flow)
            if hang_up and not said_bye and action.flow.port == 5070 and action.data.startswith(b"ACK") and self.bye:
                said_bye = True
                queue += self.give(self.bye, self.flows[5080])

    def give(self, data: bytes, flow: Flow) -> list[Action]:
        self.now += 0.0001
        core, now = self.core, self.now
        started = time.process_time()
        actions = core.receive(data, flow, now)
        while (due := core.next_due) is not None and due <= now:
            actions += core.tick(now)
        self.spent += time.process_time() - started
        return actions

    def answers(self, action: Send) -> list[tuple[Flow, bytes]]:
        """What the phone says to a request of ours."""
        request = parse(action.data)
        if not isinstance(request, Request) or request.method == "ACK":
            return []
        port = action.flow.port
        first = ";tag=" not in request.headers["To"][0]
        to = request.headers["To"][0] + (f";tag=t{port}" if first else "")
        head = (
            f"Via: {request.headers['Via'][0]}\r\nFrom: {request.headers['From'][0]}\r\nTo: {to}\r\n"
            f"Call-ID: {request.call_id}\r\nCSeq: {request.headers['CSeq'][0]}\r\n"
            f"Contact: <sip:phone@{action.flow.host}:{port}>\r\n"
        )
        if request.method == "BYE":
            return [(self.flows[port], f"SIP/2.0 200 OK\r\n{head}Content-Length: 0\r\n\r\n".encode())]
        ok = (
            f"SIP/2.0 200 OK\r\n{head}Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n\r\n{SDP}".encode()
        )
        ringing = f"SIP/2.0 180 Ringing\r\n{head}Content-Length: 0\r\n\r\n".encode()
        self.bye = b""
        if port == 5070 and not first:
            self.bye = self.next_bye
        if port == 5080:
            self.next_bye = (
                f"BYE sip:c2c@192.0.2.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.20:5080;branch=z9hG4bKbye{self.count}\r\n"
                f"Max-Forwards: 70\r\nFrom: {to}\r\nTo: {request.headers['From'][0]}\r\nCall-ID: {request.call_id}\r\n"
                "CSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n"
            ).encode()
        return [(self.flows[port], ringing), (self.flows[port], ok)] if first else [(self.flows[port], ok)]


def bytes_per_call(number: int = 2000) -> float:
    """Memory of the core for one talking call."""
    import tracemalloc

    legs = Legs()
    legs.run(hang_up=False)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(number):
        legs.run(hang_up=False)
    # What only lives for the sake of messages that may come late is gone after 32 seconds of talking.
    settle(legs, 40)
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert len(legs.core.calls) == number + 1
    return held / number


def growth(number: int = 1500) -> float:
    """Bytes that are left of each call when it and its transactions are over."""
    import tracemalloc

    legs = Legs()
    tracemalloc.start()
    for _ in range(number):
        legs.run()
    settle(legs)
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(number):
        legs.run()
    settle(legs)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return grown / number


def settle(legs: Legs, seconds: float = 20_000) -> None:
    """Let time pass, and what is due in it happen."""
    legs.now += seconds
    while (due := legs.core.next_due) is not None and due <= legs.now:
        legs.core.tick(legs.now)
    gc.collect()


def throttle(rounds: int = ROUNDS, number: int = 20_000) -> float:
    """Microseconds for a decision: one of 10 000 click-to-calls, each with a bucket, as a connect asks for it."""
    buckets = Buckets()
    keys = [f"{number:032x}" for number in range(10_000)]
    for key in keys:
        buckets.take(key, 60, 1.0, 1.0)
    asked = itertools.cycle(keys)
    return 1e6 / rates({"take": lambda: buckets.take(next(asked), 60, 1.0, 2.0)}, number, rounds)["take"]
