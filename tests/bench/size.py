"""How long the bench takes: in full, in two minutes, or only to see that all of it works."""

from __future__ import annotations

from typing import NamedTuple


class Size(NamedTuple):
    rounds: int
    """Of what is cheap; the figure is their median."""
    scale: float
    """Of the numbers of messages, calls and phones in one process."""
    flat_out: float
    """Seconds of requests as fast as they are answered."""
    begin: float
    """Where the search for the highest rate begins: share of what the server's core has time for."""
    attempt: float
    """Seconds of calls at one rate, when the highest is looked for."""
    attempts: int
    hold: float
    """Seconds for which the rate is to be held."""
    holds: int
    """How often that is tried, each time at a lower rate."""
    at_once: float
    """Seconds of overload, and of probes of latency."""
    talking: tuple[int, ...]
    """Calls that talk at a time: few, and then many, in equal steps."""
    linger: float
    """Seconds until what is kept of a call for messages that come late is gone (64 × T1, and a little); or no wait."""

    def count(self, number: int) -> int:
        return max(2, int(number * self.scale))


MANY = (1_000, 10_000, 20_000, 30_000, 40_000, 50_000)
SIZES = {
    "full": Size(5, 1.0, 1.0, 0.6, 6.0, 8, 60.0, 5, 10.0, MANY, 35.0),
    "quick": Size(3, 0.1, 0.4, 0.7, 2.0, 3, 6.0, 1, 3.0, (200, 2_000, 4_000), 35.0),
    "tiny": Size(1, 0.005, 0.1, 0.1, 0.4, 1, 0.5, 1, 0.4, (2, 3, 6), 0.0),
}
