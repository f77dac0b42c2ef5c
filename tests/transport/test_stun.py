"""STUN on the SIP port: the vectors of RFC 5769, and the real socket."""

from __future__ import annotations

import asyncio

import pytest

from c2c_b2bua.transport.stun import answer, is_stun
from tests.transport.peers import PATIENCE, UdpPeer, engine, options

TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
REQUEST = bytes.fromhex("000100002112a442") + TRANSACTION
# RFC 5769 §2.1, with all its attributes.
SAMPLE = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b1"
    "51263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"
)


@pytest.mark.parametrize("request_", [REQUEST, SAMPLE])
@pytest.mark.parametrize(
    ("host", "value"),
    [
        # RFC 5769 §2.2 and §2.3: the same XOR-MAPPED-ADDRESS.
        ("192.0.2.1", "0001a147e112a643"),
        ("2001:db8:1234:5678:11:2233:4455:6677", "0002a1470113a9faa5d3f179bc25f4b5bed2b9d9"),
    ],
)
def test_the_vectors(request_: bytes, host: str, value: str) -> None:
    said = answer(request_, host, 32853)
    attribute = bytes.fromhex("0020") + (len(value) // 2).to_bytes(2, "big") + bytes.fromhex(value)
    assert (
        said
        == bytes.fromhex("0101") + len(attribute).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + TRANSACTION + attribute
    )


@pytest.mark.parametrize(
    "data",
    [
        bytes.fromhex("0101") + REQUEST[2:],  # a response: who answers it is in a loop
        bytes.fromhex("0011") + REQUEST[2:],  # an indication
        REQUEST + b"\x00",
        REQUEST[:2] + b"\x00\x04" + REQUEST[4:],
    ],
)
def test_what_is_not_answered(data: bytes) -> None:
    assert is_stun(data)
    assert answer(data, "192.0.2.1", 5060) is None


@pytest.mark.parametrize("data", [b"", REQUEST[:19], b"\x00" * 40, b"\r\n\r\n", options(1)])
def test_what_is_no_stun(data: bytes) -> None:
    assert not is_stun(data)


async def test_on_the_sip_port() -> None:
    async with engine("udp:127.0.0.1:0") as running, UdpPeer.open() as peer:
        interface = running.core.interfaces.interfaces[0]
        peer.send(REQUEST, interface)
        async with asyncio.timeout(PATIENCE):
            assert await peer.got.get() == answer(REQUEST, "127.0.0.1", peer.port)
        peer.send(options(1, "UDP"), interface)
        assert (await peer.next()).cseq.number == 1
