"""What has to be remembered of calls: which of them have changed, what was written of them, and who may linger on."""

from __future__ import annotations

from c2c_b2bua.call.call import ENDED, RINGING_A, RINGING_B, Call
from c2c_b2bua.call.snapshot import ORDER, RANG, Parts, Written, parts_of, without_passwords
from c2c_b2bua.dialog.leg import CANCELLING, DOWN, ENDING, Leg
from c2c_b2bua.transaction.layer import TransactionLayer


class Ledger:
    """What changes is `touched`, then `urgent` or `silent` until it is asked for; `legs` are all of the core, by their keys."""

    def __init__(self, layer: TransactionLayer, legs: dict[str, Leg]) -> None:
        self.layer = layer
        self.legs = legs
        self.touched: dict[str, Call] = {}
        """Calls that an event has changed which is still at work."""
        self.urgent: dict[str, Call] = {}
        """Those for which something is to be sent: only when they are written may it leave."""
        self.silent: dict[str, Call] = {}
        """All others that stand otherwise than they were last written."""
        self.over: list[str] = []
        """Those of which nothing is alive any more: after `CallEnded`, sometimes half a minute after."""
        self.written: dict[str, Written] = {}
        """What was written of calls, by their ids."""
        self.lingering: dict[str, list[Leg]] = {}
        """Id of a call -> legs it has rung that may linger on after it has done with them."""
        self.remains: dict[str, Call] = {}
        """Calls that have ended, and of which legs linger on."""

    def settle(self, sends: bool) -> None:
        """The event has done its work."""
        kind = self.urgent if sends else self.silent
        kind |= self.touched
        self.touched.clear()

    def due(self) -> dict[str, Parts]:
        """What has to be written of the `urgent`, by their ids."""
        calls, self.urgent = self.urgent, {}
        silent = self.silent
        changed = {}
        for name, call in calls.items():
            if name in silent:
                del silent[name]
            parts = self.parts(name, call)
            if parts is not None:
                changed[name] = parts
        return changed

    def rest(self) -> dict[str, Parts]:
        """The same of the `silent`. What rings is taken back, whatever else became of it: only its record needs to know."""
        calls, self.silent = self.silent, {}
        changed = {}
        for name, call in calls.items():
            parts = rang(call) if call.state in RINGS and name in self.written else self.parts(name, call)
            if parts is not None:
                changed[name] = parts
        return changed

    def parts(self, name: str, call: Call) -> Parts | None:
        """What has to be written of a call; None: it is over."""
        lingering = NOBODY
        if call.state == ENDED:
            lingering = self.those_that_linger(call)
            if not lingering:
                self.remains.pop(name, None)
                self.written.pop(name, None)
                self.over.append(name)
                return None
        elif name in self.lingering:
            lingering = self.those_that_linger(call)
        written = self.written.get(name)
        if written is not None:
            return parts_of(call, lingering, self.layer, written)
        written = self.written[name] = Written()
        parts = parts_of(call, lingering, self.layer, written)
        parts[ORDER] = without_passwords(call.order)
        return parts

    def write_anew(self) -> None:
        """What was written last is lost: all of a call is written again when it changes next."""
        self.written.clear()

    def those_that_linger(self, call: Call) -> list[Leg]:
        """Legs whose phone may ring yet, of which their call does not know any more."""
        legs = self.legs
        left = [leg for leg in call.legs if leg.state != DOWN and leg.key in legs and leg.call == call.id]
        known = self.lingering.get(call.id)
        if known is not None:
            left += [
                leg
                for leg in known
                if leg.state != DOWN and leg.key in legs and leg not in left and leg.call == call.id
            ]
        if left:
            self.lingering[call.id] = left
        else:
            self.lingering.pop(call.id, None)
        if call.state == ENDED:
            if left:
                self.remains[call.id] = call
            return left
        return [leg for leg in left if leg.state in (CANCELLING, ENDING) and leg not in call.legs]

    def rung(self, leg: Leg) -> None:
        """A leg that may linger on."""
        self.lingering.setdefault(leg.call, []).append(leg)

    def let_go(self, leg: Leg) -> None:
        """A leg is over."""
        if leg.call in self.remains:
            self.touched[leg.call] = self.remains[leg.call]


def rang(call: Call) -> Parts:
    """Since when the legs of a call ring."""
    return {RANG: {leg.key: leg.ringing_at for leg in call.legs if leg.ringing_at is not None}}


NOBODY: list[Leg] = []
RINGS = (RINGING_A, RINGING_B)
