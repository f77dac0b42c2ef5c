"""Whom we know by address: hosts of the configuration, and hosts that have answered us. All others are strangers."""

from __future__ import annotations

from collections.abc import Iterable

MOST_MET = 10_000


class Neighbours:
    """`flow.host in neighbours`."""

    __slots__ = ("configured", "met")

    def __init__(self) -> None:
        self.configured: frozenset[str] = frozenset()
        self.met: set[str] = set()

    def welcome(self, hosts: Iterable[str]) -> None:
        """These are known from the start; a name says nothing until its host has answered."""
        self.configured = frozenset(hosts)

    def meet(self, host: str) -> None:
        """This one has answered a request of ours."""
        if host not in self.met:
            if len(self.met) >= MOST_MET:
                self.met.clear()
            self.met.add(host)

    def __contains__(self, host: str) -> bool:
        return host in self.met or host in self.configured
