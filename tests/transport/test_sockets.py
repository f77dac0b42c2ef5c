"""Real sockets on loopback: UDP and TCP, IPv4 and IPv6, reuse, garbage, and peers that are not there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from c2c_b2bua.call.news import CallEnded, CallNews
from c2c_b2bua.call.order import CallOrder
from c2c_b2bua.call.snapshot import RECORD
from c2c_b2bua.config import Limits, Sip
from c2c_b2bua.dialog import leg_responses
from c2c_b2bua.dialog.leg import Leg
from c2c_b2bua.dialog.party import Party
from c2c_b2bua.engine import Engine
from c2c_b2bua.kept_calls import KeptCalls
from c2c_b2bua.sip.flow import Flow, Interface
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.storage.journal import File, replay
from c2c_b2bua.transaction.actions import Reply, Work
from c2c_b2bua.transport import udp as module
from c2c_b2bua.transport.flood import Flood
from c2c_b2bua.transport.udp import AT_ONCE, BATCHES, UdpSocket
from tests.transport.peers import PATIENCE, TcpPeer, TcpPhone, UdpPeer, engine, options


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


FAMILIES = [
    "127.0.0.1",
    pytest.param("::1", marks=pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine's loopback")),
]


def at(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def order(uri: str, call_id: str = "call", **more: object) -> CallOrder:
    a = Party(target="a", uri=uri, from_uri="sip:c2c@example.com", **more)  # type: ignore[arg-type]
    return CallOrder(call_id=call_id, a=a, b=Party(target="b", uri="sip:b@127.0.0.1", from_uri="sip:c2c@example.com"))


class Ends:
    """Collects the ends of calls."""

    def __init__(self, running: Engine) -> None:
        self.got: asyncio.Queue[CallEnded] = asyncio.Queue()
        running.subscribe(self.hear)

    def hear(self, news: CallNews) -> None:
        if isinstance(news, CallEnded):
            self.got.put_nowait(news)

    async def next(self) -> CallEnded:
        async with asyncio.timeout(PATIENCE):
            return await self.got.get()


@asynccontextmanager
async def keeping(path: Path) -> AsyncIterator[tuple[Engine, UdpPeer]]:
    """An engine that keeps its calls there, and a phone."""
    kept = KeptCalls(path, {})
    running = Engine(Sip(listen=["udp:127.0.0.1:0"]), kept=kept)
    await running.start()
    try:
        async with UdpPeer.open() as peer:
            yield running, peer
    finally:
        await running.close(0)
        kept.close()


async def answered(peer: UdpPeer | TcpPeer, number: int) -> Response:
    response = await peer.next()
    assert isinstance(response, Response)
    assert (response.status, response.cseq.number) == (200, number)
    return response


# ── UDP ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("host", FAMILIES)
async def test_udp(host: str) -> None:
    async with engine(f"udp:{at(host)}:0") as running, UdpPeer.open(host) as peer:
        interface = running.core.interfaces.interfaces[0]
        # The Via names a port where nobody is: with rport the response comes to where the request came from.
        peer.send(options(1, "UDP", host, 9), interface)
        response = await answered(peer, 1)
        assert response.via.parameters["rport"] == str(peer.port)
        assert response.via.parameters["received"] == host


async def test_what_comes_together_is_kept_before_anything_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    path = tmp_path / "calls"
    take, send = UdpSocket.take, UdpSocket.send

    def taken(udp: UdpSocket, data: bytes, source: object) -> None:
        happened.append("in")
        take(udp, data, source)

    def sent(udp: UdpSocket, data: bytes, flow: Flow) -> None:
        kept = replay(path.read_bytes(), File(-1, 0))
        happened.append(f"out, with {sum(RECORD in parts for parts in kept.values())} records kept")
        send(udp, data, flow)

    async with keeping(path) as (running, peer):
        for number in range(3):
            running.connect(order(f"sip:a@127.0.0.1:{peer.port}", f"call{number}"))
        invites = [await peer.next() for _ in range(3)]
        monkeypatch.setattr(UdpSocket, "take", taken)
        monkeypatch.setattr(UdpSocket, "send", sent)
        for invite in invites:
            assert isinstance(invite, Request)
            peer.send(bytes(invite.response(486, to_tag="x")), running.core.interfaces.interfaces[0])
        assert [(await peer.next()).cseq.method for _ in range(3)] == ["ACK"] * 3
    assert happened == ["in"] * 3 + ["out, with 3 records kept"] * 3


async def test_calls_of_one_turn_are_kept_and_sent_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the first, which does not wait to see whether others come."""
    kept: list[int] = []
    path = tmp_path / "calls"
    send = UdpSocket.send

    def sent(udp: UdpSocket, data: bytes, flow: Flow) -> None:
        kept.append(len(replay(path.read_bytes(), File(-1, 0))))
        send(udp, data, flow)

    monkeypatch.setattr(UdpSocket, "send", sent)
    monkeypatch.setattr("c2c_b2bua.engine.TOGETHER", 60)
    async with keeping(path) as (running, peer):
        for number in range(3):
            running.connect(order(f"sip:a@127.0.0.1:{peer.port}", f"call{number}"))
            assert kept == [1]
        assert [(await peer.next()).cseq.method for _ in range(3)] == ["INVITE"] * 3
        assert kept == [1, 3, 3]


