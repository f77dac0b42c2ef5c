"""An answer given once is given again: requests that carry an idempotency key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from c2c_b2bua.service.errors import ConflictingError

DAY = 86400.0


class Replay(msgspec.Struct):
    """A request seen before, at `at`, and the answer it got or will get."""

    at: float
    request_hash: str
    answer: asyncio.Future[bytes]


class Replays:
    """The answers of a day, oldest first."""

    def __init__(self) -> None:
        self.seen: dict[str, Replay] = {}

    def remember(self, key: str, at: float, request_hash: str, answer: bytes) -> None:
        """Take over an answer from before a restart."""
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        future.set_result(answer)
        self.seen[key] = Replay(at, request_hash, future)

    async def once(self, key: str, request_hash: str, now: float, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """What `make` gives, or what it gave before for this key; ConflictingError when that was another request.

        An attempt that failed is forgotten, so that it can be made again.
        """
        self.forget(now - DAY)
        known = self.seen.get(key)
        if known:
            if known.request_hash != request_hash:
                raise ConflictingError("this idempotency key was used for another request")
            return await asyncio.shield(known.answer)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.seen[key] = Replay(now, request_hash, answer)
        try:
            answer.set_result(await make())
        except Exception as error:
            del self.seen[key]
            answer.set_exception(error)
            answer.exception()
            raise
        except asyncio.CancelledError:
            del self.seen[key]
            answer.cancel()
            raise
        return answer.result()

    def forget(self, before: float) -> None:
        """Drop what is older."""
        while self.seen:
            oldest = next(iter(self.seen))
            if self.seen[oldest].at >= before:
                return
            del self.seen[oldest]
