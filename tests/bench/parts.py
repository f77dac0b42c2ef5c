"""The parts of the bench: each measures one rung of the ladder and tells its figures to the board."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import uvloop

from tests.bench import (
    core,
    forms,
    latency,
    overhead,
    registrar,
    replay,
    requests,
    rivals,
    search,
    startup,
    takeover,
    talking,
    wire,
    workers,
)
from tests.bench.board import Board, Goal
from tests.bench.calls import Outcome, bridged_calls, estimate
from tests.bench.processes import CORES
from tests.bench.size import Size

T = TypeVar("T")
Part = Callable[[Board, Size], None]

LOWER = 0.93
"""From a rate that was not held to the next."""
HELD = "bridged calls, none failed, held"
FOUND = "bridged calls, none failed, for a while"
FOUND_CPU = "CPU of a call at that rate, all of the server"
HELD_CPU = "CPU of a call while it was held, all of the server"
OVER = 1.5
UNDER = 0.5


def in_folder(play: Callable[[Path], Coroutine[Any, Any, T]]) -> T:
    """Run it in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return uvloop.run(play(Path(folder)))


def of_the_start(board: Board, size: Size) -> None:
    board.tell("import of all that c2c serve needs", startup.imported(size.rounds), "ms", size.rounds)
    ready = in_folder(lambda folder: startup.ready(folder, size.rounds))
    board.tell("from c2c serve to ready, with a new database", ready, "ms", size.rounds)


def of_the_core(board: Board, size: Size) -> None:
    messages, rounds = size.count(20_000), size.rounds
    figures = core.rates(
        {
            "parse an INVITE of 14 lines and its SDP": core.parse_only,
            "build the same INVITE": core.build_only,
            "parse the same INVITE and check every field": core.read_what_a_server_reads,
        },
        messages,
        rounds,
    )
    for name, rate in figures.items():
        board.tell(name, rate, "/s", rounds)
    both = core.rates({"both": core.transaction}, messages, rounds)["both"]
    board.tell("a transaction, each side", 1e6 / both / 2, "µs", rounds)
    number = size.count(2000)
    cost = replay.whole_call(number, rounds)
    board.tell("a whole call in the core, 15 messages, no sockets", cost, "µs", rounds, goal=Goal("≤", 150))
    plain, kept = takeover.whole_call(number, rounds)
    board.tell("what keeping it in the journal adds", kept - plain, "µs", rounds)
    board.tell("memory of a talking call in the core", core.bytes_per_call(number) / 1000, "kB", goal=Goal("≤", 6))
    board.tell("left of each call that is over", core.growth(size.count(1500)), "bytes")
    decision = core.throttle(rounds, messages)
    board.tell("a decision of a token bucket, of 10 000", decision, "µs", rounds, goal=Goal("≤", 0.5))
    number = size.count(10_000)
    board.tell("talking calls of a killed process taken over", number / takeover.takeover(number), "calls/s")


def of_the_forms(board: Board, size: Size) -> None:
    what = "a whole call in the core, compiled"
    try:
        plain, compiled = forms.costs(size.count(1500), size.rounds)
    except forms.NotCompiledError as reason:
        board.miss(what, str(reason))
        return
    board.tell("a whole call in the core, plain, in turn with compiled", plain, "µs", size.rounds)
    board.tell(what, compiled, "µs", size.rounds, ratio=plain / compiled, rival="as cheap as plain")


def of_the_registrar(board: Board, size: Size) -> None:
    for name, rate in registrar.per_second(size.count(3000), size.rounds):
        board.tell(name, rate, "/s", size.rounds)
    number = size.count(100_000)
    board.tell("memory of a registered phone", registrar.resident(number) / number / 1000, "kB")
    rate, cpu = in_folder(lambda folder: registrar.on_the_wire(folder, size.count(1000), 4 * size.flat_out))
    board.tell("REGISTER with digest over sockets, kept on the disk", rate, "/s")
    board.tell("CPU of the server for each REGISTER", 1e6 * cpu, "µs")