class Takes:
    """A socket of ours, what it took in, and how much that was each time it was answered."""

    def __init__(self) -> None:
        self.came: list[bytes] = []
        self.groups: list[int] = []
        self.answered = asyncio.Event()
        self.udp: UdpSocket

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[tuple[Takes, Callable[[int], None]]]:
        """It, and what sends it a number."""
        takes = cls()
        udp = takes.udp = await UdpSocket.bind(
            "127.0.0.1",
            0,
            lambda data, flow: takes.came.append(data),
            takes.answer,
            lambda flow, back: None,
            Flood(Limits()),
        )
        udp.interface = Interface("UDP", *udp.address)
        with closing(udp), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            yield takes, lambda number: sender.sendto(b"%d" % number, udp.address)

    def answer(self) -> None:
        self.groups.append(len(self.came))
        self.answered.set()

    async def next(self) -> int:
        """How many there are when it has looked for more."""
        self.answered.clear()
        async with asyncio.timeout(PATIENCE):
            await self.answered.wait()
        return len(self.came)


async def test_more_datagrams_than_can_be_taken_in() -> None:
    """Others have their turn in between; how long that has been going on is known, until all is taken in."""
    many = AT_ONCE * BATCHES
    async with Takes.open() as (takes, send):
        udp = takes.udp
        for number in range(many + 1):
            send(number)
        assert udp.behind_since is None
        udp.readable()
        assert takes.groups == [*range(AT_ONCE, many + 1, AT_ONCE)]
        assert udp.behind_since is not None
        udp.readable()
        assert udp.behind_since is None
        assert takes.came == [b"%d" % number for number in range(many + 1)]


async def test_what_keeps_coming_is_taken_in_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first at once, the others when the rest is over, and after that again the first at once."""
    monkeypatch.setattr(module, "REST", 60)
    async with Takes.open() as (takes, send):
        send(0)
        assert await takes.next() == 1
        assert takes.udp.resting is not None and not takes.udp.is_listening
        for number in range(1, 4):
            send(number)
        monkeypatch.setattr(module, "REST", 0)
        takes.udp.readable()
        assert takes.groups == [1, 4]
        assert await takes.next() == 4
        assert takes.udp.is_listening and takes.udp.resting is None
        send(4)
        assert await takes.next() == 5


async def test_nothing_is_taken_in_while_another_process_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even what gathers just then, nor the rest of what came together."""
    monkeypatch.setattr(module, "REST", 0.001)
    async with Takes.open() as (takes, send):
        udp = takes.udp
        send(0)
        assert await takes.next() == 1
        udp.pause()
        send(1)
        assert udp.resting is None and not udp.is_listening
        udp.resume()
        assert await takes.next() == 2
        udp.receive = lambda data, flow: (takes.came.append(data), udp.pause())
        for number in range(2, 2 + AT_ONCE + 1):
            send(number)
        udp.readable()
        assert len(takes.came) == 3
        assert udp.resting is None and not udp.is_listening


