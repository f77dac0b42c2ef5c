"""A B2BUA that is killed and starts again, knowing no more than what its core had asked to be kept until then."""

from __future__ import annotations

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.order import CallOrder
from c2c_b2bua.call.snapshot import (
    CallSnapshot,
    Keep,
    Rang,
    Release,
    decode_order,
    decode_rang,
    decode_snapshot,
    encode,
    with_rang,
)
from c2c_b2bua.sip.flow import Interfaces
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action


class Memory:
    """The journal, without a disk: bytes, so that nothing of the old process is in the new one."""

    def __init__(self) -> None:
        self.orders: dict[str, bytes] = {}
        self.snapshots: dict[str, bytes] = {}
        self.lives = 1
        self.kept = 0

    def hear(self, action: Action) -> bool:
        """Take in what a core puts out; True for what is nobody else's business."""
        if isinstance(action, Keep):
            self.kept += 1
            if action.order is not None:
                self.orders[action.call_id] = encode(action.order)
            self.snapshots[action.call_id] = encode(action.snapshot)
            return True
        if isinstance(action, Rang):
            kept = with_rang(decode_snapshot(self.snapshots[action.call_id]), decode_rang(encode(action.at)))
            self.snapshots[action.call_id] = encode(kept)
            return True
        if isinstance(action, Release):
            del self.orders[action.call_id], self.snapshots[action.call_id]
            return True
        return False

    def calls(self) -> list[tuple[CallOrder, CallSnapshot]]:
        return [(decode_order(self.orders[name]), decode_snapshot(self.snapshots[name])) for name in self.orders]

    def reborn(self, interfaces: Interfaces, now: float) -> tuple[B2bua, list[Action]]:
        """The next process at the same addresses, and what it says when it takes the calls over."""
        self.lives += 1
        core = B2bua(interfaces, Tokens(b"life %d" % self.lives), keeps=True)
        return core, [action for order, kept in self.calls() for action in core.take_over(order, kept, now)]
