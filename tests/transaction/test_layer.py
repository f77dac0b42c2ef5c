"""The transaction layer under the B2BUA: sorting, strangers, size, names, and what is left behind (RFC 3261 §8.2, §17, §18)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.news import CallEnded
from c2c_b2bua.call.order import CallOrder
from c2c_b2bua.dialog.party import Party
from c2c_b2bua.sip.flow import Flow, Hop, Interface, Interfaces, Target
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reading import parse
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action, Locate, Send
from c2c_b2bua.transaction.layer import MOST_FIRSTS
from c2c_b2bua.transaction.timers import SWEEPS

UDP = Interface("UDP", "192.0.2.1", 5060, 0)
TCP = Interface("TCP", "192.0.2.1", 5060, 1)
PEER = Flow(UDP, "192.0.2.9", 5060)
STREAM = Flow(TCP, "192.0.2.9", 40000, 7)


def core(*interfaces: Interface) -> B2bua:
    return B2bua(Interfaces(list(interfaces or (UDP, TCP))), Tokens(b"x" * 32), answer_strangers=True)


def message(start: str, *more: str, branch: str = "z9hG4bK1", cseq: str = "", to: str = "<sip:c2c@192.0.2.1>") -> bytes:
    method = start.split(" ")[0]
    lines = [
        start,
        f"Via: SIP/2.0/UDP 192.0.2.9:5060;branch={branch}",
        "From: <sip:x@y>;tag=theirs",
        f"To: {to}",
        "Call-ID: stranger",
        f"CSeq: {cseq or f'1 {method}'}",
        *more,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def request(method: str, *more: str, branch: str = "z9hG4bK1", to: str = "<sip:c2c@192.0.2.1>") -> bytes:
    return message(f"{method} sip:c2c@192.0.2.1 SIP/2.0", *more, branch=branch, to=to)


def sent(actions: list[Action]) -> list[Request | Response]:
    return [parse(action.data) for action in actions if isinstance(action, Send)]


def only_response(actions: list[Action]) -> Response:
    (found,) = sent(actions)
    assert isinstance(found, Response)
    assert len(actions) == 1
    return found


def party(uri: str = "sip:bob@192.0.2.9", **more: object) -> Party:
    return Party(target="bob", uri=uri, from_uri="sip:caller@example.com", **more)  # type: ignore[arg-type]


def connect(b2bua: B2bua, a: Party, now: float = 0.0, call_id: str = "call") -> list[Action]:
    return b2bua.connect(CallOrder(call_id=call_id, a=a, b=party()), now)


def settle(b2bua: B2bua, until: float = 1e9) -> list[Action]:
    """Let every timer act that is due by then."""
    actions: list[Action] = []
    while (due := b2bua.next_due) is not None and due <= until:
        actions += b2bua.tick(due)
    return actions


def is_empty(b2bua: B2bua) -> bool:
    settle(b2bua)
    return not (
        b2bua.calls or b2bua.legs or b2bua.clients or b2bua.servers or b2bua.timers or b2bua.open_clients
        or b2bua.searches or b2bua.located_later or b2bua.out
    )  # fmt: skip


# ── strangers ────────────────────────────────────────────────────────────────────────────────────────────────────────

ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO, PRACK, REFER, NOTIFY"


@pytest.mark.parametrize(
    ("data", "status", "headers"),
    [
        (request("OPTIONS"), 200, {"Allow": [ALLOW], "Accept": ["application/sdp"]}),
        (request("INVITE"), 403, {}),
        (request("REGISTER"), 405, {"Allow": [ALLOW]}),
        (request("SUBSCRIBE"), 405, {"Allow": [ALLOW]}),
        (request("BYE"), 481, {}),
        (request("UPDATE"), 481, {}),
        (request("INFO"), 481, {}),
        (request("DANCE"), 501, {"Allow": [ALLOW]}),
        (request("options"), 501, {"Allow": [ALLOW]}),
        (request("BYE", to="<sip:c2c@192.0.2.1>;tag=gone"), 481, {}),
        (request("INVITE", to="<sip:c2c@192.0.2.1>;tag=gone"), 481, {}),
        (request("CANCEL"), 481, {}),
        (request("OPTIONS", "Require: 100rel, path, TIMER"), 420, {"Unsupported": ["path"]}),
        (request("OPTIONS", "Require: 100rel"), 200, {"Supported": ["100rel, timer"]}),
        (request("INVITE", "Require: replaces"), 420, {"Unsupported": ["replaces"]}),
        (request("PRACK"), 481, {}),
        (request("OPTIONS", "Max-Forwards: 0"), 200, {}),
        (message("OPTIONS tel:+1415 SIP/2.0"), 416, {}),
        (message("OPTIONS sip:c2c@192.0.2.1 SIP/3.0"), 505, {}),
        (message("OPTIONS sip:c2c@192.0.2.1 SIP/2.0", cseq="1 BYE"), 400, {}),
    ],
)
def test_strangers(data: bytes, status: int, headers: dict[str, list[str]]) -> None:
    response = only_response(core().receive(data, PEER, 0.0))
    assert response.status == status
    assert {name: response.headers.get(name) for name in headers} == headers
    assert response.to_tag


def test_the_response_says_what_is_wrong() -> None:
    response = only_response(core().receive(request("OPTIONS", "Max-Forwards: many"), PEER, 0.0))
    assert (response.status, response.reason) == (400, "Bad Request: malformed Max-Forwards 'many'")


def test_a_400_needs_neither_to_nor_call_id() -> None:
    """A missing To made IndexError leave the core."""
    data = b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKq\r\n\r\n"
    response = only_response(core().receive(data, PEER, 0.0))
    assert (response.status, response.reason) == (400, "Bad Request: missing Call-ID")


@pytest.mark.parametrize(
    "data",
    [
        request("ACK"),
        b"",
        b"\r\n\r\n",
        b"\x00" * 100,
        b"OPTIONS sip:a SIP/2.0\r\n\r\n",
        message("SIP/2.0 200 OK", cseq="1 INVITE"),
        message("SIP/2.0 200 OK", cseq="x"),
        request("ACK", "Max-Forwards: x"),
        request("OPTIONS").replace(b"Via: SIP/2.0/UDP", b"Via: nonsense"),
    ],
)
def test_silence(data: bytes) -> None:
    b2bua = core()
    assert b2bua.receive(data, PEER, 0.0) == []
    assert is_empty(b2bua)


def test_a_repeated_request_is_absorbed() -> None:
    b2bua = core()
    first = b2bua.receive(request("OPTIONS"), PEER, 0.0)
    assert b2bua.receive(request("OPTIONS"), PEER, 0.5) == first
    assert len(b2bua.servers) == 1
    assert is_empty(b2bua)


def test_a_repeated_invite_is_absorbed_and_its_ack_taken() -> None:
    b2bua = core()
    first = b2bua.receive(request("INVITE"), PEER, 0.0)
    assert b2bua.receive(request("INVITE"), PEER, 0.2) == first
    assert b2bua.tick(0.5) == first
    assert b2bua.receive(request("ACK", to="<sip:c2c@192.0.2.1>;tag=any"), PEER, 0.6) == []
    assert [server.state for server in b2bua.servers.values()] == ["CONFIRMED"]
    assert is_empty(b2bua)


def test_a_refusal_without_ack_is_given_up() -> None:
    b2bua = core()
    first = b2bua.receive(request("INVITE"), PEER, 0.0)
    assert settle(b2bua) == first * 10
    assert is_empty(b2bua)


@pytest.mark.parametrize("changed", ["branch", "sent-by", "port", "method"])
def test_what_makes_another_transaction(changed: str) -> None:
    """§17.2.3: branch, sent-by and method."""
    data = request("OPTIONS")
    other = {
        "branch": request("OPTIONS", branch="z9hG4bK2"),
        "sent-by": data.replace(b"UDP 192.0.2.9:5060", b"UDP other.example:5060"),
        "port": data.replace(b"UDP 192.0.2.9:5060", b"UDP 192.0.2.9:5061"),
        "method": request("REGISTER"),
    }[changed]
    b2bua = core()
    b2bua.receive(data, PEER, 0.0)
    b2bua.receive(other, PEER, 0.0)
    assert len(b2bua.servers) == 2


def test_clients_of_rfc_2543() -> None:
    """No cookie in the branch: Request-URI, Call-ID, CSeq, From tag and Via tell (§17.2.3); To tag may come with the ACK."""
    b2bua = core()
    first = b2bua.receive(request("INVITE", branch="1"), PEER, 0.0)
    assert b2bua.receive(request("INVITE", branch="1"), PEER, 0.1) == first
    assert len(b2bua.servers) == 1
    b2bua.receive(request("INVITE", branch="1").replace(b"Call-ID: stranger", b"Call-ID: other"), PEER, 0.1)
    b2bua.receive(request("INVITE", branch="1").replace(b"CSeq: 1", b"CSeq: 2"), PEER, 0.1)
    b2bua.receive(request("INVITE", branch="1").replace(b"tag=theirs", b"tag=another"), PEER, 0.1)
    assert len(b2bua.servers) == 4
    assert b2bua.receive(request("ACK", branch="1", to="<sip:c2c@192.0.2.1>;tag=any"), PEER, 0.2) == []
    assert sorted(server.state for server in b2bua.servers.values()) == ["COMPLETED"] * 3 + ["CONFIRMED"]


def test_cancel_of_an_answered_invite() -> None:
    """200 to the CANCEL, nothing more: the INVITE has its final response (§9.2)."""
    b2bua = core()
    b2bua.receive(request("INVITE"), PEER, 0.0)
    response = only_response(b2bua.receive(request("CANCEL"), PEER, 0.1))
    assert (response.status, response.cseq.method) == (200, "CANCEL")


def test_responses_go_back_over_the_stream_or_the_source_port() -> None:
    (action,) = core().receive(request("OPTIONS"), STREAM, 0.0)
    assert isinstance(action, Send) and action.flow == STREAM
    data = request("OPTIONS").replace(b";branch", b";rport;branch")
    (action,) = core().receive(data, Flow(UDP, "203.0.113.5", 61000), 0.0)
    assert isinstance(action, Send)
    assert (action.flow.host, action.flow.port) == ("203.0.113.5", 61000)
    assert parse(action.data).via.parameters == {
        "rport": "61000",
        "branch": "z9hG4bK1",
        "received": "203.0.113.5",
    }


def test_a_quoted_comma_in_the_topmost_via() -> None:
    """Cut at its first comma, the Via of our response had half a quoted string in it."""
    data = (
        request("OPTIONS")
        .replace(b";branch", b';x="a,b";rport;branch')
        .replace(b"z9hG4bK1", b"z9hG4bK1, SIP/2.0/UDP second")
    )
    response = only_response(core().receive(data, PEER, 0.0))
    assert response.values("Via") == [
        'SIP/2.0/UDP 192.0.2.9:5060;x="a,b";rport=5060;branch=z9hG4bK1;received=192.0.2.9',
        "SIP/2.0/UDP second",
    ]


# ── where requests go ────────────────────────────────────────────────────────────────────────────────────────────────

LONG = (("X-Long", "x" * 1300),)


def test_a_short_invite_takes_udp() -> None:
    (action,) = connect(core(), party())
    assert isinstance(action, Send)
    assert action.flow == Flow(UDP, "192.0.2.9", 5060)
    assert parse(action.data).via.transport == "UDP"


def test_a_long_one_takes_tcp() -> None:
    """§18.1.1; Via and Contact say so."""
    (action,) = connect(core(), party(headers=LONG))
    assert isinstance(action, Send)
    assert action.flow == Flow(TCP, "192.0.2.9", 5060)
    invite = parse(action.data)
    assert len(invite.headers["Via"]) == 1
    assert invite.via.transport == "TCP"
    assert invite.headers["Contact"] == ["<sip:c2c@192.0.2.1:5060;transport=tcp>"]


def test_without_tcp_of_ours_it_stays_on_udp() -> None:
    (action,) = connect(core(UDP), party(headers=LONG))
    assert isinstance(action, Send) and action.flow.interface == UDP


def test_from_tcp_it_falls_back_to_udp() -> None:
    """§18.1.1: another attempt by UDP, under a new branch, when the peer takes no TCP."""
    b2bua = core()
    (first,) = connect(b2bua, party(headers=LONG))
    assert isinstance(first, Send)
    (second,) = b2bua.unreachable(first.flow, 1.0)
    assert isinstance(second, Send)
    assert second.flow == Flow(UDP, "192.0.2.9", 5060)
    was, now = parse(first.data), parse(second.data)
    assert (now.via.transport, len(now.headers["Via"]), now.cseq) == ("UDP", 1, was.cseq)
    assert now.via.branch != was.via.branch
    assert now.headers["Contact"] == ["<sip:c2c@192.0.2.1:5060>"]
    assert len(b2bua.clients) == 1 and b2bua.searches.keys() == b2bua.clients.keys()
    # It does not go back to TCP, and ends like any call that nobody answers.
    ended = [action for action in settle(b2bua) if isinstance(action, CallEnded)]
    assert [(news.record.ended_by, news.record.sip_code) for news in ended] == [("timer", 408)]
    assert is_empty(b2bua)


def test_an_unreachable_stream_is_503() -> None:
    b2bua = core()
    (first,) = connect(b2bua, party("sip:bob@192.0.2.9;transport=tcp"))
    assert isinstance(first, Send)
    (ended,) = b2bua.unreachable(first.flow, 1.0)
    assert isinstance(ended, CallEnded)
    assert (ended.record.ended_by, ended.record.sip_code, ended.record.cause) == (
        "error",
        503,
        "NORMAL_TEMPORARY_FAILURE",
    )
    assert is_empty(b2bua)


def test_another_peers_stream_breaks_nothing() -> None:
    b2bua = core()
    connect(b2bua, party("sip:bob@192.0.2.9;transport=tcp"))
    assert b2bua.unreachable(Flow(TCP, "192.0.2.10", 5060), 1.0) == []
    assert b2bua.unreachable(Flow(TCP, "192.0.2.9", 5061), 1.0) == []
    assert len(b2bua.clients) == 1


def test_no_way_to_the_next_hop_while_another_call_left_udp() -> None:
    """The Via of a request that was never sent was read, and SipError left the core."""
    b2bua = core()
    connect(b2bua, party(headers=LONG), call_id="long")
    (ended,) = connect(b2bua, party("sip:bob@192.0.2.9;transport=ws"), call_id="lost")
    assert isinstance(ended, CallEnded)
    assert (ended.record.call_id, ended.record.ended_by, ended.record.sip_code) == ("lost", "error", 503)


def test_names_are_located() -> None:
    b2bua = core()
    (asked,) = connect(b2bua, party("sip:bob@phones.example.com:5070"))
    assert isinstance(asked, Locate)
    assert asked.hop == Hop("phones.example.com", 5070, None)
    (action,) = b2bua.located(asked.ticket, [Target("UDP", "192.0.2.77", 5070)], 0.1)
    assert isinstance(action, Send)
    assert (action.flow.host, action.flow.port) == ("192.0.2.77", 5070)
    assert parse(action.data).start_line() == "INVITE sip:bob@phones.example.com:5070 SIP/2.0"
    # An answer that comes twice, or for nobody, does nothing.
    assert b2bua.located(asked.ticket, [Target("UDP", "192.0.2.77", 5070)], 0.2) == []
    assert b2bua.located(99, [], 0.2) == []


def test_names_without_address() -> None:
    b2bua = core()
    (asked,) = connect(b2bua, party("sip:bob@nowhere.example.com"))
    assert isinstance(asked, Locate)
    (ended,) = b2bua.located(asked.ticket, [], 0.1)
    assert isinstance(ended, CallEnded)
    assert (ended.record.sip_code, ended.record.reason) == (503, "no address for nowhere.example.com")
    assert is_empty(b2bua)


def test_an_address_of_a_family_we_do_not_have() -> None:
    b2bua = core()
    (asked,) = connect(b2bua, party("sip:bob@six.example.com"))
    assert isinstance(asked, Locate)
    (ended,) = b2bua.located(asked.ticket, [Target("UDP", "2001:db8::9", 5060)], 0.1)
    assert isinstance(ended, CallEnded)
    assert (ended.record.sip_code, ended.record.reason) == (503, "no address for six.example.com")
    assert is_empty(b2bua)


def test_no_invite_for_a_call_that_was_hung_up_meanwhile() -> None:
    """The name was found after the end: its INVITE went out all the same, and nobody was left to cancel it."""
    b2bua = core()
    (asked,) = connect(b2bua, party("sip:bob@slow.example.com"))
    assert isinstance(asked, Locate)
    b2bua.hang_up("call", 1.0)
    assert b2bua.located(asked.ticket, [Target("UDP", "192.0.2.9", 5060)], 1.5) == []
    assert is_empty(b2bua)


def test_hung_up_while_the_name_is_looked_up() -> None:
    b2bua = core()
    (asked,) = connect(b2bua, party("sip:bob@slow.example.com"))
    assert isinstance(asked, Locate)
    actions = [*b2bua.hang_up("call", 1.0), *settle(b2bua, 40.0)]
    ended = [action for action in actions if isinstance(action, CallEnded)]
    assert [news.record.ended_by for news in ended] == ["api"]
    b2bua.located(asked.ticket, [], 50.0)
    assert is_empty(b2bua)


# ── timers ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_timers_heap_up_that_outlive_their_calls() -> None:
    b2bua = core()
    for number in range(SWEEPS + 7):
        # It ends at once: there is no such connection.
        connect(b2bua, party("sip:bob@192.0.2.9;transport=ws"), call_id=f"call{number}")
    assert b2bua.timers.count > SWEEPS and not b2bua.calls
    assert 0 < len(b2bua.timers.queues["duration"]) < SWEEPS
    connect(b2bua, party())
    b2bua.timers.sweep(b2bua.machine_of)
    assert [key for _, _, key, _ in b2bua.timers.queues["duration"]] == ["call"]


def test_timers_act_in_order_and_one_at_a_time() -> None:
    b2bua = core()
    connect(b2bua, party())
    assert b2bua.next_due == 0.5
    assert b2bua.tick(0.4) == []
    (again,) = b2bua.tick(100.0)
    assert isinstance(again, Send)
    assert b2bua.next_due == 30.0  # ring; the next retransmission was set from when this one acted


# ── malformed input ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_engine_outlives_a_message_of_the_largest_size() -> None:
    b2bua = core()
    only_response(b2bua.receive(request("OPTIONS", "X: " + "y" * 65_000), PEER, 0.0))
    only_response(b2bua.receive(request("OPTIONS", *["X: y"] * 9_000, branch="z9hG4bK2"), PEER, 0.0))
    only_response(
        b2bua.receive(
            request("OPTIONS", "Via: " + "SIP/2.0/UDP h," * 4_000 + "SIP/2.0/UDP h", branch="z9hG4bK3"), PEER, 0.0
        )
    )


# ── requests that come twice, by two ways (§8.2.2.2) ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("second", "status"),
    [
        (request("OPTIONS", branch="z9hG4bK2"), 482),
        (request("OPTIONS", branch="other"), 482),
        (message("OPTIONS sip:c2c@192.0.2.1 SIP/2.0", branch="z9hG4bK2", cseq="2 OPTIONS"), 200),
        (request("OPTIONS", branch="z9hG4bK2").replace(b"tag=theirs", b"tag=another"), 200),
        (request("OPTIONS", branch="z9hG4bK2").replace(b"Call-ID: stranger", b"Call-ID: another"), 200),
        (request("OPTIONS", branch="z9hG4bK2", to="<sip:c2c@192.0.2.1>;tag=gone"), 481),
        (request("INVITE", branch="z9hG4bK2"), 403),
    ],
)
def test_a_merged_request(second: bytes, status: int) -> None:
    b2bua = core()
    first = b2bua.receive(request("OPTIONS"), PEER, 0.0)
    assert only_response(first).status == 200
    response = only_response(b2bua.receive(second, PEER, 1.0))
    assert (response.status, response.reason == "Merged Request") == (status, status == 482)
    assert b2bua.receive(second, PEER, 1.1) == b2bua.receive(second, PEER, 1.2), "its repetition is answered likewise"
    assert b2bua.receive(request("OPTIONS"), PEER, 1.3) == first
    settle(b2bua)
    assert only_response(b2bua.receive(request("OPTIONS", branch="z9hG4bK3"), PEER, 100.0)).status == 200


def test_the_branches_of_a_cancel_are_no_merged_requests() -> None:
    b2bua = core()
    for branch in ("z9hG4bK1", "z9hG4bK2"):
        b2bua.receive(request("INVITE", branch=branch), PEER, 0.0)
    for branch in ("z9hG4bK1", "z9hG4bK2"):
        assert only_response(b2bua.receive(request("CANCEL", branch=branch), PEER, 0.1)).status == 200


def test_what_is_over_is_not_remembered_for_ever() -> None:
    b2bua = core()
    for number in range(3 * MOST_FIRSTS):
        b2bua.receive(
            message("OPTIONS sip:c2c@192.0.2.1 SIP/2.0", branch=f"z9hG4bK{number}", cseq=f"{number} OPTIONS"), PEER, 0.0
        )
        if number % MOST_FIRSTS == 0:
            settle(b2bua)
    settle(b2bua)
    b2bua.receive(request("OPTIONS", branch="z9hG4bKx"), PEER, 100.0)
    assert len(b2bua.firsts) <= 2 * MOST_FIRSTS + 1


# ── what comes back undelivered (§18.4) ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("change", "flow", "ends"),
    [
        (lambda data: data, PEER, True),
        (lambda data: data[:200], PEER, True),
        (lambda data: data[:60], PEER, False),
        (lambda data: b"", PEER, False),
        (lambda data: data.replace(b"branch=z9hG4bK1-", b"branch=z9hG4bK1-0"), PEER, False),
        (lambda data: data.replace(b"INVITE", b"BYE"), PEER, False),
        (lambda data: data, Flow(UDP, "192.0.2.10", 5060), False),
        (lambda data: data, Flow(UDP, "192.0.2.9", 5061), False),
        (lambda data: b"SIP/2.0 200 OK" + data, PEER, False),
    ],
)
def test_undelivered(change: Callable[[bytes], bytes], flow: Flow, ends: bool) -> None:
    """Only the beginning of what we sent, back from where we sent it, fails it."""
    b2bua = core()
    (send,) = connect(b2bua, party())
    assert isinstance(send, Send)
    ended = [action for action in b2bua.undelivered(change(send.data), flow, 0.1) if isinstance(action, CallEnded)]
    assert [end.record.sip_code for end in ended] == ([503] if ends else [])


def test_undelivered_after_it_was_answered() -> None:
    b2bua = core()
    (send,) = connect(b2bua, party())
    assert isinstance(send, Send)
    invite = parse(send.data)
    assert isinstance(invite, Request)
    b2bua.receive(bytes(invite.response(180, to_tag="x")), PEER, 0.1)
    assert b2bua.undelivered(send.data, PEER, 0.2) == []