def of_the_wire(board: Board, size: Size) -> None:
    bare, ours = uvloop.run(wire.echoes(size.rounds, size.count(40_000)))
    board.tell("UDP echo of 900 bytes, bare uvloop, by CPU", bare, "/s", size.rounds)
    board.tell("UDP echo of 900 bytes, our transport, by CPU", ours, "/s", size.rounds, ratio=ours / bare, rival="bare")


def of_http(board: Board, size: Size) -> None:
    found = in_folder(lambda folder: requests.measure(folder, size.rounds, size.flat_out))
    client = found.client
    board.tell(f"the client's core, busy with {requests.STEADY} requests/s to the echo", 100 * client.busy, "%")
    board.tell("what the client really sent", client.rate, "/s", note=f"at most {1000 * client.late:.0f} ms late")
    words = {
        "read": "read one click-to-call",
        "list": "list ten click-to-calls",
        "connect": "connect: throttled, durable, A is called",
    }
    for name, (asked, echo) in found.asked.items():
        if name != "list":
            board.tell(f"bare aiohttp and msgspec echo, beside {name}", echo.rate, "/s", size.rounds)
        note = f"{asked.refused:.0f} refused in the round" if asked.refused else ""
        board.tell(words[name], asked.rate, "/s", size.rounds, ratio=asked.rate / echo.rate, rival="echo", note=note)
        board.tell(
            f"CPU of the server for each {name}",
            1e6 * asked.cpu,
            "µs",
            size.rounds,
            ratio=echo.cpu / asked.cpu if asked.cpu else None,
            rival="as cheap as echo",
            goal=Goal("≥", 0.6, "ratio") if name == "connect" else None,
        )


def tries(runs: Sequence[Outcome | rivals.Run]) -> str:
    """What was tried, and whether a rate was found that is too high."""
    words = ", ".join(f"{run.asked:.0f}{'' if run.is_kept else ' not'}" for run in runs)
    return f"tried {words}" + (", and no higher" if all(run.is_kept for run in runs) else "")


def of_calls(board: Board, size: Size) -> None:
    fits = in_folder(lambda folder: estimate(folder, size.attempt))

    async def attempt(rate: float) -> Outcome:
        with tempfile.TemporaryDirectory() as folder:
            return await bridged_calls(Path(folder), rate, size.attempt)

    best, runs = uvloop.run(search.highest(attempt, size.begin * fits, size.attempts))
    if best is None:
        board.fail(HELD, f"no rate was kept: {workers.describe(runs[-1])}", Goal("≥", 2500))
        return
    board.tell(FOUND, best.rate, "/s", len(runs), note=f"{size.attempt:g} s each; {tries(runs)}")
    board.tell(FOUND_CPU, 1e3 * best.each, "ms")
    board.tell("core of both phones and the client, busy at that rate", 100 * best.busy, "%")
    rate = best.asked
    for number in range(size.holds):
        held = in_folder(lambda folder, rate=rate: bridged_calls(folder, rate, size.hold))
        if held.is_kept:
            note = f"{size.hold:g} s, {held.bridged} calls"
            board.tell(HELD, held.rate, "/s", number + 1, goal=Goal("≥", 2500), note=note)
            board.tell(HELD_CPU, 1e3 * held.each, "ms", goal=Goal("≤", 0.38))
            return
        rate *= LOWER
    board.fail(HELD, workers.describe(held), Goal("≥", 2500))


def carried(board: Board, size: Size) -> float:
    """Calls a second without a failure, as was found in this run; else about that."""
    found = board.known(HELD) or board.known(FOUND)
    return found or 0.75 * in_folder(lambda folder: estimate(folder, size.attempt))


def of_overload(board: Board, size: Size) -> None:
    rate = OVER * (board.known(FOUND) or carried(board, size))
    outcome = in_folder(lambda folder: bridged_calls(folder, rate, size.at_once, give_up=False))
    note = f"{OVER} × what it carries, for {size.at_once:g} s"
    board.tell("overload: connects offered", outcome.offered / size.at_once, "/s", note=note)
    counts = {
        "bridged": outcome.bridged,
        "refused, 503 or 429": outcome.refused,
        "failed": outcome.failed,
        "not over ten seconds later": outcome.left,
    }
    for name, count in counts.items():
        board.tell(f"overload: {name}", 100 * count / max(1, outcome.offered), "%", note=f"{count} calls")
    board.tell("overload: CPU of the server for each bridged one", 1e3 * outcome.each, "ms")