@pytest.mark.parametrize("host", FAMILIES)
async def test_udp_call(host: str) -> None:
    async with engine(f"udp:{at(host)}:0") as running, UdpPeer.open(host) as peer:
        ends = Ends(running)
        running.connect(order(f"sip:a@{at(host)}:{peer.port}"))
        invite = await peer.next()
        assert isinstance(invite, Request)
        interface = running.core.interfaces.interfaces[0]
        assert invite.via.sent_by == f"{at(host)}:{interface.port}"
        assert f"c=IN IP{'6' if ':' in host else '4'} {host}\r\n".encode() in invite.body
        peer.send(bytes(invite.response(486, to_tag="x")), interface)
        ack = await peer.next()
        assert isinstance(ack, Request) and ack.method == "ACK"
        ended = await ends.next()
        assert (ended.record.ended_by, ended.record.sip_code) == ("a", 486)


async def test_a_phone_that_has_not_answered_yet_is_cancelled_when_we_stop() -> None:
    """CANCEL may only follow a response (RFC 3261 §9.1): the last thing we do is to wait for one, but not for long."""
    async with engine("udp:127.0.0.1:0") as running, UdpPeer.open() as peer:
        running.connect(order(f"sip:a@127.0.0.1:{peer.port}"))
        invite = await peer.next()
        assert isinstance(invite, Request)
        closing = asyncio.ensure_future(running.close(5.0))
        await asyncio.sleep(0)
        peer.send(bytes(invite.response(180, to_tag="x")), running.core.interfaces.interfaces[0])
        while (cancel := await peer.next()).cseq.method != "CANCEL":
            pass
        assert isinstance(cancel, Request)
        for response in (cancel.response(200), invite.response(487, to_tag="x")):
            peer.send(bytes(response), running.core.interfaces.interfaces[0])
        async with asyncio.timeout(1.0):
            await closing


async def test_datagrams_that_say_nothing() -> None:
    async with engine("udp:127.0.0.1:0") as running, UdpPeer.open() as peer:
        interface = running.core.interfaces.interfaces[0]
        for data in (b"", b"\r\n\r\n", b"\x00" * 4, b"x" * 60_000, b"\xff" * 500, options(1, "UDP")[:-30]):
            peer.send(data, interface)
        peer.send(options(2, "UDP"), interface)
        first, second = await peer.next(), await peer.next()
        assert isinstance(first, Response) and isinstance(second, Response)
        assert [first.status, second.status] == [400, 200]


# ── TCP ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("host", FAMILIES)
async def test_responses_come_back_on_the_stream(host: str) -> None:
    async with engine(f"tcp:{at(host)}:0") as running:
        peer = await TcpPeer.connect(running.core.interfaces.interfaces[0])
        for number in (1, 2, 3):
            peer.send(options(number, host=host))
            await answered(peer, number)
        assert len(running.connections.by_number) == 1
        await peer.close()


async def test_half_messages_and_several_at_once() -> None:
    async with engine("tcp:127.0.0.1:0") as running:
        peer = await TcpPeer.connect(running.core.interfaces.interfaces[0])
        for byte in options(1):
            peer.send(bytes([byte]))
            await peer.writer.drain()
        await answered(peer, 1)
        second, third = options(2), options(3)
        peer.send(second + third[:40])
        await answered(peer, 2)
        peer.send(third[40:] + options(4))
        await answered(peer, 3)
        await answered(peer, 4)
        await peer.close()


async def test_keep_alive() -> None:
    async with engine("tcp:127.0.0.1:0") as running:
        peer = await TcpPeer.connect(running.core.interfaces.interfaces[0])
        peer.send(b"\r\n\r\n")
        assert await peer.exactly(2) == b"\r\n"
        peer.send(b"\r\n\r\n\r\n\r\n" + options(1))
        assert await peer.exactly(4) == b"\r\n\r\n"
        await answered(peer, 1)
        await peer.close()


