"""Tags, branches and Call-IDs: unguessable to others, repeatable for a given secret (RFC 3261 §19.3)."""

from __future__ import annotations

import hashlib


class Tokens:
    """An endless row of tokens made from one secret; an engine gives 32 random bytes, a test any bytes it likes."""

    __slots__ = ("count", "engine", "ready", "row", "seals", "secret")

    def __init__(self, secret: bytes, engine: str = "1") -> None:
        self.secret = secret
        self.engine = engine
        """The engine's name, first part of every tag and branch and of a leg's Call-ID: a stray packet finds its owner."""
        self.count = 0
        self.ready: list[str] = []
        # What each digest begins with: cheaper to copy than to make of the key again.
        self.row = hashlib.blake2b(key=secret)
        self.seals = hashlib.blake2b(key=secret, digest_size=8)

    def token(self) -> str:
        """16 hex digits (64 bits); a digest has eight."""
        if not self.ready:
            digest = self.row.copy()
            digest.update(self.count.to_bytes(8, "big"))
            self.count += 1
            self.ready = digest.digest().hex(" ", 8).split()
        return self.ready.pop()

    def tag(self) -> str:
        return f"{self.engine}-{self.token()}"

    def seal(self, text: str) -> str:
        """A tag that proves, whenever it comes back, that we gave it to this `text`."""
        digest = self.seals.copy()
        digest.update(text.encode("utf-8", "surrogateescape"))
        return f"{self.engine}-{digest.hexdigest()}"

    def branch(self) -> str:
        return f"z9hG4bK{self.engine}-{self.ready.pop() if self.ready else self.token()}"

    def number(self, bound: int) -> int:
        """An integer from 0 to `bound` - 1."""
        return int(self.token(), 16) % bound
