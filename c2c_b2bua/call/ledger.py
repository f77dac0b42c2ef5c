"""What has to be remembered of calls: which of them have changed, what was written of them, and who may linger on."""

from __future__ import annotations

from c2c_b2bua.call.call import ENDED, RINGING_A, RINGING_B, Call
from c2c_b2bua.call.snapshot import ORDER, Keep, Release, order_part, parts_of
from c2c_b2bua.dialog.leg import CANCELLING, DOWN, ENDING, Leg
from c2c_b2bua.dialog.snapshot import Written
from c2c_b2bua.transaction.actions import Action, Send
from c2c_b2bua.transaction.layer import TransactionLayer


class Ledger:
    """`told` says what has to be written, before what else is to be done; `legs` are all of the core, by their keys."""

    def __init__(self, layer: TransactionLayer, legs: dict[str, Leg]) -> None:
        self.layer = layer
        self.legs = legs
        self.touched: dict[str, Call] = {}
        """Calls that stand otherwise than they were last kept."""
        self.ringing: dict[str, Call] = {}
        """Calls of which nothing has changed but since when their phones ring: what rings is taken back, whatever else became
        of it, and only its record needs to know."""
        self.written: dict[str, dict[str, Written]] = {}
        """Id of a call that was kept -> what was written of its legs, by their names."""
        self.lingering: dict[str, list[Leg]] = {}
        """Id of a call -> legs it has rung that may linger on after it has done with them."""
        self.remains: dict[str, Call] = {}
        """Calls that have ended, and of which legs linger on."""

    def told(self, out: list[Action]) -> list[Action]:
        """What has changed of calls, and then what goes out."""
        touched, self.touched = self.touched, {}
        is_silent = Send not in map(type, out)
        kept: list[Action] = []
        for name, call in touched.items():
            written, state = self.written.get(name), call.state
            if is_silent and written is not None and state in RINGS:
                self.ringing[name] = call
                continue
            if name in self.ringing:
                del self.ringing[name]
            lingering = NOBODY
            if state == ENDED:
                lingering = self.those_that_linger(call)
                if not lingering:
                    self.remains.pop(name, None)
                    self.written.pop(name, None)
                    out.append(Release(name))
                    continue
            elif name in self.lingering:
                lingering = self.those_that_linger(call)
            if written is not None:
                parts = parts_of(call, lingering, self.layer, written)
            else:
                written = self.written[name] = {}
                parts = parts_of(call, lingering, self.layer, written)
                parts[ORDER] = order_part(call.order)
            kept.append(Keep(name, parts, not is_silent))
        kept += out
        return kept

    def rang(self) -> dict[str, dict[str, float]]:
        """Id of each of the `ringing` -> since when its legs ring, by their keys."""
        ringing, self.ringing = self.ringing, {}
        return {
            name: {leg.key: leg.ringing_at for leg in call.legs if leg.ringing_at is not None}
            for name, call in ringing.items()
        }

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


NOBODY: list[Leg] = []
RINGS = (RINGING_A, RINGING_B)