def of_latency(board: Board, size: Size) -> None:
    rate = UNDER * carried(board, size)
    values, outcome = in_folder(lambda folder: latency.at(folder, rate, size.at_once))
    if len(values) < 2:
        board.fail("REST to wire", f"the probes were refused: {workers.describe(outcome)}", Goal("≤", 1))
        return
    p50, p99 = latency.percentiles(values)
    note = f"{len(values)} probes beside {rate:.0f} calls/s, half of what it carries"
    board.tell("REST to wire, p50", p50, "ms", goal=Goal("≤", 1), note=note)
    board.tell("REST to wire, p99", p99, "ms", goal=Goal("≤", 10))
    if outcome.failed or outcome.refused or outcome.left:
        board.fail("REST to wire: the calls beside", workers.describe(outcome))


def of_a_rival(play: Callable[..., Any], name: str, fits: float, times: float | None, board: Board, size: Size) -> None:
    """`fits`: about what its core has time for; `times`: how often its rate we are to carry."""
    goal = Goal("≥", times, "ratio") if times else None
    if play is rivals.sippy and not rivals.has_sippy():
        board.miss(name, "it is not installed; make bench gets it", goal)
        return
    seconds = max(1.0, min(4.0, size.attempt))
    best, runs = in_folder(lambda folder: rivals.highest(play, folder, size.begin * fits, seconds, size.attempts))
    if best is None:
        board.fail(name, f"{runs[-1].failed} of {runs[-1].calls} calls failed at {runs[-1].asked:.0f}/s", goal)
        return
    board.tell(name, best.asked, "/s", len(runs), note=f"{seconds:g} s each; {tries(runs)}")
    board.tell(f"CPU of each call, {name.split(',')[0]}", 1e3 * best.each, "ms")
    rate, cpu = board.known(HELD) or board.known(FOUND), board.known(HELD_CPU) or board.known(FOUND_CPU)
    if rate and cpu:
        board.tell(
            f"ours beside {name.split(',')[0]}", rate, "/s", ratio=rate / best.asked, rival="its rate", goal=goal
        )
        board.tell(
            f"ours by CPU, beside {name.split(',')[0]}", cpu, "ms", ratio=1e3 * best.each / cpu, rival="as cheap"
        )


def of_workers(board: Board, size: Size) -> None:
    goal = Goal("≥", 1.8)
    modest = min(300.0, 0.4 * carried(board, size))
    seconds = min(3.0, size.attempt)
    try:
        costs = in_folder(lambda folder: workers.costs(folder, modest, seconds, size.rounds))
    except RuntimeError as error:
        board.fail("two workers against one, by CPU", str(error), goal)
        return
    for number, cost in costs.items():
        board.tell(f"workers = {number}: CPU of a call, all processes", 1e3 * cost.total, "ms", size.rounds)
        board.tell(f"workers = {number}: its share of the busiest process", 1e3 * cost.busiest, "ms", size.rounds)
        board.tell(
            f"workers = {number}: its share of the desk (HTTP, storage, calls)", 1e3 * cost.desk, "ms", size.rounds
        )
    gain = costs[1].busiest / costs[2].busiest
    board.tell("two workers against one, by CPU of the busiest, at that rate", gain, "×", size.rounds, goal=goal)
    note = "a core for each process" if workers.ALONE else f"{len(CORES)} cores for server, phones and client"
    best: dict[int, Outcome] = {}
    for kind in workers.KINDS:
        # In a short run a process may seem to need no CPU at all.
        start = min(3 * modest, size.begin / costs[kind.workers].busiest * (1 if workers.ALONE else 0.8))
        what = f"workers = {kind.workers}: bridged calls, none failed, for a while"
        run = in_folder(
            lambda folder, kind=kind, start=start: workers.rate(
                folder, kind, start, seconds, (size.attempts + 1) * 2 // 3
            )
        )
        if run is None:
            board.fail(what, "no rate was kept")
            return
        best[kind.workers] = run
        board.tell(what, run.rate, "/s", note=note)
    gain = workers.busiest(best[1]) / workers.busiest(best[2])
    board.tell("two workers against one, by CPU of the busiest, each at its highest rate", gain, "×", goal=goal)
    board.tell(
        "two workers against one, by rate", best[2].rate / best[1].rate, "×", goal=goal if workers.ALONE else None
    )


