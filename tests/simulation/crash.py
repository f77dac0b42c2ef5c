"""A B2BUA that is killed and starts again, knowing no more than what its core had asked to be kept until then."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Raw, structs
from msgspec.msgpack import encode

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.call import Call
from c2c_b2bua.call.ledger import Ledger
from c2c_b2bua.call.snapshot import CHANGE, ORDER, KeptCall, Parts, decode_snapshot, read, snapshot_of
from c2c_b2bua.dialog.leg import DOWN
from c2c_b2bua.dialog.snapshot import LegChange
from c2c_b2bua.sip.flow import Interfaces
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action, Work


class Memory:
    """The journal, without a disk: bytes, so that nothing of the old process is in the new one."""

    def __init__(self) -> None:
        self.orders: dict[str, dict[int, Raw]] = {}
        """What is kept of each call."""
        self.lives = 1

    def note(self, ledger: Ledger, changed: Mapping[str, Parts]) -> None:
        for call_id, parts in changed.items():
            self.orders.setdefault(call_id, {}).update({part: Raw(encode(value)) for part, value in parts.items()})
            assert ORDER in self.orders[call_id]
        over, ledger.over = ledger.over, []
        for call_id in over:
            self.orders.pop(call_id, None)

    def calls(self) -> list[KeptCall]:
        return [read(parts) for parts in self.orders.values()]

    def save(self, core: B2bua) -> None:
        """What else the core knows that has to be kept, sooner or later: here, just before it is killed."""
        assert core.ledger is not None
        self.note(core.ledger, core.ledger.rest())

    def reborn(self, killed: B2bua, now: float) -> tuple[B2bua, list[Action]]:
        """The next process at the same addresses, and what it says when it takes the calls over."""
        self.save(killed)
        self.lives += 1
        core = Remembered(killed.interfaces, Tokens(b"life %d" % self.lives), self)
        return core, [action for kept in self.calls() for action in core.take_over(kept, now)]


def check(kept: KeptCall, call: Call, core: B2bua) -> None:
    """What was written of a call, in pieces, comes to how it stands."""
    now = decode_snapshot(encode(snapshot_of(call, call.legs, [], core)))
    legs = []
    for was, leg in zip(kept.snapshot.legs, now.legs, strict=True):
        for name in LegChange.__struct_fields__:
            assert getattr(was, name) == getattr(leg, name), (kept.order.call_id, leg.name, name)
        # One that is down has let go of the rest.
        legs.append(was if leg.state == DOWN else leg)
    assert kept.snapshot == structs.replace(now, legs=legs)


class Remembered(B2bua):
    """A core of which is kept what is urgent before anything leaves."""

    def __init__(self, interfaces: Interfaces, tokens: Tokens, memory: Memory) -> None:
        super().__init__(interfaces, tokens, keeps=True)
        self.memory = memory

    def settle(self, work: Work, now: float) -> list[Action]:
        out = super().settle(work, now)
        assert self.ledger is not None
        changed = self.ledger.due()
        self.memory.note(self.ledger, changed)
        for call_id, parts in changed.items():
            if parts.get(CHANGE) is not None:
                check(read(self.memory.orders[call_id]), self.calls[call_id], self)
        return out
