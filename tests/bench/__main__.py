"""`python -m tests.bench`: figures of this machine, now. Nothing here decides whether a test passes.

Medians of interleaved rounds; the machine may be busy with other things, so compare within one run. A bridged call is 15
messages: INVITE, 180, 200, ACK on either leg, a re-INVITE with 200 and ACK, and two BYEs with their 200.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from tests.bench import core, latency, registrar, requests, rivals, startup, takeover, talking, wire, workers
from tests.bench.calls import Outcome, bridged_calls, highest_rate

T = TypeVar("T")
REQUESTS = {
    "read": "read one click-to-call",
    "list": "list ten click-to-calls",
    "connect": "connect: throttled, on the disk, a phone rings",
}
TALKING = [1_000, 10_000, 50_000]


class Board:
    """Takes the figures as they come."""

    def __init__(self, is_json: bool) -> None:
        self.is_json = is_json
        self.figures: dict[str, float] = {}

    def tell(self, name: str, value: float, unit: str) -> None:
        self.figures[f"{name.strip()} ({unit})"] = round(value, 2)
        if not self.is_json:
            print(f"{name:<62} {value:>12,.{0 if value >= 1000 else 2}f} {unit}", flush=True)


def in_folder(play: Callable[[Path], Coroutine[Any, Any, T]]) -> T:
    """Run it in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return uvloop.run(play(Path(folder)))


def of_the_core(board: Board) -> None:
    tell = board.tell
    tell("parse and build an INVITE", core.rate(core.parse_and_build, 20_000), "/s")
    tell("parse an INVITE and check every field", core.rate(core.read_what_a_server_reads, 10_000), "/s")
    tell("a transaction, each side", 1e6 / core.rate(core.transaction, 20_000) / 2, "µs")
    tell("a whole call in the core, 15 messages", core.whole_call(), "µs")
    tell("memory of a talking call in the core", core.bytes_per_call() / 1000, "kB")
    tell("left of a call that is over, after 20 000 more", core.growth(), "bytes")
    plain, kept = takeover.whole_call()
    tell("keeping a whole call in the journal costs", kept - plain, "µs")
    tell("10 000 talking calls of a killed process taken over in", 1000 * takeover.takeover(), "ms")
    tell("a decision of a token bucket, of 10 000", core.throttle(), "µs")
    for name, rate in registrar.per_second():
        tell(name, rate, "/s")


def of_the_registrar(board: Board) -> None:
    board.tell("resident memory of 100 000 registered phones", registrar.resident(100_000) / 1e6, "MB")
    rate, cpu = in_folder(registrar.on_the_wire)
    board.tell("REGISTER with digest over sockets, kept on disk", rate, "/s")
    board.tell("  CPU of the server for each", 1e6 * cpu, "µs")


def of_the_wire(board: Board) -> None:
    bare, ours = uvloop.run(wire.echoes())
    board.tell("UDP echo of 900 bytes by uvloop, by CPU time", bare, "/s")
    board.tell("  by our transport", ours, "/s")


def of_http(board: Board) -> None:
    rates = in_folder(requests.rates)
    board.tell("bare aiohttp and msgspec echo", rates["echo"], "/s")
    for name, words in REQUESTS.items():
        board.tell(words, rates[f"{name} a second"], "/s")
        board.tell(f"  {name} against the echo beside it", 100 * rates[name], "%")


def of_calls(board: Board) -> None:
    best, outcomes = in_folder(highest_rate)
    board.tell("bridged calls, none failed for 8 s, server on one core", best, "/s")
    for outcome in outcomes:
        tell_of(board, outcome)
    held: Outcome | None = None
    rate = best
    for _ in range(4):
        outcome = in_folder(lambda folder, rate=rate: bridged_calls(folder, rate, 60))
        tell_of(board, outcome)
        if not outcome.failed:
            held = outcome
            break
        rate *= 0.92
    board.tell("bridged calls, none failed for 60 s", held.rate if held else 0.0, "/s")
    probes = in_folder(lambda folder: latency.at(folder, best / 2))
    for name, value in zip(("p50", "p99"), latency.percentiles(probes), strict=True):
        board.tell(f"REST to wire at half that rate, {name}", value, "ms")


def tell_of(board: Board, outcome: Outcome) -> None:
    board.tell(f"  {outcome.bridged} bridged, {outcome.failed} failed, at", outcome.rate, "/s")
    board.tell(f"    CPU for each of {outcome.bridged}", 1e3 * outcome.cpu / max(1, outcome.bridged), "ms")


def of_rivals(board: Board) -> None:
    for name, play, start in (
        ("SIPp's own 3PCC controllers, 10 messages", rivals.controllers, 2000.0),
        ("sippy 2.5.0's B2BUA, 14 messages", rivals.sippy, 100.0),
    ):
        if play is rivals.sippy and not rivals.has_sippy():
            board.tell("sippy is not installed: make bench gets it", 0.0, "/s")
            continue
        best, run = in_folder(lambda folder, play=play, start=start: rivals.highest(play, folder, start))
        board.tell(name, best, "/s")
        if run is not None:
            board.tell(f"  CPU for each call, {name.split()[0]}", 1e3 * run.cpu / run.calls, "ms")


def of_talking_calls(board: Board) -> None:
    for found in in_folder(lambda folder: talking.beside(folder, TALKING)):
        board.tell(f"memory of each of {found.talking} talking calls", found.memory / 1000, "kB")
        board.tell(f"  CPU of one more call beside {found.talking}", 1e3 * found.cpu, "ms")


def of_the_start(board: Board) -> None:
    board.tell("import of the server", startup.imported(), "ms")
    board.tell("from c2c serve to ready", in_folder(startup.ready), "ms")


def of_workers(board: Board) -> None:
    costs = in_folder(workers.costs)
    for number, cost in costs.items():
        board.tell(f"CPU of a call, workers = {number}, all processes", 1e3 * cost.total, "ms")
        board.tell("  the busiest process", 1e3 * cost.busiest, "ms")
        board.tell("  the one with HTTP, storage and its share of the calls", 1e3 * cost.desk, "ms")
    board.tell("two workers against one, by CPU of the busiest", costs[1].busiest / costs[2].busiest, "times")


PARTS = {
    "core": of_the_core,
    "registrar": of_the_registrar,
    "wire": of_the_wire,
    "http": of_http,
    "calls": of_calls,
    "workers": of_workers,
    "rivals": of_rivals,
    "talking": of_talking_calls,
    "start": of_the_start,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--core-only", action="store_true", help="as --only core: no sockets, half a minute")
    parser.add_argument("--only", default="", help=f"some parts, such as core,http; there are {', '.join(PARTS)}")
    options = parser.parse_args()
    names = ["core"] if options.core_only else [name for name in options.only.split(",") if name] or list(PARTS)
    if unknown := set(names) - set(PARTS):
        parser.error(f"no part is called {', '.join(sorted(unknown))}")
    # As the server sets its collector.
    gc.set_threshold(50_000, 50, 50)
    board = Board(options.json)
    for name in names:
        PARTS[name](board)
    if options.json:
        print(json.dumps(board.figures, ensure_ascii=False, indent=2))


if __name__ == "__main__":
    main()
