"""How often something may happen: token buckets. Time is an argument, in seconds; nothing here has a clock."""

from __future__ import annotations

GRACE = 1e-6
"""Seconds: what the sum of many floats may be off, so that whoever waits as long as told is let in."""


class TokenBucket:
    """Holds up to `size` tokens, starts full, and gains `per_second` evenly.

    It remembers one number, when it will be full again: a bucket that is full is like one never used.
    """

    __slots__ = ("full_at", "per_second", "size")

    def __init__(self, size: float, per_second: float) -> None:
        if size <= 0 or per_second <= 0:
            raise ValueError(f"a bucket has a size and a rate above zero, not {size} and {per_second}")
        self.size = size
        self.per_second = per_second
        self.full_at = 0.0

    def take(self, now: float, cost: float = 1.0) -> float:
        """0.0 and `cost` tokens are gone, or none is and this many seconds later they will be there.

        A cost above the size is taken for the size: it waits for a full bucket.
        """
        start = self.full_at if self.full_at > now else now
        span = (cost if cost < self.size else self.size) / self.per_second
        wait = start + span - now - self.size / self.per_second
        if wait > GRACE:
            return wait
        self.full_at = start + span
        return 0.0

    def owe(self, now: float, cost: float = 1.0) -> None:
        """Take `cost` tokens whether they are there or not; whoever comes next waits the longer."""
        self.full_at = max(self.full_at, now) + cost / self.per_second

    def give_back(self, cost: float = 1.0) -> None:
        """Undo a `take` or an `owe`."""
        self.full_at -= cost / self.per_second

    def wait(self, now: float, cost: float = 1.0) -> float:
        """What `take` would say; nothing is taken."""
        start = self.full_at if self.full_at > now else now
        wait = start + (min(cost, self.size) - self.size) / self.per_second - now
        return wait if wait > GRACE else 0.0

    def tokens(self, now: float) -> float:
        """How many are in it."""
        return self.size - max(0.0, self.full_at - now) * self.per_second


class Buckets:
    """A bucket per key. Those that are full again are dropped; of more than `most` keys the oldest are."""

    __slots__ = ("buckets", "most", "sweep_at")

    def __init__(self, most: int = 100_000) -> None:
        self.buckets: dict[str, TokenBucket] = {}
        self.most = most
        self.sweep_at = 1024

    def take(self, key: str, size: float, per_second: float, now: float, cost: float = 1.0) -> float:
        """As `TokenBucket.take`; a bucket whose size or rate changed keeps what was taken from it."""
        bucket = self.buckets.get(key)
        if bucket is None:
            if len(self.buckets) >= self.sweep_at:
                self.sweep(now)
            bucket = self.buckets[key] = TokenBucket(size, per_second)
        elif bucket.size != size or bucket.per_second != per_second:
            taken = bucket.size - bucket.tokens(now)
            bucket = self.buckets[key] = TokenBucket(size, per_second)
            bucket.full_at = now + min(taken, size) / per_second
        return bucket.take(now, cost)

    def sweep(self, now: float) -> None:
        """Drop what is full, then the oldest above `most`; sweep again when twice as many are there."""
        self.buckets = {key: bucket for key, bucket in self.buckets.items() if bucket.full_at > now}
        for key in list(self.buckets)[: max(0, len(self.buckets) - self.most // 2)]:
            del self.buckets[key]
        self.sweep_at = min(self.most, max(1024, 2 * len(self.buckets)))