def of_talking_calls(board: Board, size: Size) -> None:
    few, many = size.talking[0], size.talking[-1]
    name = f"CPU of one more call beside {many} talking ones"
    goal = Goal("≤", 1.1, "ratio")
    try:
        found = in_folder(
            lambda folder: talking.measure(folder, size.talking, size.rounds, size.linger, min(1.0, 2 * size.scale))
        )
    except (talking.TooLongError, TimeoutError) as error:
        board.fail(name, str(error) or "the calls did not end in time", goal)
        return
    for step in (found.few, *found.steps):
        what = f"memory of each of {step.talking} talking calls, all of the server"
        note = "with all that is kept for late messages, and what making them has left free"
        board.tell(what, step.memory / step.talking / 1000, "kB", note=note)
    what = f"memory of each further talking call, up to {found.steps[-1].talking if found.steps else many}"
    if found.further is None:
        board.miss(what, found.trouble, Goal("≤", 6))
    else:
        board.tell(what, found.further / 1000, "kB", goal=Goal("≤", 6), note="all of the server, resident")
    costs = dict(found.cpu)
    first = costs.pop(few)
    board.tell(f"CPU of one more call beside {few} talking ones", 1e3 * first, "ms", size.rounds)
    for number, cost in costs.items():
        what = f"CPU of one more call beside {number} talking ones"
        rival = f"beside {few}"
        board.tell(what, 1e3 * cost, "ms", size.rounds, ratio=cost / first, rival=rival, goal=goal)


def of_the_overhead(board: Board, size: Size) -> None:
    goal = Goal("≤", 10)
    costs = overhead.of_a_call(size.count(2000), size.rounds)
    board.tell("core: CPU of a call without journal and trails", 1e6 * costs.bare, "µs", size.rounds)
    board.tell("core: CPU of a call with both", 1e6 * costs.whole, "µs", size.rounds)
    board.tell("core: what both take of its calls per second", 100 * costs.share, "%", size.rounds)
    most = carried(board, size)
    what = "server: what both take of its calls per second, by CPU"
    for share in overhead.SHARES:
        rate = share * most
        try:
            costs = in_folder(lambda folder, rate=rate: overhead.of_the_server(folder, rate, size.attempt, size.rounds))
        except RuntimeError as error:
            trouble = str(error)
            continue
        note = f"{rate:.0f} calls/s for {size.attempt:g} s"
        board.tell("server: CPU of a call without journal and trails", 1e3 * costs.bare, "ms", size.rounds, note=note)
        board.tell("server: CPU of a call with both", 1e3 * costs.whole, "ms", size.rounds, note=note)
        board.tell(what, 100 * costs.share, "%", size.rounds, goal=goal)
        return
    board.fail(what, trouble, goal)


class Plan(NamedTuple):
    """A part, and the seconds after which it is ended."""

    play: Part
    limit: float


SIPPY = functools.partial(of_a_rival, rivals.sippy, "sippy 2.5.0's B2BUA, 14 messages", 200.0, 8)
CONTROLLERS = functools.partial(
    of_a_rival, rivals.controllers, "SIPp's own 3PCC controllers, 10 messages", 5000.0, None
)
PARTS: dict[str, Plan] = {
    "start": Plan(of_the_start, 60),
    "core": Plan(of_the_core, 180),
    "forms": Plan(of_the_forms, 120),
    "registrar": Plan(of_the_registrar, 120),
    "wire": Plan(of_the_wire, 30),
    "http": Plan(of_http, 90),
    "calls": Plan(of_calls, 540),
    "overhead": Plan(of_the_overhead, 420),
    "overload": Plan(of_overload, 90),
    "latency": Plan(of_latency, 90),
    "sippy": Plan(SIPPY, 120),
    "controllers": Plan(CONTROLLERS, 120),
    "workers": Plan(of_workers, 300),
    "talking": Plan(of_talking_calls, 900),
}
