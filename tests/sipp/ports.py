"""Ports of loopback that nobody has, below those that the system gives to connections: none is taken before it is used."""

from __future__ import annotations

import random
import socket
from pathlib import Path

from tests.side_by_side import part

LOOPBACK = "127.0.0.1"
OURS = part(20_000, 32_000)
"""Linux gives connections ports from 32768 on."""
given: set[int] = set()
"""Given in this run; none is given twice, so that a late packet of one test never reaches a phone of the next."""


def free_port(step: int = 1) -> int:
    """A port that is free for UDP and TCP, `step - 1` free ones after it."""
    while True:
        first = random.choice(OURS[: len(OURS) - step + 1])
        wanted = range(first, first + step)
        if not given.intersection(wanted) and all(is_free(port) for port in wanted):
            given.update(wanted)
            return first


def is_free(port: int) -> bool:
    """Whether this port can be had for UDP and TCP, on loopback and everywhere."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("", port))
            except (OSError, OverflowError):
                return False
    return True


def is_bound(port: int, protocol: str = "udp") -> bool:
    """Whether somebody has this port now: the kernel's own list, so that asking disturbs nobody."""
    wanted = f"{port:04X}"
    for table in (f"/proc/net/{protocol}", f"/proc/net/{protocol}6"):
        path = Path(table)
        if not path.exists():
            continue
        for line in path.read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            if local.rpartition(":")[2] == wanted and (protocol == "udp" or state == "0A"):
                return True
    return False
