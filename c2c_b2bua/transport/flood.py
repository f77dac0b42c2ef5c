"""How many datagrams one address may send, counted by the second before anything is read."""

from __future__ import annotations

import asyncio

import structlog

from c2c_b2bua.config import Limits
from c2c_b2bua.transport.networks import Networks

SECOND = 1.0
MAX_SOURCES = 100_000

log = structlog.get_logger()


class Flood:
    """Lets `datagrams_per_second` of every address pass; 0: all."""

    def __init__(self, limits: Limits) -> None:
        self.most = limits.datagrams_per_second
        self.exempt = Networks(limits.exempt)
        self.counts: dict[str, int] = {}

    def passes(self, host: str) -> bool:
        if not self.most:
            return True
        counts = self.counts
        if not counts or len(counts) > MAX_SOURCES:
            self.begin()
        counts = self.counts
        counts[host] = count = counts.get(host, 0) + 1
        return count <= self.most or host in self.exempt

    def begin(self) -> None:
        """A new second, or so many sources that they are forgotten."""
        if not self.counts:
            asyncio.get_running_loop().call_later(SECOND, self.end)
        self.counts = {}

    def end(self) -> None:
        """Who came above the limit is told to the log, once a second."""
        counts, self.counts = self.counts, {}
        for host, count in counts.items():
            if count > self.most and host not in self.exempt:
                log.warning("datagrams dropped", peer=host, dropped=count - self.most, limit=self.most)
