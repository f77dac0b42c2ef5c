"""SIP over WebSocket on loopback: sub-protocol, origin, flow, keep-alive (RFC 7118)."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from c2c_b2bua.config import Limits, Tls
from c2c_b2bua.sip.flow import Flow, Interface
from c2c_b2bua.sip.message import Request, Response
from c2c_b2bua.sip.reading import parse
from tests.certificates import Authority
from tests.transport.peers import PATIENCE, TcpPeer, engine, options
from tests.transport.test_sockets import Ends, order

SIP = [Subprotocol("sip")]


def at(interface: Interface) -> str:
    return f"ws://{interface.host}:{interface.port}/any/path"


async def next_of(browser: ClientConnection) -> Request | Response:
    async with asyncio.timeout(PATIENCE):
        data = await browser.recv()
    return parse(data.encode() if isinstance(data, str) else data)


async def test_messages_by_text_and_binary() -> None:
    async with engine("ws:127.0.0.1:0") as running:
        interface = running.core.interfaces.interfaces[0]
        assert interface.contact == f"<sip:c2c@127.0.0.1:{interface.port};transport=ws>"
        async with connect(at(interface), subprotocols=SIP) as browser:
            assert browser.subprotocol == "sip"
            assert browser.response is not None and "Sec-WebSocket-Extensions" not in browser.response.headers
            for number, data in ((1, options(1, "WS", "df7jal23ls0d.invalid").decode()), (2, options(2, "WS"))):
                await browser.send(data)
                said = await browser.recv()
                assert isinstance(said, str)
                response = parse(said.encode())
                assert isinstance(response, Response)
                assert (response.status, response.cseq.number, response.via.transport) == (200, number, "WS")
            # In pieces, and without Content-Length: the message of the WebSocket is that of SIP.
            whole = options(3, "WS").replace(b"Content-Length: 0\r\n", b"").decode()
            await browser.send([whole[:10], whole[10:50], whole[50:]])
            assert (await next_of(browser)).cseq.number == 3
            # No UTF-8: goes out as it came, in a binary frame.
            await browser.send(options(4, "WS").replace(b"Call-ID: 4", b"Call-ID: \xff4"))
            odd = await browser.recv()
            assert isinstance(odd, bytes) and b"Call-ID: \xff4" in odd


async def test_keep_alives() -> None:
    async with (
        engine("ws:127.0.0.1:0") as running,
        connect(at(running.core.interfaces.interfaces[0]), subprotocols=SIP) as browser,
    ):
        await browser.send("\r\n\r\n")
        assert await browser.recv() == "\r\n"
        async with asyncio.timeout(PATIENCE):
            await (await browser.ping())


@pytest.mark.parametrize("offered", [None, [Subprotocol("chat")]])
async def test_without_the_sub_protocol(offered: list[Subprotocol] | None) -> None:
    async with engine("ws:127.0.0.1:0") as running:
        with pytest.raises(InvalidStatus) as caught:
            await connect(at(running.core.interfaces.interfaces[0]), subprotocols=offered)
        assert caught.value.response.status_code == 400


@pytest.mark.parametrize(
    ("origin", "is_let_in"),
    [
        ("https://www.example.com", True),
        ("https://evil.example", False),
        ("https://www.example.com.evil.example", False),
        (None, True),
    ],
)
async def test_origins(origin: str | None, is_let_in: bool) -> None:
    async with engine("ws:127.0.0.1:0", websocket_origins=["https://www.example.com"]) as running:
        opening = connect(
            at(running.core.interfaces.interfaces[0]), subprotocols=SIP, origin=Origin(origin) if origin else None
        )
        if is_let_in:
            async with opening as browser:
                await browser.send(options(1, "WS"))
                assert (await next_of(browser)).cseq.number == 1
        else:
            with pytest.raises(InvalidStatus) as caught:
                await opening
            assert caught.value.response.status_code == 403


async def test_http_is_told_what_is_spoken_here() -> None:
    async with engine("ws:127.0.0.1:0") as running:
        peer = await TcpPeer.connect(running.core.interfaces.interfaces[0])
        peer.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            assert (await peer.reader.read()).startswith(b"HTTP/1.1 426 ")
        await peer.close()


async def test_a_browser_is_called_over_its_connection() -> None:
    """Its Contact leads nowhere (RFC 7118 §5.2): all of the dialog goes over the connection."""
    async with engine("ws:127.0.0.1:0", "udp:127.0.0.1:0") as running:
        ends = Ends(running)
        interface = running.core.interfaces.interfaces[0]
        async with connect(at(interface), subprotocols=SIP) as browser:
            await browser.send(options(1, "WS"))
            await next_of(browser)
            ((number, connection),) = running.connections.by_number.items()
            flow = Flow(interface, connection.flow.host, connection.flow.port, number)
            running.connect(order("sip:a@df7jal23ls0d.invalid;transport=ws", flow=flow))
            invite = await next_of(browser)
            assert isinstance(invite, Request)
            assert (invite.method, invite.via.transport) == ("INVITE", "WS")
            refusal = invite.response(486, to_tag="x")
            await browser.send(bytes(refusal).decode())
            ack = await next_of(browser)
            assert isinstance(ack, Request) and ack.method == "ACK"
        assert (await ends.next()).record.sip_code == 486
        # The browser is gone, and nothing else leads to it.
        running.connect(order("sip:a@df7jal23ls0d.invalid;transport=ws", "call2", flow=flow))
        assert (await ends.next()).record.sip_code == 503
        running.connect(order("sip:a@df7jal23ls0d.invalid;transport=ws", "call3"))
        record = (await ends.next()).record
        assert (record.sip_code, record.reason) == (503, "no address for df7jal23ls0d.invalid")


async def test_secure(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.certificate("127.0.0.1")
    tls = Tls(certificate=str(certificate), key=str(key))
    async with engine("wss:127.0.0.1:0", tls=tls) as running:
        interface = running.core.interfaces.interfaces[0]
        context = ssl.create_default_context(cafile=str(authority.ca))
        async with connect(f"wss://127.0.0.1:{interface.port}", subprotocols=SIP, ssl=context) as browser:
            await browser.send(options(1, "WSS"))
            assert (await next_of(browser)).via.transport == "WSS"


async def test_a_message_that_is_too_long() -> None:
    async with (
        engine("ws:127.0.0.1:0") as running,
        connect(at(running.core.interfaces.interfaces[0]), subprotocols=SIP) as browser,
    ):
        await browser.send("x" * 1_200_000)
        with pytest.raises(ConnectionClosed) as caught:
            await next_of(browser)
        assert caught.value.rcvd is not None and caught.value.rcvd.code == 1009


async def test_who_shakes_no_hands_is_closed() -> None:
    async with engine("ws:127.0.0.1:0", limits=Limits(handshake=0.2)) as running:
        peer = await TcpPeer.connect(running.core.interfaces.interfaces[0])
        peer.send(b"GET / HTTP/1.1\r\nHost: x\r\n")
        assert await peer.closed()
        await peer.close()


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
)


async def test_who_answers_no_ping_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser that was carried off its network: two pings, then the connection is given up."""
    monkeypatch.setattr("c2c_b2bua.transport.websocket.PING_EVERY", 0.2)
    async with engine("ws:127.0.0.1:0", limits=Limits(message=0.1, handshake=0.2)) as running:
        interface = running.core.interfaces.interfaces[0]
        peer = await TcpPeer.connect(interface)
        first = options(1, "WS")
        mask = bytes([0x81, 0x80 | 126, *len(first).to_bytes(2, "big"), 0, 0, 0, 0])
        peer.send(HANDSHAKE + mask + first)
        async with asyncio.timeout(PATIENCE):
            said = await peer.reader.read()
        assert said.count(b"\x89\x00") >= 1
        await peer.close()
        # One that answers stays.
        async with connect(at(interface), subprotocols=SIP) as browser:
            await browser.send(options(2, "WS"))
            await next_of(browser)
            await asyncio.sleep(1.0)
            await browser.send(options(3, "WS"))
            assert (await next_of(browser)).cseq.number == 3


async def test_half_a_message_over_a_websocket() -> None:
    async with engine("ws:127.0.0.1:0", limits=Limits(message=0.3)) as running:
        peer = await TcpPeer.connect(running.core.interfaces.interfaces[0])
        peer.send(HANDSHAKE + b"\x81\xfe\x01")
        async with asyncio.timeout(PATIENCE):
            await peer.reader.read()
        await peer.close()
        assert not running.connections.by_number
