"""A byte stream cut into messages by Content-Length (RFC 3261 §18.3); CRLF keep-alives are told apart (RFC 5626 §3.5.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from c2c_b2bua.sip.errors import SipError

MAX_HEAD = 64 * 1024
MAX_BODY = 1024 * 1024
CONTENT_LENGTH_PATTERN = re.compile(rb"\r\n(?:content-length|l)[ \t]*:[ \t\r\n]*([0-9]{1,9})[ \t]*\r\n", re.IGNORECASE)
PING = b"\r\n\r\n"


class Framer:
    """Collects what a stream brings; `feed` gives whole messages, and PING for each keep-alive to be answered."""

    __slots__ = ("awaited", "buffer", "searched")

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.searched = 0
        self.awaited = 0
        """Bytes of the message whose head is here; 0: no head is."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Add bytes; give what became complete. SipError, after that, when the stream cannot be followed: close it."""
        buffer = self.buffer
        buffer += data
        while buffer:
            if len(buffer) < self.awaited:
                break
            if buffer[0] in b"\r\n":
                if buffer.startswith(PING):
                    del buffer[:4]
                    yield PING
                elif len(buffer) < len(PING) and PING.startswith(bytes(buffer)):
                    break  # a keep-alive may be half here
                else:
                    del buffer[0]  # a line end before a start line (§7.5)
                continue
            end = buffer.find(b"\r\n\r\n", self.searched)
            if end < 0:
                if len(buffer) > MAX_HEAD:
                    raise SipError(f"no end of the head within {MAX_HEAD} bytes", 513)
                self.searched = max(0, len(buffer) - 3)
                break
            if end > MAX_HEAD:
                raise SipError(f"head above {MAX_HEAD} bytes", 513)
            found = CONTENT_LENGTH_PATTERN.search(buffer, 0, end + 2)
            if found is None:
                raise SipError("no usable Content-Length on a stream")
            length = int(found[1])
            if length > MAX_BODY:
                raise SipError(f"body above {MAX_BODY} bytes", 513)
            total = end + 4 + length
            if len(buffer) < total:
                self.searched, self.awaited = end, total
                break
            frame = bytes(memoryview(buffer)[:total])
            del buffer[:total]
            self.searched = self.awaited = 0
            yield frame
