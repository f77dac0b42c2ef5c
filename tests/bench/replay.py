"""`python -m tests.bench.replay`: what a whole call costs the core and nothing else, for comparing and for profilers.

Calls are recorded once with both phones played, then only what came in is given to fresh cores: the phones cost nothing.
"""

from __future__ import annotations

import argparse
import gc
import time
from statistics import median

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.order import CallOrder
from c2c_b2bua.sip.flow import Flow, Interfaces
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action
from c2c_b2bua.workers.process import THRESHOLDS
from tests.bench.core import INTERFACE, Legs

STEPS = (
    "connect",
    "180 of A",
    "200 of A",
    "180 of B",
    "200 of B",
    "200 of A's re-INVITE",
    "BYE of B",
    "200 of A's BYE",
)
SECRET = b"bench"
Tape = list[CallOrder | tuple[bytes, Flow]]


class Recorder(B2bua):
    """A core that notes what is given to it."""

    def __init__(self, tape: Tape) -> None:
        super().__init__(Interfaces([INTERFACE]), Tokens(SECRET))
        self.tape = tape

    def connect(self, order: CallOrder, now: float) -> list[Action]:
        self.tape.append(order)
        return super().connect(order, now)

    def receive(self, data: bytes, flow: Flow, now: float) -> list[Action]:
        self.tape.append((data, flow))
        return super().receive(data, flow, now)


def record(calls: int) -> Tape:
    tape: Tape = []
    legs = Legs()
    legs.core = Recorder(tape)
    for _ in range(calls):
        legs.run()
    return tape


def play(tape: Tape, apart: float, costs: list[list[float]] | None = None, core: B2bua | None = None) -> B2bua:
    """Give it all to a new core, or this one, the calls `apart` seconds from each other.

    `costs` gets the seconds of each step.
    """
    core = core or B2bua(Interfaces([INTERFACE]), Tokens(SECRET))
    now, step = 0.0, 0
    for given in tape:
        started = time.perf_counter() if costs is not None else 0.0
        if isinstance(given, CallOrder):
            now, step = now + apart, 0
            core.connect(given, now)
        else:
            now, step = now + 0.0001, step + 1
            core.receive(*given, now)
        ended = time.perf_counter() if costs is not None else 0.0
        while (due := core.next_due) is not None and due <= now:
            core.tick(now)
        if costs is not None:
            costs[step].append(ended - started)
            costs[-1].append(time.perf_counter() - ended)
    return core


def whole_call(calls: int = 2000, rounds: int = 5, apart: float = 0.001) -> float:
    """Microseconds of CPU of the core for one call: median of the rounds."""
    tape = record(calls)
    gc.collect()
    gc.freeze()
    spent = []
    for _ in range(rounds):
        started = time.process_time()
        play(tape, apart)
        spent.append(1e6 * (time.process_time() - started) / calls)
        gc.collect()
    gc.unfreeze()
    return median(spent)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.replay", description=__doc__)
    parser.add_argument("--calls", type=int, default=2500)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--apart", type=float, default=0.02, help="simulated seconds between two calls")
    parser.add_argument("--quiet", action="store_true", help="only play, for a profiler that counts by itself")
    options = parser.parse_args()
    gc.set_threshold(*THRESHOLDS)
    tape = record(options.calls)
    gc.collect()
    gc.freeze()
    spent: list[float] = []
    costs: list[list[float]] = [[] for _ in (*STEPS, "timers")]
    for _ in range(options.rounds):
        started = time.process_time()
        play(tape, options.apart)
        spent.append(1e6 * (time.process_time() - started) / options.calls)
        if not options.quiet:
            play(tape, options.apart, costs)
        gc.collect()
    if options.quiet:
        return
    print(
        f"{min(spent):6.1f} µs of CPU for a call at best, {median(spent):.1f} in the median of {options.rounds} rounds"
    )
    for name, seconds in zip(STEPS, costs, strict=False):
        print(f"{1e6 * median(seconds):6.1f} µs {name}")
    print(f"{1e6 * sum(costs[-1]) / options.calls / options.rounds:6.1f} µs timers of the call, and what they let go")


if __name__ == "__main__":
    main()
