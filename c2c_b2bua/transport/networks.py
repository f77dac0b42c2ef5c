"""Addresses that limits do not hold for."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache


class Networks:
    """Asked with `host in networks`; the answer is remembered."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.networks = [ipaddress.ip_network(text) for text in texts]
        self.has = lru_cache(maxsize=4096)(self.look)

    def look(self, host: str) -> bool:
        address = ipaddress.ip_address(host.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None) or address
        return any(mapped in network for network in self.networks)

    def __contains__(self, host: str) -> bool:
        return self.has(host)
