"""`python -m tests.bench`: figures of this machine, now. Nothing here decides whether a test passes.

Medians of interleaved rounds; the machine may be busy with other things, so compare within one run.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
from pathlib import Path

import uvloop

from tests.bench import core, registrar, requests
from tests.bench.calls import highest_rate

REQUESTS = {
    "read": "read one click-to-call",
    "list": "list ten click-to-calls",
    "connect": "connect: throttled, on the disk, a phone rings",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--core-only", action="store_true", help="leave out what needs sockets, SIPp and half a minute")
    options = parser.parse_args()
    # As the server sets its collector.
    gc.set_threshold(50_000, 50, 50)
    figures: dict[str, float] = {}

    def tell(name: str, value: float, unit: str) -> None:
        figures[f"{name} ({unit})"] = round(value, 1)
        if not options.json:
            print(f"{name:<58} {value:>12,.1f} {unit}", flush=True)

    tell("parse and build an INVITE", core.rate(core.parse_and_build, 20_000), "/s")
    tell("parse an INVITE and check every field", core.rate(core.read_what_a_server_reads, 10_000), "/s")
    tell("a transaction, each side", 1e6 / core.rate(core.transaction, 20_000) / 2, "µs")
    tell("a whole call in the core, 15 messages", core.whole_call(), "µs")
    tell("memory of a talking call in the core", core.bytes_per_call() / 1000, "kB")
    tell("left of a call that is over, after 20 000 more", core.growth(), "bytes")
    tell("a decision of a token bucket, of 10 000", core.throttle(), "µs")
    for name, rate in registrar.per_second():
        tell(name, rate, "/s")
    if not options.core_only:
        tell("resident memory of 100 000 registered phones", registrar.resident(100_000) / 1e6, "MB")
        with tempfile.TemporaryDirectory() as folder:
            rate, cpu = uvloop.run(registrar.on_the_wire(Path(folder)))
        tell("REGISTER with digest over sockets, kept on disk", rate, "/s")
        tell("  CPU of the server for each", 1e6 * cpu, "µs")
        with tempfile.TemporaryDirectory() as folder:
            rates = uvloop.run(requests.rates(Path(folder)))
        tell("bare aiohttp echo", rates["echo"], "/s")
        for name, words in REQUESTS.items():
            tell(words, rates[f"{name} a second"], "/s")
            tell("  against the echo beside it", 100 * rates[name], "%")
        with tempfile.TemporaryDirectory() as folder:
            best, outcomes = uvloop.run(highest_rate(Path(folder)))
        tell("bridged calls, none failed, server on one core", best, "/s")
        for outcome in outcomes:
            per_call = 1e3 * outcome.cpu / max(1, outcome.bridged)
            tell(f"  {outcome.bridged} bridged, {outcome.failed} failed, at", outcome.rate, "/s")
            tell("    CPU of the server for each call", per_call, "ms")
    if options.json:
        print(json.dumps(figures, ensure_ascii=False, indent=2))


if __name__ == "__main__":
    main()
