"""Host names to addresses: A and AAAA by the system's resolver, remembered for a while (RFC 3263 §4.2)."""

from __future__ import annotations

import asyncio
import socket
import time

REMEMBERED_FOR = 30.0
MAX_REMEMBERED = 1000


class Resolver:
    """Answers from memory where it can; several who ask for one name at once share the question."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[float, str | None]] = {}
        self.asking: dict[str, asyncio.Future[str | None]] = {}

    def recall(self, host: str) -> tuple[bool, str | None]:
        """(whether it is remembered, the address)."""
        until, address = self.known.get(host, (0.0, None))
        return until > time.monotonic(), address

    async def address(self, host: str) -> str | None:
        """The first address of a host, IPv4 before IPv6; None: it has none, or nobody answered."""
        is_known, address = self.recall(host)
        if is_known:
            return address
        question = self.asking.get(host)
        if question is None:
            question = self.asking[host] = asyncio.ensure_future(self.ask(host))
        return await asyncio.shield(question)

    async def ask(self, host: str) -> str | None:
        loop = asyncio.get_running_loop()
        address: str | None = None
        try:
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
            ordered = sorted(found, key=lambda entry: entry[0] != socket.AF_INET)
            address = str(ordered[0][4][0]) if ordered else None
        except OSError:
            address = None
        finally:
            self.asking.pop(host, None)
        if len(self.known) >= MAX_REMEMBERED:
            self.known.clear()
        self.known[host] = (time.monotonic() + REMEMBERED_FOR, address)
        return address
