"""How fast calls are sent to one trunk: its rate, halved when the trunk says 503, won back step by step (RFC 3261 §21.5.4)."""

from __future__ import annotations

from c2c_b2bua.throttle import TokenBucket

HALVED_FOR = 10.0
"""Seconds until a halved rate wins back its next eighth; and in which one 503 after the other halves it but once."""
STEPS = 8
SLOWEST = 16
"""The part of its rate below which a trunk is never slowed down."""
LONGEST_PAUSE = 600.0
"""Seconds of the longest `Retry-After` that we believe."""


class Pace:
    """`limit` is calls per second, 0: as fast as they come. Time is an argument."""

    __slots__ = ("bucket", "changed_at", "halved_at", "limit", "paused_until", "rate")

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.rate = limit
        self.bucket = TokenBucket(max(1.0, limit), limit) if limit else None
        self.changed_at = self.halved_at = 0.0
        self.paused_until = 0.0

    def wait(self, now: float) -> float:
        """0.0, or the seconds until a call may go."""
        self.recover(now)
        wait = self.bucket.wait(now) if self.bucket else 0.0
        return max(wait, self.paused_until - now, 0.0)

    def take(self, now: float) -> None:
        """A call goes, whether it may or not; the next one waits for it."""
        if self.bucket:
            self.bucket.owe(now)

    def give_back(self) -> None:
        """It did not go."""
        if self.bucket:
            self.bucket.give_back()

    def refused(self, now: float, retry_after: float | None) -> None:
        """The trunk said 503: go slower for a while, and not at all for as long as it asks."""
        self.recover(now)
        if self.limit and now - self.halved_at >= HALVED_FOR:
            self.change(max(self.rate / 2, self.limit / SLOWEST), now)
            self.halved_at = now
        if retry_after:
            self.paused_until = max(self.paused_until, now + min(retry_after, LONGEST_PAUSE))

    def rate_at(self, now: float) -> float:
        """Calls per second at present; 0: no limit."""
        self.recover(now)
        return self.rate

    def recover(self, now: float) -> None:
        """Win back what the time since the last 503 is worth."""
        if self.rate >= self.limit:
            return
        steps = int((now - self.changed_at) / HALVED_FOR)
        if steps > 0:
            at = self.changed_at + steps * HALVED_FOR
            self.change(min(self.limit, self.rate + steps * self.limit / STEPS), now)
            self.changed_at = at

    def change(self, rate: float, now: float) -> None:
        """Go on at another rate; what is owed stays owed."""
        assert self.bucket
        tokens = self.bucket.tokens(now)
        size = max(1.0, rate)
        self.bucket = TokenBucket(size, rate)
        self.bucket.full_at = now + (size - min(tokens, size)) / rate
        self.rate, self.changed_at = rate, now

    def starts(self, now: float, count: int) -> list[float]:
        """When the next so many calls may go, if the rate stays and nobody else comes."""
        first = now + self.wait(now)
        if not self.bucket:
            return [first] * count
        tokens = self.bucket.tokens(first)
        return [first + max(0.0, index + 1 - tokens) / self.rate for index in range(count)]
