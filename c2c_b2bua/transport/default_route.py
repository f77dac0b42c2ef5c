"""Which address of ours strangers see, when we listen on all of them."""

from __future__ import annotations

import socket


def default_address(wildcard: str) -> str:
    """Our address on the way to everybody else; loopback without a way. Nothing is sent for it."""
    family, far, near = (
        (socket.AF_INET6, "2001:db8::1", "::1") if ":" in wildcard else (socket.AF_INET, "192.0.2.1", "127.0.0.1")
    )
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((far, 9))
        except OSError:
            return near
        return str(probe.getsockname()[0])
