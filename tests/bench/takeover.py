"""What it costs to keep calls for the process after a crash, and how long that one takes to go on with them."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.news import CallEnded
from c2c_b2bua.kept_calls import KeptCalls
from c2c_b2bua.sip.flow import Interfaces
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action, Work
from tests.bench.core import INTERFACE, ROUNDS, Legs, settle


class KeptB2bua(B2bua):
    """As the engine has it: what is to be kept is in the journal before anything leaves."""

    def __init__(self, journal: Path, secret: bytes) -> None:
        super().__init__(Interfaces([INTERFACE]), Tokens(secret), keeps=True)
        self.kept = KeptCalls(journal, {})
        self.kept.take_over(self, 0.0, lambda actions: None)
        self.kept.release(lambda news: None)

    def settle(self, work: Work, now: float) -> list[Action]:
        said = super().settle(work, now)
        for action in said:
            if type(action) is CallEnded:
                self.kept.hear(action)
        self.kept.write()
        return said


def whole_call(number: int = 2000, rounds: int = ROUNDS) -> tuple[float, float]:
    """Medians of interleaved rounds: microseconds of CPU of the core for one call without and with the journal."""
    plain, kept = [], []
    for _ in range(rounds):
        legs = Legs()
        for _ in range(number):
            legs.run()
        plain.append(legs.spent / number * 1e6)
        with tempfile.TemporaryDirectory() as folder:
            legs = Legs()
            legs.core = core = KeptB2bua(Path(folder) / "calls", b"bench")
            for _ in range(number):
                legs.run()
                core.kept.forget(f"c2c-{legs.count}")
            kept.append(legs.spent / number * 1e6)
            core.kept.close()
    return median(plain), median(kept)


def takeover(number: int = 10_000) -> float:
    """Seconds until another process has so many talking calls."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "calls"
        legs = Legs()
        legs.core = before = KeptB2bua(journal, b"before")
        for _ in range(number):
            legs.run(hang_up=False)
        settle(legs, 40)
        before.kept.close()
        started = time.perf_counter()
        after = KeptB2bua(journal, b"after")
        took = time.perf_counter() - started
        assert len(after.calls) == number
        after.kept.close()
        return took
