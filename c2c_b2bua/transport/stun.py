"""STUN binding requests on the SIP port, by which phones keep their way through a NAT open (RFC 5626 §3.5.2, RFC 8489)."""

from __future__ import annotations

import ipaddress
import struct

BINDING_REQUEST, BINDING_SUCCESS = 0x0001, 0x0101
MAGIC_COOKIE = 0x2112A442
XOR_MAPPED_ADDRESS = 0x0020
HEADER = struct.Struct("!HHI12s")


def is_stun(data: bytes) -> bool:
    """Whether a datagram is STUN and not SIP: its first two bits are zero, those of a SIP message never are all."""
    return len(data) >= HEADER.size and data[0] < 0x40 and data[4:8] == b"\x21\x12\xa4\x42"


def answer(data: bytes, host: str, port: int) -> bytes | None:
    """The response to a binding request from that address; None for anything else."""
    kind, length, _, transaction = HEADER.unpack_from(data)
    if kind != BINDING_REQUEST or length != len(data) - HEADER.size or length % 4:
        return None
    address = ipaddress.ip_address(host.partition("%")[0])
    mask = struct.pack("!I12s", MAGIC_COOKIE, transaction)
    family = 1 if address.version == 4 else 2
    hidden = bytes(ours ^ theirs for ours, theirs in zip(address.packed, mask, strict=False))
    value = struct.pack("!xBH", family, port ^ (MAGIC_COOKIE >> 16)) + hidden
    attribute = struct.pack("!HH", XOR_MAPPED_ADDRESS, len(value)) + value
    return HEADER.pack(BINDING_SUCCESS, len(attribute), MAGIC_COOKIE, transaction) + attribute