@pytest.mark.parametrize(
    "garbage",
    [
        b"x" * 70_000,
        b"OPTIONS sip:a SIP/2.0\r\nTo: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nl: 99999999\r\n\r\n",
    ],
    ids=["endless head", "no length", "http", "endless body"],
)
async def test_garbage_closes_its_stream_and_no_other(garbage: bytes) -> None:
    async with engine("tcp:127.0.0.1:0") as running:
        interface = running.core.interfaces.interfaces[0]
        good, bad = await TcpPeer.connect(interface), await TcpPeer.connect(interface)
        bad.send(garbage)
        assert await bad.closed()
        good.send(options(1))
        await answered(good, 1)
        assert len(running.connections.by_number) == 1
        await good.close()
        await bad.close()


async def test_what_came_before_the_garbage_is_answered() -> None:
    async with engine("tcp:127.0.0.1:0") as running:
        peer = await TcpPeer.connect(running.core.interfaces.interfaces[0])
        peer.send(options(1) + b"GET / HTTP/1.1\r\n\r\n")
        await answered(peer, 1)
        assert await peer.closed()
        await peer.close()


@pytest.mark.parametrize("host", FAMILIES)
async def test_a_connection_is_opened_and_used_again(host: str) -> None:
    """INVITE, ACK and the next call to the same peer share one stream."""
    async with engine(f"tcp:{at(host)}:0") as running, TcpPhone.open(host) as phone:
        ends = Ends(running)
        for number in (1, 2):
            running.connect(order(f"sip:a@{at(host)}:{phone.port};transport=tcp", f"call{number}"))
            if number == 1:
                peer = await phone.next()
            invite = await peer.next()
            assert isinstance(invite, Request) and invite.method == "INVITE"
            assert invite.headers["Contact"][0].endswith(";transport=tcp>")
            peer.send(bytes(invite.response(486, to_tag="x")))
            ack = await peer.next()
            assert isinstance(ack, Request) and ack.method == "ACK"
            assert (await ends.next()).record.sip_code == 486
        assert phone.connections.empty()
        assert len(running.connections.by_number) == 1


async def test_a_response_finds_its_way_back() -> None:
    """The stream is gone before we answer: the response goes to the port that its Via names (RFC 3261 §18.2.2)."""
    async with engine("tcp:127.0.0.1:0") as running, TcpPhone.open() as phone:
        peer = await TcpPeer.connect(running.core.interfaces.interfaces[0])
        late: list[tuple[str, Request]] = []
        asked = asyncio.Event()

        def requested(owner: str, key: str, request: Request, now: float) -> Work:
            late.append((key, request))
            asked.set()
            return []

        running.core.requested = requested  # type: ignore[method-assign]
        peer.send(options(1, port=phone.port))
        async with asyncio.timeout(PATIENCE):
            await asked.wait()
        await peer.close()
        ((key, request),) = late
        server = running.core.servers[key]
        async with asyncio.timeout(PATIENCE):
            while server.flow.connection:  # noqa: ASYNC110 (until the engine has noticed)
                await asyncio.sleep(0.01)
        running.carry_out(running.core.settle([Reply(key, request.response(200))], running.now()))
        response = await (await phone.next()).next()
        assert isinstance(response, Response) and response.status == 200


async def test_two_calls_wait_for_one_connection() -> None:
    async with engine("tcp:127.0.0.1:0") as running, TcpPhone.open() as phone:
        for number in (1, 2, 3):
            running.connect(order(f"sip:a@127.0.0.1:{phone.port};transport=tcp", f"call{number}"))
        peer = await phone.next()
        invites = [await peer.next() for _ in range(3)]
        assert all(isinstance(invite, Request) and invite.method == "INVITE" for invite in invites)
        assert phone.connections.empty()


async def test_a_refused_connection_ends_the_call_with_503() -> None:
    async with TcpPhone.open() as gone:
        port = gone.port
    async with engine("tcp:127.0.0.1:0") as running:
        ends = Ends(running)
        running.connect(order(f"sip:a@127.0.0.1:{port};transport=tcp"))
        ended = await ends.next()
        assert (ended.record.ended_by, ended.record.sip_code) == ("error", 503)
        assert running.counts["calls"] == 0
        assert not running.connections.waiting


async def test_a_connection_that_breaks_before_the_answer() -> None:
    async with engine("tcp:127.0.0.1:0") as running, TcpPhone.open() as phone:
        ends = Ends(running)
        running.connect(order(f"sip:a@127.0.0.1:{phone.port};transport=tcp"))
        peer = await phone.next()
        await peer.next()
        await peer.close()
        assert (await ends.next()).record.sip_code == 503


