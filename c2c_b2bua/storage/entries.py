"""Entries of a file that is only appended to: each a head (length, checksum) and what it says, as msgpack.

One that a kill or a power cut left half written is known by that, and so is what lies behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from zlib import adler32

import msgspec

from c2c_b2bua.sip.reason import in_unicode

HEAD = Struct(">II")
encode = msgspec.msgpack.Encoder().encode


def encoded(said: object) -> bytes:
    """As msgpack, which knows only text that is Unicode: what phones say need not be."""
    try:
        return encode(said)
    except UnicodeEncodeError:
        return encode(in_unicode(msgspec.to_builtins(said, builtin_types=(bytes,))))


def framed(said: bytes) -> bytes:
    """An entry that says this."""
    return HEAD.pack(len(said), adler32(said)) + said


def read(data: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Where each entry from `at` on ends, and what it says; up to the first that is not whole."""
    while len(data) - at > HEAD.size:
        length, checksum = HEAD.unpack_from(data, at)
        start = at + HEAD.size
        said = data[start : start + length]
        if not length or len(said) < length or adler32(said) != checksum:
            return
        at = start + length
        yield at, said
