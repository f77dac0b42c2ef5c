"""A B2BUA that is killed and starts again, knowing no more than what its core had asked to be kept until then."""

from __future__ import annotations

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.snapshot import ORDER, RANG, Keep, KeptCall, Parts, Release, encode, read
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action


class Memory:
    """The journal, without a disk: bytes, so that nothing of the old process is in the new one."""

    def __init__(self) -> None:
        self.orders: dict[str, Parts] = {}
        """What is kept of each call."""
        self.lives = 1
        self.kept = 0

    def hear(self, action: Action) -> bool:
        """Take in what a core puts out; True for what is nobody else's business."""
        if isinstance(action, Keep):
            self.kept += 1
            self.orders.setdefault(action.call_id, {}).update(action.parts)
            assert ORDER in self.orders[action.call_id]
            return True
        if isinstance(action, Release):
            del self.orders[action.call_id]
            return True
        return False

    def calls(self) -> list[KeptCall]:
        return [read(parts) for parts in self.orders.values()]

    def save(self, core: B2bua) -> None:
        """What else the core knows that has to be kept, sooner or later: here, just before it is killed."""
        assert core.ledger is not None
        for call_id, at in core.ledger.rang().items():
            self.orders[call_id][RANG] = encode(at)

    def reborn(self, killed: B2bua, now: float) -> tuple[B2bua, list[Action]]:
        """The next process at the same addresses, and what it says when it takes the calls over."""
        self.save(killed)
        self.lives += 1
        core = B2bua(killed.interfaces, Tokens(b"life %d" % self.lives), keeps=True)
        return core, [action for kept in self.calls() for action in core.take_over(kept, now)]