async def test_a_long_invite_takes_tcp_and_falls_back_to_udp() -> None:
    """Nobody takes TCP on the phone's port: the same INVITE comes by UDP."""
    async with engine("udp:127.0.0.1:0", "tcp:127.0.0.1:0") as running, UdpPeer.open() as peer:
        running.connect(order(f"sip:a@127.0.0.1:{peer.port}", headers=(("X-Long", "x" * 1400),)))
        invite = await peer.next()
        assert isinstance(invite, Request)
        assert (invite.via.transport, len(invite.headers["Via"]), len(invite.headers["X-Long"][0])) == ("UDP", 1, 1400)


async def test_a_long_invite_stays_on_tcp_where_it_is_taken() -> None:
    async with TcpPhone.open() as phone, engine("udp:127.0.0.1:0", "tcp:127.0.0.1:0") as running:
        running.connect(order(f"sip:a@127.0.0.1:{phone.port}", headers=(("X-Long", "x" * 1400),)))
        invite = await (await phone.next()).next()
        assert invite.via.transport == "TCP"


async def test_names_are_resolved() -> None:
    async with engine("udp:127.0.0.1:0") as running, UdpPeer.open() as peer:
        running.connect(order(f"sip:a@localhost:{peer.port}"))
        invite = await peer.next()
        assert isinstance(invite, Request) and invite.uri == f"sip:a@localhost:{peer.port}"


async def test_a_datagram_that_cannot_be_sent_leaves_the_call_to_its_timers() -> None:
    """Too long for a datagram, or to an address that may not be sent to: no exception, and the call can be hung up."""
    async with engine("udp:127.0.0.1:0") as running:
        ends = Ends(running)
        running.connect(order("sip:a@127.0.0.1:9", "long", headers=(("X-Long", "x" * 70_000),)))
        running.connect(order("sip:a@255.255.255.255", "broadcast"))
        for call_id in ("long", "broadcast"):
            assert running.hang_up(call_id)
            assert (await ends.next()).record.call_id == call_id


# ── ports that are taken ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_port_that_is_taken(transport: str) -> None:
    async with engine(f"{transport}:127.0.0.1:0") as running:
        taken = f"{transport}:127.0.0.1:{running.core.interfaces.interfaces[0].port}"
        other = Engine(Sip(listen=["udp:127.0.0.1:0", taken]))
        with pytest.raises(OSError, match=f"cannot listen on {taken}") as caught:
            await other.start()
        assert caught.value.errno


