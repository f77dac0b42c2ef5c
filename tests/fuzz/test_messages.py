"""Any bytes into everything that reads bytes: nothing leaves but what is documented, and what parses prints the same again."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.order import CallOrder
from c2c_b2bua.dialog.party import Party
from c2c_b2bua.sip.flow import Flow, Interface, Interfaces
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reading import parse
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action, Locate, Send
from tests.corpora import MESSAGES
from tests.fuzz import properties
from tests.fuzz.effort import examples
from tests.fuzz.seeds import seeds

SEEDS = [path.read_bytes() for path in sorted(MESSAGES.glob("*.sip"))]
SDP = (MESSAGES / "invite.sip").read_bytes().partition(b"\r\n\r\n")[2]
PIECES = [
    b"", b"\r\n", b"\r\n\r\n", b"\r\n ", b"\x00", b'"', b"\\", b"<", b">", b",", b";", b"=", b":", b"@", b"%", b"%00",
    b"\xff", b"\xc3", b"\xe2\x80\xa8", "ß".encode(), b"9" * 5000, b"-1", b"SIP/2.0", b"sip:", b";tag=", b";lr", b"Via: ",
    b"l: 3", b"Content-Length: 99\r\n", b"CSeq: 1 ACK\r\n", b"Require: x\r\n", b"Route: <sip:a;lr>\r\n",
    b"Max-Forwards: x\r\n", b"Contact: *\r\n", b"[::1]", b"c=  \r\n", b";branch=", b"; branch = x",
]  # fmt: skip
UDP = Interface("UDP", "192.0.2.1", 5060)
PEER = Flow(UDP, "192.0.2.9", 5060)


@st.composite
def mutated(draw: st.DrawFn, seeds: list[bytes] = SEEDS) -> bytes:
    """A good message with some of it cut out, doubled, or replaced."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 30)))
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=8) | st.just(data[start:end] * 2))
        data = data[:start] + piece + data[end:]
    return data


WILD = st.binary(max_size=400) | mutated()
TEXT = st.text(max_size=60) | st.text(alphabet='"<>\\;:,=@%[]?&. \tsip1aA/0Z', max_size=60)


def core() -> B2bua:
    return B2bua(Interfaces([UDP]), Tokens(b"x" * 32), answer_strangers=True)


@examples(600)
@given(WILD)
@example(b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKq\r\n\r\n")
def test_what_parses_prints_the_same_again(data: bytes) -> None:
    properties.message(data)


@examples(600)
@given(st.lists(WILD, max_size=4), st.data())
def test_streams(messages: list[bytes], data: st.DataObject) -> None:
    """However a stream is cut, the same frames come out, up to the same error."""
    stream = b"".join(messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    parts = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert properties.framed(parts) == properties.framed([stream])


@examples(600)
@given(st.lists(WILD, min_size=1, max_size=5))
def test_the_core_takes_anything(messages: list[bytes]) -> None:
    """Nothing is raised; what is sent can be read; when all timers have acted nothing is left."""
    b2bua = core()
    for number, data in enumerate(messages):
        for action in b2bua.receive(data, PEER, float(number)):
            assert isinstance(action, Send)
            response = parse(action.data)
            assert isinstance(response, Response)
            assert response.status >= 200
    while (due := b2bua.next_due) is not None:
        for action in b2bua.tick(due):
            assert isinstance(action, Send)
    assert not (b2bua.servers or b2bua.clients or b2bua.legs or b2bua.calls or b2bua.timers)


@st.composite
def answers(draw: st.DrawFn) -> list[tuple[int, bytes, bytes]]:
    """Responses to an INVITE: status, lines to add or replace, body."""
    lines = st.sampled_from([
        b"", b"Contact: <sip:bob@192.0.2.9>\r\n", b"Contact: <sip:bob@\r\n", b"Contact: <tel:+1>\r\n", b"Contact: *\r\n",
        b"Record-Route: <sip:p;lr>\r\n", b"Record-Route: p\r\n", b"Reason: Q.850;cause=17\r\n", b"Reason: ;;;\r\n",
        b'WWW-Authenticate: Digest realm="r\xff", nonce="n"\r\n', b'Proxy-Authenticate: Digest nonce="\\\x00"\r\n',
        b"Proxy-Authenticate: x\r\n", b"Require: 100rel\r\n", b"Content-Type: multipart/mixed\r\n",
    ])  # fmt: skip
    status = st.sampled_from(
        [100, 180, 183, 199, 200, 202, 299, 302, 401, 407, 408, 481, 486, 487, 491, 500, 503, 600, 699]
    )
    body = st.sampled_from([b"", SDP, b"v=0\r\n", b"\xff" * 10]) | st.binary(max_size=50)
    return draw(st.lists(st.tuples(status, lines, body), min_size=1, max_size=8))


def run_out(b2bua: B2bua, work: list[Action]) -> None:
    """Answer every look-up with nothing found, and let every timer act."""
    while work or b2bua.next_due is not None:
        if not work:
            work = b2bua.tick(b2bua.next_due or 0.0)
            continue
        action = work.pop(0)
        if isinstance(action, Locate):
            work += b2bua.located(action.ticket, [], b2bua.next_due or 0.0)


@examples(600)
@given(answers(), st.booleans(), st.integers(0, 8), WILD)
def test_a_call_takes_any_answer(
    rows: list[tuple[int, bytes, bytes]], account: bool, gives_up: int, noise: bytes
) -> None:
    """Whatever a phone answers, in whatever order: no exception, and in the end nothing is left."""
    b2bua = core()
    username = "u" if account else ""
    a = Party(target="a", uri="sip:a@192.0.2.9", from_uri="sip:c@d", username=username, password="p")
    b = Party(target="b", uri="sip:b@192.0.2.9", from_uri="sip:c@d")
    actions = b2bua.connect(CallOrder(call_id="call", a=a, b=b), 0.0)
    asked: list[Request] = []
    now = 0.0
    for number, (status, line, body) in enumerate(rows):
        for action in actions:
            if isinstance(action, Send):
                message = parse(action.data)
                if isinstance(message, Request) and message.method != "ACK":
                    asked.append(message)
        now += 0.01
        looked_up = [action for action in actions if isinstance(action, Locate)]
        actions = b2bua.hang_up("call", now) if number == gives_up else []
        response = bytes(asked[-1].response(status, to_tag="t"))
        head, _, _ = response.partition(b"Content-Length")
        data = head + line + b"Content-Type: application/sdp\r\n" * (b"Content-Type" not in line) + b"\r\n" + body
        actions = [*looked_up, *actions, *b2bua.receive(data, PEER, now), *b2bua.receive(noise, PEER, now)]
    run_out(b2bua, [*actions, *b2bua.hang_up("call", now)])
    assert not (b2bua.servers or b2bua.clients or b2bua.legs or b2bua.calls or b2bua.open_clients or b2bua.out)


# ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@examples(600)
@given(TEXT)
def test_values_raise_nothing_but_sip_errors(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    properties.values(data)
    properties.challenge(b"Digest " + data)


@examples(600)
@given(st.binary(max_size=300) | mutated(seeds=[SDP]), st.just(b"") | mutated(seeds=[SDP]))
def test_descriptions(data: bytes, other: bytes) -> None:
    properties.description(data + b"\0" + other)


@pytest.mark.parametrize("name", ["binding_request", "json_body"])
def test_other_doors(name: str) -> None:
    @examples(300)
    @given(st.binary(max_size=100) | mutated(seeds=seeds(name)))
    def holds(data: bytes) -> None:
        getattr(properties, name)(data)

    holds()
