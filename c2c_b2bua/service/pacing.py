"""Calls that wait for a place on a trunk: fair to accounts and to their click-to-calls, bounded in number and in time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from c2c_b2bua.service.errors import TooManyError
from c2c_b2bua.service.live_call import LiveCall
from c2c_b2bua.service.originate import Plan

Item = TypeVar("Item")


class FairQueue(Generic[Item]):
    """Serves accounts in turn, and of each its click-to-calls in turn: who sends many waits behind his own.

    Lanes are dicts in the order in which they are served next; one that was served goes to the end.
    """

    def __init__(self) -> None:
        self.lanes: dict[str, dict[str, deque[Item]]] = {}
        self.count = 0

    def __len__(self) -> int:
        return self.count

    def put(self, account: str, document: str, item: Item) -> None:
        """To the end of its lane."""
        self.lanes.setdefault(account, {}).setdefault(document, deque()).append(item)
        self.count += 1

    def first(self) -> Item | None:
        """Whose turn it is."""
        for lanes in self.lanes.values():
            for items in lanes.values():
                return items[0]
        return None

    def serve(self) -> Item:
        """Take whose turn it is out; IndexError when nobody waits."""
        for account, lanes in self.lanes.items():
            for document, items in lanes.items():
                item = items.popleft()
                self.count -= 1
                del lanes[document]
                if items:
                    lanes[document] = items
                del self.lanes[account]
                if lanes:
                    self.lanes[account] = lanes
                return item
        raise IndexError("nobody waits")

    def remove(self, account: str, document: str, item: Item) -> None:
        """Take one out that does not wait any longer; ValueError when it is not there."""
        lanes = self.lanes.get(account, {})
        items: deque[Item] = lanes.get(document, deque())
        items.remove(item)
        self.count -= 1
        if not items:
            del lanes[document]
            if not lanes:
                del self.lanes[account]

    def in_order(self) -> Iterator[Item]:
        """All of them as they would be served if nobody else came."""
        other: FairQueue[Item] = FairQueue()
        other.lanes = {
            account: {document: items.copy() for document, items in lanes.items()}
            for account, lanes in self.lanes.items()
        }
        other.count = self.count
        while other.count:
            yield other.serve()


class Waiting(msgspec.Struct, eq=False):
    """A call in the queue."""

    call: LiveCall
    plan: Plan
    until: float
    """When it has waited long enough."""
    is_ready: bool = False
    """It is on disk, and may be made."""


class Timer(Protocol):
    """What `later` gives back."""

    def cancel(self) -> None: ...


class WaitingRoom:
    """`start` makes a call, or says in how many seconds to ask again; `give_up` ends one that has waited too long."""

    def __init__(
        self,
        size: int,
        patience: float,
        now: Callable[[], float],
        later: Callable[[float, Callable[[], None]], Timer],
        start: Callable[[LiveCall, Plan], float],
        give_up: Callable[[LiveCall], None],
    ) -> None:
        self.size = size
        self.patience = patience
        self.now = now
        self.later = later
        self.start = start
        self.give_up = give_up
        self.queue: FairQueue[Waiting] = FairQueue()
        self.by_id: dict[str, Waiting] = {}
        """In the order in which they came, which is that of their deadlines."""
        self.armed: Any = None

    def __len__(self) -> int:
        return len(self.by_id)

    def require_space(self, wait: float) -> None:
        """TooManyError when there is none; `wait`: when there may be."""
        if not self.size:
            raise TooManyError("every trunk is at its limit of calls", wait)
        if len(self.by_id) >= self.size:
            raise TooManyError("too many calls wait for a trunk", wait)

    def enter(self, call: LiveCall, plan: Plan) -> int:
        """Wait, and not before `ready` be made; how many are to be made before it."""
        waiting = Waiting(call, plan, self.now() + self.patience)
        self.by_id[call.call_id] = waiting
        self.queue.put(call.account_id, call.document_id, waiting)
        return next(index for index, other in enumerate(self.queue.in_order()) if other is waiting)

    def ready(self, call: LiveCall) -> None:
        """The call may be made when it is its turn."""
        if waiting := self.by_id.get(call.call_id):
            waiting.is_ready = True
            self.serve()

    def leave(self, call: LiveCall) -> None:
        """It waits no longer, if it did."""
        if waiting := self.by_id.pop(call.call_id, None):
            self.queue.remove(call.account_id, call.document_id, waiting)
            self.wake()

    def is_ready(self, call: LiveCall) -> bool:
        """Whether it waits, and could be made."""
        waiting = self.by_id.get(call.call_id)
        return waiting is not None and waiting.is_ready

    def wake(self) -> None:
        """A place may have become free: see to it as soon as nothing else is being done."""
        if self.by_id:
            self.arm(0.0)

    def serve(self) -> None:
        """Make those calls whose turn it is, as long as there are places; end those that have waited long enough."""
        now, again = self.now(), self.patience
        for waiting in [*self.by_id.values()]:
            if waiting.until > now:
                again = waiting.until - now
                break
            if waiting.is_ready:
                self.leave(waiting.call)
                self.give_up(waiting.call)
        while (first := self.queue.first()) is not None and first.is_ready:
            if wait := self.start(first.call, first.plan):
                again = min(again, wait)
                break
            self.queue.serve()
            del self.by_id[first.call.call_id]
        if self.by_id:
            self.arm(again)

    def arm(self, delay: float) -> None:
        if self.armed is not None:
            self.armed.cancel()
        self.armed = self.later(delay, self.serve)

    def close(self) -> list[LiveCall]:
        """Nobody waits any more; those that could have been made."""
        found = [waiting.call for waiting in self.by_id.values() if waiting.is_ready]
        self.by_id.clear()
        self.queue = FairQueue()
        if self.armed is not None:
            self.armed.cancel()
            self.armed = None
        return found