# ── the engine ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_nothing_is_taken_in_before_there_is_a_core() -> None:
    """A datagram that came while the other sockets were being opened met an engine without a core."""
    starting = Engine(Sip(listen=["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]))
    listen = starting.connections.listen
    early = asyncio.Event()

    async def listen_late(*where: object) -> object:
        udp = starting.udp[0]
        take = udp.take

        def taken(data: bytes, source: object) -> None:
            take(data, source)
            early.set()

        udp.take = taken  # type: ignore[method-assign]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(b"OPTIONS sip:us SIP/2.0\r\n\r\n", udp.address)
        async with asyncio.timeout(PATIENCE):
            await early.wait()
        return await listen(*where)  # type: ignore[arg-type]

    starting.connections.listen = listen_late  # type: ignore[assignment, method-assign]
    await starting.start()
    await starting.close(0)


async def test_one_armed_timer_for_all() -> None:
    async with engine("udp:127.0.0.1:0") as running, UdpPeer.open() as peer:
        assert running.armed is None
        for number in range(50):
            running.connect(order(f"sip:a@127.0.0.1:{peer.port}", f"call{number}"))
        assert running.counts["timers"] >= 150
        assert running.armed is not None
        assert running.armed_for == pytest.approx(running.core.next_due)
        invites = {(await peer.next()).call_id for _ in range(100)}  # each is sent twice: the timer acts for all
        assert len(invites) == 50


async def test_the_loop_is_not_kept_busy_until_a_timer_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    early: list[float] = []
    tick = Engine.tick

    def counted(running: Engine) -> None:
        if (due := running.core.next_due) is not None and due > running.now():
            early.append(due - running.now())
        tick(running)

    monkeypatch.setattr(Engine, "tick", counted)
    async with engine("udp:127.0.0.1:0") as running, UdpPeer.open() as peer:
        ends = Ends(running)
        for number in range(20):
            # Between two thousandths of a second, which is what an event loop counts in.
            order_of = order(f"sip:a@127.0.0.1:{peer.port}", f"call{number}", ring_timeout=0.05 + number * 0.0103)
            running.connect(order_of)
        for _ in range(20):
            await ends.next()
    assert early == []


async def test_our_fault_ends_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """A leg that fails over a response takes down its own call, with a word to history; the next one is carried."""
    async with engine("udp:127.0.0.1:0") as running, UdpPeer.open() as peer:
        ends = Ends(running)
        running.connect(order(f"sip:bad@127.0.0.1:{peer.port}", "bad"))
        bad = await peer.next()
        running.connect(order(f"sip:good@127.0.0.1:{peer.port}", "good"))
        good = await peer.next()
        assert isinstance(bad, Request) and isinstance(good, Request)
        provisional = leg_responses.provisional

        def fail(leg: Leg, response: Response, now: float) -> Work:
            if leg.key == bad.call_id:
                raise ZeroDivisionError("our fault")
            return provisional(leg, response, now)

        monkeypatch.setattr(leg_responses, "provisional", fail)
        interface = running.core.interfaces.interfaces[0]
        peer.send(bytes(bad.response(180, to_tag="x")), interface)
        ended = await ends.next()
        assert (ended.record.call_id, ended.record.ended_by, ended.record.sip_code) == ("bad", "error", 500)
        peer.send(bytes(good.response(486, to_tag="x")), interface)
        ended = await ends.next()
        assert (ended.record.call_id, ended.record.ended_by, ended.record.sip_code) == ("good", "a", 486)
        peer.send(options(77, "UDP"), interface)
        while True:
            message = await peer.next()
            if isinstance(message, Response):
                break
        assert (message.status, message.cseq.number) == (200, 77)


async def test_a_timer_that_fails_ends_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    async with engine("udp:127.0.0.1:0") as running, UdpPeer.open() as peer:
        ends = Ends(running)
        timer = Leg.timer

        def fail(leg: Leg, name: str, now: float) -> Work:
            if leg.call == "bad" and name == "ring":
                raise ZeroDivisionError("our fault")
            return timer(leg, name, now)

        monkeypatch.setattr(Leg, "timer", fail)
        running.connect(order(f"sip:bad@127.0.0.1:{peer.port}", "bad", ring_timeout=0.05))
        running.connect(order(f"sip:good@127.0.0.1:{peer.port}", "good", ring_timeout=0.1))
        first, second = await ends.next(), await ends.next()
        assert [(one.record.call_id, one.record.ended_by) for one in (first, second)] == [
            ("bad", "error"),
            ("good", "timer"),
        ]


@pytest.mark.parametrize(
    ("advertise", "host", "port"),
    [
        ("", "127.0.0.1", 5060),
        ("203.0.113.5", "203.0.113.5", 5060),
        ("203.0.113.5:6060", "203.0.113.5", 6060),
        ("sip.example.com:6060", "sip.example.com", 6060),
        ("[2001:db8::7]:6060", "2001:db8::7", 6060),
        ("[2001:db8::7]", "2001:db8::7", 5060),
    ],
)
def test_the_advertised_address(advertise: str, host: str, port: int) -> None:
    sip = Sip(listen=["udp:127.0.0.1:5060"], advertise=advertise)
    running = Engine(sip)
    interface = running.interface(sip.addresses()[0], "127.0.0.1", 5060, 0)
    assert (interface.host, interface.port) == (host, port)


def test_the_advertised_port_is_that_of_udp_and_tcp() -> None:
    sip = Sip(listen=["tls:127.0.0.1:5061"], advertise="203.0.113.5:6060")
    interface = Engine(sip).interface(sip.addresses()[0], "127.0.0.1", 5061, 0)
    assert interface.sent_by == "203.0.113.5:5061"
