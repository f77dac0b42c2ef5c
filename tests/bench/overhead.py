"""What it costs that calls outlive a kill (journal) and can be explained (trails): with and without both, in turns.

Without, `Leg.saw` does nothing and the engine has no journal: in the core by what is put in their place here, in the
server by `bare_server.py`. The product has no such switch.
"""

from __future__ import annotations

import contextlib
import gc
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.news import CallEnded
from c2c_b2bua.dialog.leg import Leg
from c2c_b2bua.kept_calls import KeptCalls
from c2c_b2bua.sip.flow import Interfaces
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action, Send, Work
from tests.bench.calls import Outcome, Stage
from tests.bench.core import INTERFACE
from tests.bench.replay import SECRET, Tape, play, record
from tests.bench.workers import describe
from tests.sipp.server import Server

SHARES = (0.95, 0.8, 0.65)
"""Of what the server carries: what is tried until no call fails. With less to do, less is written together."""
AT_ONCE = 5
"""Calls whose ends come to the database together."""


class Costs(NamedTuple):
    """Seconds of CPU for each call."""

    bare: float
    whole: float

    @property
    def share(self) -> float:
        """Of the calls a second that there would be without."""
        return 1 - self.bare / self.whole


class Bare(B2bua):
    """As the engine has it, with nobody who keeps anything."""

    def __init__(self, kept: KeptCalls | None = None) -> None:
        super().__init__(Interfaces([INTERFACE]), Tokens(SECRET), keeps=kept is not None)

    def settle(self, work: Work, now: float) -> list[Action]:
        out = super().settle(work, now)
        for action in out:
            if type(action) is not Send:
                self.hear(action)
        self.write()
        return out

    def hear(self, action: Action) -> object:
        return None

    def write(self) -> None:
        pass


class Whole(Bare):
    """With the journal: everything is in it before anything leaves, and goes when the database has the record."""

    def __init__(self, folder: Path) -> None:
        self.kept = KeptCalls(folder / "calls", {})
        super().__init__(self.kept)
        self.kept.take_over(self, 0.0, lambda actions: None)
        self.kept.release(lambda news: None)
        self.ended: list[str] = []

    def hear(self, action: Action) -> object:
        if type(action) is CallEnded:
            self.ended.append(action.call_id)
        return self.kept.hear(action)

    def write(self) -> None:
        self.kept.write()
        if len(self.ended) == AT_ONCE:
            self.kept.save()
            for call_id in self.ended:
                self.kept.forget(call_id)
            self.ended = []


@contextlib.contextmanager
def no_trails() -> Iterator[None]:
    saw = Leg.saw
    setattr(Leg, "saw", lambda leg, code, now: None)  # noqa: B010 (a method is not to be assigned to)
    try:
        yield
    finally:
        setattr(Leg, "saw", saw)  # noqa: B010


def of_a_call(calls: int, rounds: int) -> Costs:
    """In the core: medians of the rounds."""
    tape = record(calls)
    gc.collect()
    gc.freeze()
    bare, whole = [], []
    for _ in range(rounds):
        with no_trails():
            bare.append(seconds(tape, Bare()) / calls)
        with tempfile.TemporaryDirectory() as folder:
            core = Whole(Path(folder))
            whole.append(seconds(tape, core) / calls)
            core.kept.close()
    gc.unfreeze()
    return Costs(median(bare), median(whole))


def seconds(tape: Tape, core: B2bua) -> float:
    gc.collect()
    started = time.process_time()
    play(tape, 0.001, core=core)
    return time.process_time() - started


class BareServer(Server):
    module = "tests.bench.bare_server"


async def of_the_server(directory: Path, rate: float, length: float, rounds: int) -> Costs:
    """By the CPU of all of the server, at this rate. RuntimeError when calls failed."""
    found: dict[type[Server], list[float]] = {BareServer: [], Server: []}
    for turn in range(rounds):
        for kind, costs in found.items():
            async with Stage(directory / f"{kind.__name__}-{turn}", kind) as stage:
                outcome: Outcome = await stage.run(rate, length)
            if outcome.failed or outcome.refused or outcome.left:
                raise RuntimeError(f"{kind.__name__}: {describe(outcome)}")
            costs.append(outcome.each)
    return Costs(median(found[BareServer]), median(found[Server]))
